/** @file For tests: a broker of this machine's nats-server, with JetStream in a temporary folder. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Broker {
  readonly url: string;
  readonly folder: string;
  /** Ends it at once, as a power cut would. */
  kill(): Promise<void>;
  /** Starts it again with what it has stored. */
  start(): Promise<void>;
  /** Ends it, and removes its folder. */
  remove(): Promise<void>;
}

export const hasNatsServer = spawnSync("nats-server", ["--version"]).status === 0;

/**
 * Starts a broker.
 *
 * @param configure writes further lines of the configuration, for files in its folder
 * @param host address of this machine at which it listens
 */
export async function startBroker(
  configure: (folder: string) => string | Promise<string> = () => "",
  host = "127.0.0.1",
): Promise<Broker> {
  const folder = mkdtempSync(join(tmpdir(), "slimtune-broker-"));
  const port = await findPort(host);
  const configuration = join(folder, "broker.conf");
  writeFileSync(
    configuration,
    `listen: "${host}:${port}"\njetstream { store_dir: "${folder}/store" }\n${await configure(folder)}`,
  );
  let child: ChildProcess | undefined;
  const start = async () => {
    child = spawn("nats-server", ["-c", configuration], { stdio: ["ignore", "ignore", "pipe"] });
    let log = "";
    for await (const text of child.stderr!.iterator({ destroyOnReturn: false })) {
      log += text;
      if (log.includes("Server is ready")) break;
    }
    if (!log.includes("Server is ready")) throw new Error(log);
    child.stderr!.resume();
  };
  const kill = async () => {
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
  await start();
  return {
    ...{ url: `nats://${host}:${port}`, folder, kill, start },
    async remove() {
      await kill();
      rmSync(folder, { recursive: true });
    },
  };
}

async function findPort(host: string): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
