/** @file The users of a broker: their keys, and what each role may do, as nats-server's configuration has it. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../core/errors.ts";
import { readText } from "../node/files/read.ts";
import { makeFolder, writeWhole } from "../node/files/write.ts";
import { inboxOf, loadNats, type Nats } from "./nats-client.ts";
import { consumerName, streamOf, subjectOf } from "./nats-transport.ts";
import { checkPlace, memberSpace } from "./transport.ts";

/** What a user is to a broker. */
export type BrokerRole =
  /** Makes queues and spaces, gives out work, and reads and writes everything. */
  | { readonly type: "server" }
  /**
   * A member of a run: reads the space `run`, reads and writes {@link memberSpace}, and claims from the queue of that name. It can
   * neither read what other members write nor write where the server does.
   */
  | { readonly type: "member"; readonly run: string; readonly member: string }
  /** Claims from the queue of a fleet, and reads and writes the space of that name. */
  | { readonly type: "worker"; readonly fleet: string };

export interface BrokerUser {
  /** Names the file of its credentials. */
  readonly name: string;
  readonly role: BrokerRole;
}

/**
 * Writes a broker's configuration, broker.conf, and the credentials of each of its users, NAME.nk, into a folder. Credentials
 * that are there are kept; users that are not named are none any more. The broker is to be run in that folder, with its
 * certificate and key there as server-cert.pem and server-key.pem.
 *
 * @returns the paths of the files of credentials
 * @throws InputError if a name is bad or given twice, or a file that is there holds no credentials.
 */
export async function writeBrokerFolder(folder: string, users: readonly BrokerUser[]): Promise<string[]> {
  const { node } = await loadNats();
  const names = users.map(({ name }) => name);
  for (const [index, name] of names.entries()) {
    checkPlace(name);
    if (names.indexOf(name) !== index) throw new InputError(`Two users are called ${name}; rename one.`);
  }
  makeFolder(folder);
  const lines = users.map(({ name, role }) => {
    const path = join(folder, `${name}.nk`);
    if (!existsSync(path)) {
      const seed = Buffer.from(node.nkeys.createUser().getSeed()).toString("latin1");
      writeWhole(path, `${seed}\n`, 0o600);
    }
    return describeUser(name, readPublicKey(path, node.nkeys), role);
  });
  writeWhole(join(folder, "broker.conf"), `${header}\n${authorizationOf(lines)}`);
  return names.map((name) => join(folder, `${name}.nk`));
}

const header = `# Run in this folder: nats-server -c broker.conf
listen: "0.0.0.0:4222"
jetstream { store_dir: "jetstream" }
tls { cert_file: "server-cert.pem", key_file: "server-key.pem" }
`;

function authorizationOf(users: readonly string[]): string {
  return `authorization {\n  users = [\n${users.join("")}  ]\n}\n`;
}

function describeUser(name: string, publicKey: string, role: BrokerRole): string {
  const publish = publishedBy(role).map((subject) => JSON.stringify(subject));
  return `    # ${name}
    {
      nkey: ${publicKey}
      permissions: {
        publish: [${publish.join(", ")}]
        subscribe: ["${inboxOf(publicKey)}.>"]
      }
    }
`;
}

/** The subjects to which a role may publish: requests to JetStream are such too, and name the stream that they concern. */
export function publishedBy(role: BrokerRole): string[] {
  switch (role.type) {
    case "server":
      return [">"];
    case "member": {
      const own = memberSpace(role.run, role.member);
      return [...reading(role.run), ...reading(own), ...writing(own), ...claiming(own)];
    }
    case "worker":
      checkPlace(role.fleet);
      return [...reading(role.fleet), ...writing(role.fleet), ...claiming(role.fleet)];
  }
}

function reading(space: string): string[] {
  return [streamOf.documents(space), streamOf.blobs(space)].flatMap((stream) => [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
  ]);
}

function writing(space: string): string[] {
  return [
    subjectOf.document(space, ">"),
    subjectOf.blobs(space),
    // Deleting a blob, and what is left of one whose upload failed.
    `$JS.API.STREAM.PURGE.${streamOf.blobs(space)}`,
  ];
}

function claiming(queue: string): string[] {
  const consumer = `${streamOf.queue(queue)}.${consumerName}`;
  return [
    `$JS.API.CONSUMER.INFO.${consumer}`,
    `$JS.API.CONSUMER.MSG.NEXT.${consumer}`,
    `$JS.ACK.${consumer}.>`,
  ];
}

function readPublicKey(path: string, nkeys: Nats["node"]["nkeys"]): string {
  try {
    return nkeys.fromSeed(Buffer.from(readText(path).trim())).getPublicKey();
  } catch (error) {
    throw new InputError(`${path} holds no NKey seed; remove it, and a new one is made.`, { cause: error });
  }
}
