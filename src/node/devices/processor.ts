/** @file The processor of this machine, in words. */

import { existsSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { readWhole } from "../files/read.ts";

/** Flags of Linux's /proc/cpuinfo for what multiplies matrices faster, by the names that people know. */
const instructionSets: Readonly<Record<string, string>> = {
  avx2: "AVX2",
  avx512f: "AVX-512",
  avx_vnni: "AVX-VNNI",
  avx512_vnni: "AVX-512 VNNI",
  amx_bf16: "AMX bfloat16",
  amx_int8: "AMX int8",
  asimd: "NEON",
  asimddp: "dot product",
  i8mm: "int8 matrix product",
};

/**
 * Which of the instruction sets matter here; none where the system does not tell, as other systems than Linux do not.
 *
 * @param cpuinfo Linux's /proc/cpuinfo
 */
export function listInstructionSets(cpuinfo: string): string[] {
  const flags = new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(cpuinfo)?.[1]?.trim().split(/\s+/));
  return Object.keys(instructionSets)
    .filter((flag) => flags.has(flag))
    .map((flag) => instructionSets[flag]!);
}

/** Such as "2 cores of Intel(R) Xeon(R) Processor (AVX2, AVX-512)". */
export function describeProcessor(): string {
  const path = "/proc/cpuinfo";
  const sets = existsSync(path) ? listInstructionSets(readWhole(path).toString()) : [];
  const model = cpus()[0]?.model.trim() ?? "an unknown processor";
  return `${availableParallelism()} cores of ${model}${sets.length > 0 ? ` (${sets.join(", ")})` : ""}`;
}
