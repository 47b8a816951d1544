/**
 * @file Sums of vectors of which nobody sees one: each client adds masks that the others' cancel (Bonawitz et al. 2017, the protocol without
 * secret shares of section 4). Keys are agreed on by X25519, derived by HKDF and stretched by ChaCha20.
 */

import {
  createCipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from "node:crypto";
import { InputError } from "../../core/errors.ts";
import { quote } from "../../core/formats/weight-file.ts";

/** A client's keys for one attempt of one round. */
export interface MaskKeys {
  readonly privateKey: KeyObject;
  /** X25519's 32 bytes, in base64url. */
  readonly publicKey: string;
}

export interface MaskingPeers {
  /** Names the run, the round and the attempt. Masks of two attempts must differ, since else their difference would show who was lost. */
  readonly session: string;
  readonly client: string;
  readonly keys: MaskKeys;
  /** Public keys of all who take part, by client, its own among them. */
  readonly publicKeys: ReadonlyMap<string, string>;
}

/** Bits after the point of the 32-bit numbers that are summed: values are rounded to multiples of 2^-20. */
const fractionBits = 20;
/** Fewer could each tell the other's update from the sum. */
const fewestClients = 3;

export function createMaskKeys(): MaskKeys {
  const { privateKey, publicKey } = generateKeyPairSync("x25519");
  return { privateKey, publicKey: publicKey.export({ format: "jwk" }).x! };
}

/** Keys as a text, to be kept by their owner alone: a private key in PEM. */
export function writeMaskKeys({ privateKey }: MaskKeys): string {
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** @param where names the text in errors. @throws InputError if it is none of {@link writeMaskKeys} */
export function readMaskKeys(text: string, where: string): MaskKeys {
  try {
    const privateKey = createPrivateKey(text);
    return { privateKey, publicKey: createPublicKey(privateKey).export({ format: "jwk" }).x! };
  } catch {
    throw new InputError(`${where} holds no key of X25519; remove it, and join the round's next attempt.`);
  }
}

/**
 * The vector in fixed point with the masks of all pairs, modulo 2^32: x_i + Σ_(j > i) PRG(s_ij) − Σ_(j < i) PRG(s_ij), with clients in the order
 * of their names. Of an average the client multiplies by its share beforehand.
 *
 * @throws InputError if there are fewer than 3 clients, a key is no key, or a value is not finite or so large that the sum could overflow.
 */
export function maskVector(values: Float32Array, peers: MaskingPeers): Uint32Array {
  const { client, publicKeys } = peers;
  if (publicKeys.size < fewestClients)
    throw new InputError(
      `Secure aggregation of ${publicKeys.size} clients would let them know each other's updates; wait for at least ${fewestClients}.`,
    );
  if (publicKeys.get(client) !== peers.keys.publicKey)
    throw new InputError(
      `The public key that is told as that of client ${quote(client)} is not its own; somebody has replaced it, so take no part.`,
    );
  const masked = toFixedPoint(values, publicKeys.size);
  for (const peer of publicKeys.keys()) {
    if (peer === client) continue;
    const mask = maskOf(peers, peer, values.length);
    if (peer > client) for (let i = 0; i < masked.length; i++) masked[i]! += mask[i]!;
    else for (let i = 0; i < masked.length; i++) masked[i]! -= mask[i]!;
  }
  return masked;
}

export type MaskedVector = readonly [client: string, vector: Uint32Array];

/**
 * The sum of the values under all masks. It takes the vectors of all whose keys were given: if one is lost, the others mask anew, without it.
 *
 * @param masked each client's vector, read one after the other
 * @throws InputError if a vector is missing, there twice, or of another length.
 */
export async function sumMasked(
  masked: Iterable<MaskedVector> | AsyncIterable<MaskedVector>,
  publicKeys: ReadonlyMap<string, string>,
): Promise<Float64Array> {
  const lost = new Set(publicKeys.keys());
  let sum: Uint32Array | undefined;
  for await (const [client, vector] of masked) {
    if (!lost.delete(client))
      throw new InputError(
        `Client ${quote(client)} sent a vector that is not awaited: its key was not among the others', or it sent two; leave it out.`,
      );
    sum ??= new Uint32Array(vector.length);
    if (vector.length !== sum.length)
      throw new InputError(
        `Client ${quote(client)} sent ${vector.length} values, and others ${sum.length}; leave it out and repeat the round.`,
      );
    for (let i = 0; i < sum.length; i++) sum[i]! += vector[i]!;
  }
  if (lost.size > 0)
    throw new InputError(
      `The masks of ${[...lost].map(quote).join(" and ")} are missing, so those of the others do not cancel; repeat the round without.`,
    );
  return Float64Array.from(sum!, (value) => (value | 0) / 2 ** fractionBits);
}

function toFixedPoint(values: Float32Array, clients: number): Uint32Array {
  const limit = 2 ** (31 - fractionBits) / clients;
  return Uint32Array.from(values, (value, i) => {
    if (!(Math.abs(value) < limit))
      throw new InputError(
        `The value ${value} at place ${i} does not fit into the fixed point of ${clients} clients, which holds less than ${limit}; clip the update.`,
      );
    return Math.round(value * 2 ** fractionBits);
  });
}

/** The mask that a client shares with a peer: the same on both sides. */
function maskOf(
  { session, client, keys, publicKeys }: MaskingPeers,
  peer: string,
  length: number,
): Uint32Array {
  const secret = agree(keys.privateKey, publicKeys.get(peer)!, peer);
  const pair = JSON.stringify(["slimtune secure aggregation", ...[client, peer].sort()]);
  const key = new Uint8Array(hkdfSync("sha256", secret, session, pair, 32));
  const cipher = createCipheriv("chacha20", key, new Uint8Array(16));
  const bytes = cipher.update(new Uint8Array(4 * length));
  return Uint32Array.from({ length }, (_, i) => bytes.readUInt32LE(4 * i));
}

function agree(privateKey: KeyObject, publicKey: string, peer: string): Uint8Array {
  try {
    const theirs = createPublicKey({ key: { kty: "OKP", crv: "X25519", x: publicKey }, format: "jwk" });
    return diffieHellman({ privateKey, publicKey: theirs });
  } catch {
    throw new InputError(`The public key of client ${quote(peer)} is not one of X25519; leave it out.`);
  }
}
