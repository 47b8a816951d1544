/** @file Updates of which the server learns the sum alone, or a sum with noise: what clients send, and what the server makes of it. */

import { createCipheriv, hkdfSync } from "node:crypto";
import { type Parameter, type Parameters, trainedOf } from "../../core/adapters/parameters.ts";
import { InputError } from "../../core/errors.ts";
import { type Random, randomFrom } from "../../core/random.ts";
import { addPrivately, type ClientPrivacy, clipUpdate } from "../privacy/differential-privacy.ts";
import { type MaskedVector, type MaskKeys, maskVector, sumMasked } from "../privacy/secure-aggregation.ts";
import type { Participant } from "../rounds/documents.ts";
import type { Attempt, Contribution } from "../rounds/framework.ts";
import { decodeTensors, encodeTrained } from "../tensors.ts";
import { tensorsOf, vectorOf } from "../vectors.ts";

/** What is hidden of an update. */
export interface Hiding {
  /** Whether masks hide each update from the server. */
  readonly masks: boolean;
  /** Clips updates and adds noise to their sum. */
  readonly noise?: ClientPrivacy | undefined;
}

/** Names an attempt, so that no two have the same masks. */
const sessionOf = (run: string, { round, attempt }: Attempt) => JSON.stringify([run, round, attempt]);

/** A participant's share of the average; with noise all count alike, and the sum is divided by the server. */
function shareOf(client: string, participants: readonly Participant[], { noise }: Hiding): number {
  if (noise) return 1;
  const total = participants.reduce((sum, { examples }) => sum + examples, 0);
  return participants.find((participant) => participant.client === client)!.examples / total;
}

/**
 * What a client sends: its change, times its share of the average, under masks if they are asked for.
 *
 * @throws InputError if the change is too large for masked numbers, or the others' keys are bad.
 */
export async function hideUpdate(
  tuned: Parameters,
  global: Parameters,
  hiding: Hiding,
  { run, client, attempt, keys }: HidingClient,
): Promise<Uint8Array> {
  const change = clipUpdate(tuned, global, hiding.noise?.clipNorm ?? Number.MAX_VALUE).update;
  const shared = vectorOf(change, global, shareOf(client, attempt.participants, hiding));
  if (!hiding.masks) return encodeTrained(tensorsOf(shared, global));
  const masked = maskVector(shared, {
    ...{ session: sessionOf(run, attempt), client, keys, publicKeys: publicKeysOf(attempt) },
  });
  return new Uint8Array(masked.buffer);
}

export interface HidingClient {
  readonly run: string;
  readonly client: string;
  readonly attempt: Attempt;
  readonly keys: MaskKeys;
}

/** An update that {@link hideUpdate} gave, looked at as a stranger's. @throws InputError if it is none */
export async function checkHidden(update: Uint8Array, global: Parameters, hiding: Hiding): Promise<void> {
  const { length } = vectorOf(global, global);
  if (hiding.masks) {
    if (update.length !== 4 * length)
      throw new InputError(
        `The update has ${update.length} bytes, but ${length} masked numbers need ${4 * length}.`,
      );
    return;
  }
  const change = await decodeTensors(update, "the update");
  let squares = 0;
  for (const [name, { dims }] of trainedOf(global)) {
    const tensor = change.get(name);
    if (tensor?.dims.join() !== dims.join())
      throw new InputError(`The update lacks the tensor "${name}", or it has another shape.`);
    for (const value of tensor.data) squares += value * value;
  }
  if (!(Math.sqrt(squares) <= (hiding.noise?.clipNorm ?? 1000)))
    throw new InputError(`The update is longer than it may be, or not finite: ${Math.sqrt(squares)}.`);
}

/** The global adapter after a round, of the updates in the order of the participants, which are read one after the other. */
export async function addHidden(
  run: string,
  attempt: Attempt,
  global: Parameters,
  contributions: readonly Contribution[],
  hiding: Hiding,
  { clients, secret }: { readonly clients: number; readonly secret: Uint8Array },
): Promise<Map<string, Parameter>> {
  const sum = hiding.masks
    ? tensorsOf(await sumMasked(maskedVectors(contributions), publicKeysOf(attempt)), global)
    : await sumOf(contributions, global);
  if (hiding.noise) return addPrivately(global, sum, hiding.noise, clients, noiseOf(secret, run, attempt));
  return new Map(
    [...global].map(([name, parameter]) => {
      if (parameter.isFrozen) return [name, parameter];
      const added = sum.get(name)!.data;
      return [name, { ...parameter, data: parameter.data.map((value, i) => value + added[i]!) }];
    }),
  );
}

async function* maskedVectors(contributions: readonly Contribution[]): AsyncGenerator<MaskedVector> {
  for (const { client, load } of contributions)
    yield [client, new Uint32Array(Uint8Array.from(await load()).buffer)];
}

async function sumOf(contributions: readonly Contribution[], global: Parameters) {
  const sum = new Map(
    [...trainedOf(global)].map(([name, { dims, data }]) => [
      name,
      { dims, data: new Float32Array(data.length) },
    ]),
  );
  for (const { client, load } of contributions) {
    const change = await decodeTensors(await load(), `the update of ${client}`);
    for (const [name, { data }] of sum) {
      const added = change.get(name)!.data;
      for (let i = 0; i < data.length; i++) data[i]! += added[i]!;
    }
  }
  return sum;
}

/**
 * Noise that the server alone can compute, and computes again after it was ended in the midst: twice the same sum with other noise would
 * show more than once.
 */
function noiseOf(secret: Uint8Array, run: string, attempt: Attempt): Random {
  const key = new Uint8Array(hkdfSync("sha256", secret, sessionOf(run, attempt), "slimtune noise", 32));
  const cipher = createCipheriv("chacha20", key, new Uint8Array(16));
  let buffer = Buffer.alloc(0);
  return randomFrom(() => {
    if (buffer.length === 0) buffer = cipher.update(new Uint8Array(4 * 4096));
    const word = buffer.readUInt32LE(0);
    buffer = buffer.subarray(4);
    return word;
  });
}

function publicKeysOf({ participants }: Attempt): ReadonlyMap<string, string> {
  return new Map(participants.map(({ client, key = "" }) => [client, key]));
}
