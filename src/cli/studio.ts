/** @file `slimtune studio`: tuning, looking and comparing on a page in the browser. */

import { spawn } from "node:child_process";
import process from "node:process";
import { inspect } from "node:util";
import type { Command } from "commander";
import { runStudio } from "../studio/studio.ts";
import { writeStaticPage } from "../studio/write-static.ts";
import { parsePort, parseWhole } from "./arguments.ts";
import { note, print } from "./output.ts";

export function addStudioCommand(program: Command): void {
  program
    .command("studio")
    .description("Tune models, look at runs and compare them on a page in the browser, on this machine.")
    .argument("[folders...]", "what the page may see; runs begin in the first", ["runs"])
    .option("--port <n>", "port to listen on (default: 8010, or the next that is free)", parsePort)
    .option("--jobs <n>", "tuning runs at a time", parseWhole(1), 1)
    .option("--no-open", "do not open the browser")
    .option(
      "--static <folder>",
      "write a page there that tunes in a browser's tab, for any static host, and end",
    )
    .addHelpText(
      "after",
      `
Only this machine can reach the page, at the address that is printed, which holds a token.
Runs of the command line appear by themselves. Ctrl-C ends the studio; runs under way keep a checkpoint.

Example:
  slimtune studio runs models data
  slimtune studio --static out`,
    )
    .action(async (folders: string[], { port, jobs, open, static: out }: StudioFlags) => {
      if (out !== undefined) {
        await writeStaticPage(out);
        print(
          `The page is in ${out}: any server of files can give it out, on this machine npx serve ${out}.\n`,
        );
        return;
      }
      const options = { folders, jobs, onUnexpectedError: (error: unknown) => note(inspect(error)) };
      await runStudio(
        port === undefined ? options : { ...options, port },
        (address) => {
          print(`The studio is at ${address}; Ctrl-C stops it.\n`);
          if (open) openBrowser(address);
        },
        untilStopped(),
      );
    });
}

interface StudioFlags {
  readonly port?: number;
  readonly jobs: number;
  readonly open: boolean;
  readonly static?: string;
}

/** Fulfilled by a signal. A second one ends the process at once. */
function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    let signals = 0;
    const onSignal = () => {
      if (++signals > 1) process.exit(130);
      note(
        "Stopping: runs under way are given the time for a checkpoint (press Ctrl-C again to stop at once).",
      );
      resolve();
    };
    process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  });
}

/** What opens an address on each platform. */
const openers: Readonly<Partial<Record<NodeJS.Platform, readonly [program: string, ...words: string[]]>>> = {
  darwin: ["open"],
  win32: ["rundll32", "url.dll,FileProtocolHandler"],
};

/** Where there is no browser, the address that was printed is there. */
function openBrowser(address: string): void {
  const [opener, ...words] = openers[process.platform] ?? ["xdg-open"];
  spawn(opener, [...words, address], { stdio: "ignore", detached: true })
    .on("error", () => {})
    .unref();
}
