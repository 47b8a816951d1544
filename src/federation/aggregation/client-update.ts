/** @file What a client sends after its local steps, checked before it is averaged with others. */

import type { Parameter, Parameters } from "../../core/adapters/parameters.ts";
import { InputError } from "../../core/errors.ts";
import { quote } from "../../core/formats/weight-file.ts";
import { findPairs, type Scales } from "./lora-pairs.ts";

/** A client's tensors after its local steps. */
export interface ClientUpdate {
  readonly client: string;
  /** Examples that it trained on, by which it is weighted. */
  readonly examples: number;
  /** All that is trained; frozen tensors may be left out, since they are the global adapter's. */
  readonly parameters: Parameters;
  /** Where its rank, and so its scale, is not the global adapter's. Default: the global adapter's. */
  readonly scales?: Scales;
}

/** An update whose tensors are read when they are needed, so that a server holds one at a time. */
export interface PendingUpdate extends Omit<ClientUpdate, "parameters"> {
  load(): Promise<Parameters>;
}

/** An update that was checked, with its share p of the average. */
export interface WeightedUpdate extends ClientUpdate {
  readonly share: number;
}

export interface UpdateLimits {
  /** Whether LoRA's rank may be another than the global adapter's. */
  readonly mixedRanks: boolean;
  /** The largest norm that the change of one tensor may have (of its values, where the ranks differ). Default: 1000. */
  readonly maxUpdateNorm?: number;
}

/**
 * The update with the frozen tensors that were left out, in the global adapter's order.
 *
 * @param global the adapter with which the client began
 * @throws InputError if a tensor is missing, not known, of another shape, not finite or changed too much, or if one that is frozen has changed.
 */
export function checkUpdate(update: ClientUpdate, global: Parameters, limits: UpdateLimits): ClientUpdate {
  const { client, examples, parameters } = update;
  const ofClient = `the update of client ${quote(client)}`;
  if (!Number.isSafeInteger(examples) || examples < 1)
    throw new InputError(
      `${capitalize(ofClient)} is of ${examples} examples; give a whole number of at least 1.`,
    );
  for (const name of parameters.keys())
    if (!global.has(name))
      throw new InputError(
        `${capitalize(ofClient)} has the tensor ${quote(name)}, which the global adapter lacks; train with the round's settings.`,
      );
  const checked = new Map<string, Parameter>();
  for (const [name, expected] of global) {
    const parameter = parameters.get(name);
    if (!parameter) {
      if (!expected.isFrozen)
        throw new InputError(
          `${capitalize(ofClient)} lacks the tensor ${quote(name)}; train with the round's settings.`,
        );
      checked.set(name, expected);
      continue;
    }
    const which = `the tensor ${quote(name)} in ${ofClient}`;
    const rankAxis = limits.mixedRanks ? rankAxisOf(name) : undefined;
    checkShape(parameter, expected, rankAxis, which);
    checkValues(parameter, expected, limits.maxUpdateNorm ?? 1000, which);
    checked.set(name, { ...parameter, ...(expected.isFrozen && { isFrozen: true }) });
  }
  for (const { module, A, B } of findPairs(checked))
    if (A.dims[0] !== B.dims[1])
      throw new InputError(
        `${capitalize(ofClient)} has a rank of ${A.dims[0]} in A and of ${B.dims[1]} in B of ${quote(module)}; send both of one adapter.`,
      );
  return { ...update, parameters: checked };
}

/**
 * Each client's share of the examples, in the order of the updates.
 *
 * @throws InputError if there is no update, or a client sent two.
 */
export function sharesOf(updates: readonly Pick<ClientUpdate, "client" | "examples">[]): number[] {
  if (updates.length === 0)
    throw new InputError(
      "No client sent an update, so there is nothing to average; lower the quorum or wait longer.",
    );
  const clients = new Set<string>();
  for (const { client } of updates) {
    if (clients.has(client))
      throw new InputError(
        `Client ${quote(client)} sent two updates in one round; give each client a name of its own.`,
      );
    clients.add(client);
  }
  const total = updates.reduce((sum, { examples }) => sum + examples, 0);
  return updates.map(({ examples }) => examples / total);
}

/** The axis of A or B that is LoRA's rank. */
function rankAxisOf(name: string): number | undefined {
  if (/lora_(?:embedding_A|A\.weight)$/.test(name)) return 0;
  return /lora_(?:embedding_B|B\.weight)$/.test(name) ? 1 : undefined;
}

function checkShape(
  { dims, data }: Parameter,
  expected: Parameter,
  rankAxis: number | undefined,
  which: string,
): void {
  const fits =
    dims.length === expected.dims.length &&
    dims.every((size, axis) => (axis === rankAxis ? size >= 1 : size === expected.dims[axis]));
  if (!fits || data.length !== dims.reduce((product, size) => product * size, 1))
    throw new InputError(
      `${capitalize(which)} has the shape [${dims.join(", ")}] with ${data.length} values, and the global adapter's is [${expected.dims.join(", ")}]; train with the round's settings.`,
    );
}

function checkValues({ data }: Parameter, expected: Parameter, maxUpdateNorm: number, which: string): void {
  const from = data.length === expected.data.length ? expected.data : undefined;
  let squares = 0;
  for (const [i, value] of data.entries()) {
    if (!Number.isFinite(value))
      throw new InputError(
        `${capitalize(which)} holds ${value} at place ${i}; leave this client out or lower its learning rate.`,
      );
    squares += (value - (from?.[i] ?? 0)) ** 2;
  }
  const norm = Math.sqrt(squares);
  if (expected.isFrozen && norm > 0)
    throw new InputError(`${capitalize(which)} is frozen, but has changed; train with the round's settings.`);
  if (norm > maxUpdateNorm)
    throw new InputError(
      `${capitalize(which)} has changed by a norm of ${norm.toPrecision(3)}, more than the ${maxUpdateNorm} that are allowed; leave this client out or lower its learning rate.`,
    );
}

function capitalize(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1);
}
