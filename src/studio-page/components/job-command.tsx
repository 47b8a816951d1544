/** @file The command of a job before it is started, as the server writes it, or what speaks against it. */

import type { JobRequest } from "../../studio/api.ts";
import { client } from "../client.ts";
import { CommandLine } from "./command-line.tsx";
import { Notice } from "./notice.tsx";
import { useFetched } from "./use-fetched.ts";

export function JobCommand({ request }: { readonly request: JobRequest }) {
  const { value, problem } = useFetched(() => client.command(request), [JSON.stringify(request)]).value;
  if (problem) return <Notice kind="warning">{problem}</Notice>;
  return value === undefined ? null : <CommandLine command={value} />;
}
