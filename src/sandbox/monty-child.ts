/** @file The program of Monty's process: an interpreter of a part of Python that has no functions of the host. */

import process from "node:process";
import { lastLine, outOfTime, serve } from "./child.ts";

const [, , entry, library] = process.argv;
// Otherwise it looks for the system's kind of C library in files that cannot be read here.
process.env.NAPI_RS_NATIVE_LIBRARY_PATH = library!;
const { Monty, MontyError }: typeof import("@pydantic/monty") = await import(entry!);

serve({
  run({ code, timeoutMs, memoryBytes }, output) {
    try {
      // The value of a last expression would be converted for JavaScript, which no limit bounds.
      new Monty(`${code}\nNone`).run({
        limits: { maxDurationSecs: timeoutMs / 1000, maxMemory: memoryBytes },
        printCallback: (_stream: string, text: string) => output.append(text),
      });
      return { reason: "ok" };
    } catch (error) {
      if (!(error instanceof MontyError)) throw error;
      const message = lastLine(error.display("type-msg"));
      if (message.startsWith("TimeoutError: time limit exceeded")) return outOfTime;
      return { reason: message.startsWith("MemoryError") ? "memory" : "error", error: message };
    }
  },
});
