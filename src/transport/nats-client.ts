/** @file NATS's own clients for a broker, loaded when they are needed, and a connection that outlasts the broker's restarts. */

import { setTimeout } from "node:timers/promises";
import { InputError } from "../core/errors.ts";
import { readText } from "../node/files/read.ts";

/** A broker, and who asks it. */
export interface NatsAddress {
  /** nats://host:port, or tls://host:port; the port is 4222 unless it is given. */
  readonly url: string;
  /** File of credentials: a user's NKey seed, or a .creds file with a user's JWT and seed. */
  readonly creds?: string | undefined;
  /** File of the certificate authority, in PEM, that signed the broker's certificate. Default: those that Node.js trusts */
  readonly ca?: string | undefined;
  /** For how long a broker that does not answer is waited for, in milliseconds. Default: a minute */
  readonly patienceMs?: number | undefined;
  /** For how long one request waits for an answer until it is repeated, in milliseconds. Default: 5 seconds */
  readonly timeoutMs?: number | undefined;
}

/** The clients: of the broker, and of what it stores. */
export interface Nats {
  readonly node: typeof import("@nats-io/transport-node");
  readonly jetstream: typeof import("@nats-io/jetstream");
  readonly kv: typeof import("@nats-io/kv");
  readonly obj: typeof import("@nats-io/obj");
}

/** @throws InputError if they are not installed. */
export async function loadNats(): Promise<Nats> {
  try {
    const [node, jetstream, kv, obj] = await Promise.all([
      import("@nats-io/transport-node"),
      import("@nats-io/jetstream"),
      import("@nats-io/kv"),
      import("@nats-io/obj"),
    ]);
    return { node, jetstream, kv, obj };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new InputError(
      "A broker is reached by NATS's own clients, which are not installed; run npm install @nats-io/transport-node @nats-io/jetstream @nats-io/kv @nats-io/obj.",
    );
  }
}

/**
 * Connects to a broker. The answers to a user's requests come to subjects under the public key, so that a broker can keep users from
 * reading one another's.
 *
 * @throws InputError if the address or the credentials are none, nothing answers, or the broker refuses them.
 */
export async function connect({ node }: Nats, { url, creds, ca, patienceMs = 60_000 }: NatsAddress) {
  const { host, hostname, isSecured } = parseUrl(url);
  const identity = creds === undefined ? undefined : readIdentity({ node }, creds);
  const options = {
    servers: host,
    name: "slimtune",
    ...(identity && { authenticator: identity.authenticator, inboxPrefix: inboxOf(identity.publicKey) }),
    // The client tells Node.js no name to look for in a certificate if the host is an IP address.
    ...(isSecured && { tls: { host: hostname, ...(ca !== undefined && { ca: readText(ca) }) } }),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 100,
    pingInterval: 20_000,
    ignoreAuthErrorAbort: true,
  };
  if (ca !== undefined && !isSecured)
    throw new InputError(`The address ${url} asks for no certificate; write it as tls://${host}.`);
  const end = performance.now() + Math.min(patienceMs, 30_000);
  for (;;) {
    try {
      return await node.connect(options);
    } catch (error) {
      const refusal = explainRefusal(error as Error, url, creds);
      if (refusal) throw refusal;
      if (performance.now() > end) throw describeAbsence(url, error);
      await setTimeout(250);
    }
  }
}

/** Where the answers to a user's requests come. */
export function inboxOf(publicKey: string): string {
  return `_INBOX_${publicKey}`;
}

/** @throws InputError if it is no address of a broker. */
export function parseUrl(url: string) {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || !["nats:", "tls:"].includes(parsed.protocol) || parsed.hostname === "")
    throw new InputError(
      `${url} is no address of a broker; give one such as nats://127.0.0.1:4222, or tls://broker.example:4222.`,
    );
  if (parsed.username !== "" || parsed.password !== "")
    throw new InputError(
      `The address of the broker ${parsed.host} holds a name or a password, which other users of this machine could see; give a file of credentials.`,
    );
  const { hostname, port, protocol } = parsed;
  return { hostname, host: `${hostname}:${port || 4222}`, isSecured: protocol === "tls:" };
}

function readIdentity({ node }: Pick<Nats, "node">, path: string) {
  const text = readText(path);
  const bytes = Buffer.from(text);
  const [seed] = /\bSU[A-Z2-7]{56}\b/.exec(text) ?? [];
  try {
    const publicKey = node.nkeys.fromSeed(Buffer.from(seed ?? "")).getPublicKey();
    const authenticator = text.includes("NATS USER JWT")
      ? node.credsAuthenticator(bytes)
      : node.nkeyAuthenticator(Buffer.from(seed!));
    return { publicKey, authenticator };
  } catch (error) {
    throw new InputError(
      `${path} holds no credentials; give a file with a user's NKey seed, which begins with SU, or a .creds file.`,
      { cause: error },
    );
  }
}

function explainRefusal(error: Error, url: string, creds: string | undefined): InputError | undefined {
  const { message, name } = error;
  const code = (error as NodeJS.ErrnoException).code ?? "";
  // A user who has not said who it is in time, since the machine is busy, may try again.
  if (/authentication timeout/i.test(message)) return undefined;
  if (name === "AuthorizationError" || /authorization violation|authentication|requires auth/i.test(message))
    return new InputError(
      creds === undefined
        ? `The broker at ${url} asks for credentials; give a file of them.`
        : `The broker at ${url} does not know the user of ${creds}; have that user entered into its configuration.`,
      { cause: error },
    );
  if (/CERT|SSL|TLS|SIGNED/.test(code) || /certificate|tls|ssl/i.test(message))
    return new InputError(
      `The connection to the broker at ${url} cannot be secured (${message}); give the certificate authority's file, and the name that the certificate has.`,
      { cause: error },
    );
  return undefined;
}

/** @param error why the last attempt failed */
export function describeAbsence(url: string, error: unknown): InputError {
  return new InputError(
    `The broker at ${url} does not answer (${(error as Error).message}); check the address and that it runs with JetStream.`,
    { cause: error },
  );
}
