/** @file Log-likelihoods of many token sequences, of which what they share is computed once. */

import type { ModelConfig } from "../core/architectures/architecture.ts";
import { type Decoder, extendText } from "../core/engine/decoder.ts";
import { appendTokens, commonLength, createKeyValues, type KeyValues } from "../core/engine/key-values.ts";

/** Tokens of which the last `scored` are asked for: how likely is each after those before it? */
export interface TokenSequence {
  readonly ids: readonly number[];
  readonly scored: number;
}

export interface SequenceScore {
  /** Sum of the scored tokens' log-probabilities, in nats. */
  readonly logLikelihood: number;
  /** Whether each scored token is the likeliest at its place. */
  readonly isGreedy: boolean;
}

/** A beginning is kept for others only if it has this many tokens, and so many sequences share it. */
const leastPrefix = 64;
const leastSharers = 8;
/** As long a further beginning is kept for two already: rows of so many tokens and more could not be joined. */
const longBeginning = 512;
/** Tokens that are computed at a time: enough for products at their full rate. */
const batchTokens = 1024;
/** Tokens of one long text that are computed at a time: more of them would look at more that they may not see. */
const pieceTokens = 256;
/** A row takes up another sequence only if that saves so many tokens. */
const leastSaving = 8;

/** A sequence on its way: what the model reads (all but the last token), and where it answers. */
interface Entry {
  readonly index: number;
  readonly ids: readonly number[];
  readonly scored: number;
}

/** Sequences that are computed in one row: a trunk that they share, and their branches after it. */
interface Row {
  readonly entries: readonly Entry[];
  /** Tokens of the trunk, those of the prefix included. */
  readonly trunk: number;
  /** Tokens of trunk and branches after the prefix. */
  readonly length: number;
}

/** Tokens that are computed once for all that go on from them. */
interface Beginning {
  readonly ids: readonly number[];
  /** The one that it goes on from. */
  readonly before: Beginning | undefined;
}

/** Rows that are computed at a time. */
interface Batch {
  /** What they go on from. */
  readonly beginning: Beginning | undefined;
  readonly rows: readonly Row[];
  /** Tokens that are computed for them. */
  readonly tokens: number;
}

/**
 * Scores sequences. Those with the same beginning follow each other, so that a long beginning of many is computed once
 * and kept, and a shorter one of a few once per row: the continuations of one context stand in one row and do not see
 * each other.
 *
 * @param onScore called with a sequence's number as soon as its score is known
 * @param isWanted whether a sequence's score is wanted. Those that are not are left out, but where they are computed
 *   together with one that is, so that no score depends on which are wanted. Default: all are
 */
export async function scoreSequences(
  decoder: Decoder,
  config: ModelConfig,
  sequences: readonly TokenSequence[],
  onScore: (index: number, score: SequenceScore) => void,
  onTokens: (count: number) => void,
  isWanted: (index: number) => boolean = () => true,
): Promise<void> {
  const nothing = createKeyValues(config, 1, 0);
  const kept = new Map<Beginning, KeyValues>();
  const compute = async (beginning: Beginning | undefined): Promise<KeyValues> => {
    if (!beginning) return nothing;
    const known = kept.get(beginning);
    if (known) return known;
    const past = await compute(beginning.before);
    onTokens(beginning.ids.length - past.length);
    const keyValues = await extendBeginning(decoder, config, beginning.ids, past);
    kept.set(beginning, keyValues);
    return keyValues;
  };
  const onWanted: typeof onScore = (index, score) => {
    if (isWanted(index)) onScore(index, score);
  };
  for (const { beginning, rows, tokens } of planBatches(sequences)) {
    if (!rows.some(({ entries }) => entries.some(({ index }) => isWanted(index)))) continue;
    for (const other of kept.keys()) if (!goesOnFrom(beginning, other)) kept.delete(other);
    const past = await compute(beginning);
    if (tokens > batchTokens) {
      for (const entry of rows.flatMap(({ entries }) => entries))
        if (isWanted(entry.index)) await scoreLong(decoder, config, entry, past, onScore);
    } else await scoreRows(decoder, rows, past, onWanted);
    onTokens(tokens);
  }
}

/** Groups of sequences that are computed together, in the order in which they are, each with the tokens that it takes. */
export function groupSequences(
  sequences: readonly TokenSequence[],
): { readonly indices: readonly number[]; readonly tokens: number }[] {
  return planBatches(sequences).map(({ rows, tokens }) => ({
    indices: rows.flatMap(({ entries }) => entries.map(({ index }) => index)),
    tokens,
  }));
}

function planBatches(sequences: readonly TokenSequence[]): Batch[] {
  const entries = sequences.map(({ ids, scored }, index): Entry => ({ index, ids, scored }));
  entries.sort((a, b) => compareIds(a.ids, b.ids));
  const batches: Batch[] = [];
  const plan = (run: readonly Entry[], beginning: Beginning | undefined) => {
    const known = beginning?.ids.length ?? 0;
    const { longer, others } = findLongBeginnings(run, known);
    for (const { run: sharers, prefix } of longer)
      plan(sharers, { ids: sharers[0]!.ids.slice(0, prefix), before: beginning });
    const rows = buildRows(others, known).sort((a, b) => b.length - a.length);
    for (let start = 0; start < rows.length; ) {
      const count = Math.max(1, Math.floor(batchTokens / rows[start]!.length));
      const together = rows.slice(start, start + count);
      const tokens = together.reduce((sum, { length }) => sum + length, 0);
      batches.push({ beginning, rows: together, tokens });
      start += count;
    }
  };
  for (const { run, prefix } of findPrefixes(entries))
    plan(run, prefix > 0 ? { ids: run[0]!.ids.slice(0, prefix), before: undefined } : undefined);
  return batches;
}

function goesOnFrom(beginning: Beginning | undefined, other: Beginning): boolean {
  return beginning !== undefined && (beginning === other || goesOnFrom(beginning.before, other));
}

function compareIds(a: readonly number[], b: readonly number[]): number {
  const common = commonLength(a, b);
  return (a[common] ?? -1) - (b[common] ?? -1);
}

/** Divides sorted entries into runs, each with the length of the beginning that is kept for it. */
function findPrefixes(entries: readonly Entry[]): { run: Entry[]; prefix: number }[] {
  const runs: { run: Entry[]; prefix: number }[] = [];
  const alone: Entry[] = [];
  for (let start = 0; start < entries.length; ) {
    // A beginning must end before anything is asked for.
    let prefix = readLength(entries[start]!);
    let end = start + 1;
    for (; end < entries.length; end++) {
      const common = commonLength(entries[end - 1]!.ids, entries[end]!.ids);
      if (common < leastPrefix) break;
      prefix = Math.min(prefix, common, readLength(entries[end]!));
    }
    const run = entries.slice(start, end);
    if (run.length >= leastSharers && prefix >= leastPrefix) runs.push({ run, prefix });
    else alone.push(...run);
    start = end;
  }
  return alone.length > 0 ? [...runs, { run: alone, prefix: 0 }] : runs;
}

/** Takes out of sorted entries those that share far more than they all do, each with what it shares. */
function findLongBeginnings(entries: readonly Entry[], prefix: number) {
  const longer: { run: Entry[]; prefix: number }[] = [];
  const others: Entry[] = [];
  const least = prefix + longBeginning;
  for (let start = 0; start < entries.length; ) {
    let shared = readLength(entries[start]!);
    let end = start + 1;
    for (; end < entries.length; end++) {
      const [last, next] = [entries[end - 1]!, entries[end]!];
      const common = Math.min(commonLength(last.ids, next.ids), readLength(next));
      if (Math.min(shared, common) < least) break;
      shared = Math.min(shared, common);
    }
    const run = entries.slice(start, end);
    if (run.length > 1) longer.push({ run, prefix: shared });
    else others.push(...run);
    start = end;
  }
  return { longer, others };
}

/** Tokens before the one after which the first answer is asked for. */
function readLength({ ids, scored }: Entry): number {
  return ids.length - scored - 1;
}

/** @param ids all of the beginning, of which `past` is known */
async function extendBeginning(
  decoder: Decoder,
  config: ModelConfig,
  ids: readonly number[],
  known: KeyValues,
): Promise<KeyValues> {
  let past = known;
  while (past.length < ids.length) {
    const piece = ids.slice(past.length, past.length + pieceTokens);
    const { keyValues } = await extendText(decoder, piece, past);
    past = appendTokens(config, past, keyValues);
  }
  return past;
}

/** Puts neighbours of sorted entries into one row where that saves tokens. */
function buildRows(entries: readonly Entry[], prefix: number): Row[] {
  const rows: Row[] = [];
  for (const entry of entries) {
    const alone = createRow([entry], entry.ids.length - 1, prefix);
    const row = rows.at(-1);
    if (row) {
      const trunk = Math.min(row.trunk, entry.ids.length - 1, commonLength(row.entries[0]!.ids, entry.ids));
      const together = createRow([...row.entries, entry], trunk, prefix);
      const saving = row.length + alone.length - together.length;
      if (saving >= leastSaving && together.length <= batchTokens) {
        rows[rows.length - 1] = together;
        continue;
      }
    }
    rows.push(alone);
  }
  return rows;
}

function createRow(entries: readonly Entry[], trunk: number, prefix: number): Row {
  const branches = entries.reduce((sum, { ids }) => sum + ids.length - 1 - trunk, 0);
  return { entries, trunk, length: trunk - prefix + branches };
}

/** A row's tokens as they stand in it. */
interface Layout {
  readonly ids: readonly number[];
  readonly positions: readonly number[];
  readonly branches: readonly number[];
  /** Place in the row of the token of entry `e` at `position`. */
  placeOf(e: number, position: number): number;
}

function layOut({ entries, trunk }: Row, prefix: number): Layout {
  const ids = entries[0]!.ids.slice(prefix, trunk);
  const positions = Array.from(ids.keys(), (i) => prefix + i);
  const branches = ids.map(() => 0);
  const starts: number[] = [];
  for (const [e, entry] of entries.entries()) {
    starts.push(ids.length);
    for (let position = trunk; position < entry.ids.length - 1; position++) {
      ids.push(entry.ids[position]!);
      positions.push(position);
      branches.push(e + 1);
    }
  }
  return {
    ids,
    positions,
    branches,
    placeOf: (e, position) => (position < trunk ? position - prefix : starts[e]! + position - trunk),
  };
}

async function scoreRows(
  decoder: Decoder,
  rows: readonly Row[],
  past: KeyValues,
  onScore: (index: number, score: SequenceScore) => void,
): Promise<void> {
  const layouts = rows.map((row) => layOut(row, past.length));
  const length = rows[0]!.length;
  const padded = (values: (layout: Layout) => readonly number[]) => {
    const all = new Int32Array(rows.length * length);
    for (const [row, layout] of layouts.entries()) all.set(values(layout), row * length);
    return all;
  };
  const { hidden } = await decoder.extend(
    {
      rows: rows.length,
      length,
      inputIds: padded(({ ids }) => ids),
      positionIds: padded(({ positions }) => positions),
      branchIds: padded(({ branches }) => branches),
    },
    past,
    new Int32Array(rows.length).fill(past.length),
  );
  const asked = rows.flatMap(({ entries }, row) =>
    entries.map((entry, e) => ({
      entry,
      place: (position: number) => row * length + layouts[row]!.placeOf(e, position),
    })),
  );
  const places = asked.flatMap(({ entry, place }) => answerPositions(entry).map(place));
  const labels = asked.flatMap(({ entry }) =>
    answerPositions(entry).map((position) => entry.ids[position + 1]!),
  );
  const { logProbabilities, likeliest } = await decoder.score(
    hidden,
    Int32Array.from(places),
    Int32Array.from(labels),
  );
  let next = 0;
  for (const { entry } of asked) {
    let logLikelihood = 0;
    let isGreedy = true;
    for (const end = next + entry.scored; next < end; next++) {
      logLikelihood += logProbabilities[next]!;
      isGreedy &&= likeliest[next] === labels[next];
    }
    onScore(entry.index, { logLikelihood, isGreedy });
  }
}

/** Positions of the tokens after which an answer is asked for. */
function answerPositions({ ids, scored }: Entry): number[] {
  return Array.from({ length: scored }, (_, i) => ids.length - scored - 1 + i);
}

/** A sequence that is too long for one batch, in pieces. */
async function scoreLong(
  decoder: Decoder,
  config: ModelConfig,
  entry: Entry,
  prefix: KeyValues,
  onScore: (index: number, score: SequenceScore) => void,
): Promise<void> {
  let past = prefix;
  let logLikelihood = 0;
  let isGreedy = true;
  const read = entry.ids.length - 1;
  while (past.length < read) {
    const start = past.length;
    const end = Math.min(read, start + pieceTokens);
    const { hidden, keyValues } = await extendText(decoder, entry.ids.slice(start, end), past);
    const positions = answerPositions(entry).filter((position) => position >= start && position < end);
    const labels = Int32Array.from(positions, (position) => entry.ids[position + 1]!);
    if (positions.length > 0) {
      const places = Int32Array.from(positions, (position) => position - start);
      const { logProbabilities, likeliest } = await decoder.score(hidden, places, labels);
      logLikelihood += logProbabilities.reduce((sum, value) => sum + value, 0);
      isGreedy &&= likeliest.every((id, i) => id === labels[i]);
    }
    if (end < read) past = appendTokens(config, past, keyValues);
    else break;
  }
  onScore(entry.index, { logLikelihood, isGreedy });
}
