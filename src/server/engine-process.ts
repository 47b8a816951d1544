/** @file The engine in a process of its own: computing blocks a process, and HTTP must not wait for it. */

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { GeneratorOptions } from "../core/decoding/batch-generator.ts";
import type { Generator } from "../core/decoding/generator.ts";
import { toError } from "../core/failure.ts";
import type { Storage } from "../core/models/linear.ts";
import type { Arithmetic } from "../node/decoding/arithmetic.ts";
import type { DeviceName } from "../node/runtime/onnx-runtime.ts";
import {
  connectGenerator,
  EngineLostError,
  type FromEngine,
  type Port,
  type ToEngine,
} from "./remote-generator.ts";

/** What the process is told when it starts. */
export interface EngineOptions extends Pick<GeneratorOptions, "batchSize" | "bits" | "speculate"> {
  readonly model: string;
  /** Folders of the adapters, by the names under which they are asked for. */
  readonly adapters: Readonly<Record<string, string>>;
  /** How the linear weights are kept. Default "float32", or "int8" with that arithmetic. */
  readonly storage?: Storage;
  /** In which arithmetic prompts are read. Default "float32". */
  readonly arithmetic?: Arithmetic;
  /** Where to compute. Default "cpu". */
  readonly device?: DeviceName;
}

export interface EngineProcess extends Generator {
  /** Fulfilled when the model is loaded. @throws InputError if it cannot be. */
  readonly ready: Promise<void>;
  isReady(): boolean;
  /** Fulfilled if the process ends without being asked to. */
  readonly lost: Promise<EngineLostError>;
  /** Ends the process at once. */
  kill(): void;
}

/** Milliseconds that the process has to end by itself. */
const closingTime = 3000;

/** Starts the process; requests made before it is ready wait. */
export function startEngine(options: EngineOptions): EngineProcess {
  const program = fileURLToPath(new URL("./engine-child.js", import.meta.url));
  const child = fork(program, [JSON.stringify(options)], {
    serialization: "advanced",
    // Standard output belongs to the command.
    stdio: ["ignore", 2, 2, "ipc"],
  });
  const port = portTo(child);
  const generator = connectGenerator(port);
  let isReady = false;
  let closing = false;
  let exited = false;

  const ready = new Promise<void>((resolve, reject) => {
    port.listen((message) => {
      if (message.type === "ready") {
        isReady = true;
        resolve();
      } else if (message.type === "failed") {
        reject(toError(message));
      }
    });
    child.once("exit", () => reject(new EngineLostError("The engine's process ended before it was ready.")));
  });
  // Whoever closes before it is ready need not wait for it.
  ready.catch(() => {});

  const lost = new Promise<EngineLostError>((resolve) => {
    child.once("exit", (code, signal) => {
      exited = true;
      const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
      const error = new EngineLostError(`The engine's process was ended ${how}.`);
      generator.lose(error);
      if (!closing) resolve(error);
    });
  });

  return {
    ready,
    isReady: () => isReady,
    lost,
    generate: generator.generate,
    async close() {
      closing = true;
      if (exited) return;
      const exit = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      // While it loads the model, it hears nothing.
      if (isReady) port.send({ type: "shutdown" });
      else child.kill("SIGKILL");
      const deadline = setTimeout(() => child.kill("SIGKILL"), closingTime);
      await exit;
      clearTimeout(deadline);
    },
    kill() {
      closing = true;
      child.kill("SIGKILL");
    },
  };
}

function portTo(child: ChildProcess): Port<ToEngine, FromEngine> {
  return {
    send(message) {
      // A process that has just ended is noticed by its exit.
      if (child.connected) child.send(message, () => {});
    },
    listen: (listener) => void child.on("message", listener),
  };
}
