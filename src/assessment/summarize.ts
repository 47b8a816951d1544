/** @file What the levels of a way come to: agreement, consistency and cost. */

import type { Meter } from "../reasoning/meter.ts";
import { krippendorffAlpha } from "../statistics/krippendorff-alpha.ts";
import { areaUnderRoc } from "../statistics/roc.ts";
import { measureAgreement, measureConsistency, measureKappa, measureOverGroups } from "./agreement.ts";
import type { Ratings } from "./ratings.ts";
import type { AssessmentResults, DimensionResults, TextScore, WayResults } from "./results.ts";
import type { Dimension, Rubric } from "./rubric.ts";
import { type AssessedText, isLabelled, isMarked } from "./texts.ts";

/** A level with what each of its runs took. */
export interface MeteredScore {
  readonly score: TextScore;
  readonly meters: readonly Partial<Meter>[];
}

export function agreementOfPeople(
  texts: readonly AssessedText[],
  rubric: Rubric,
  ratings: Ratings,
): AssessmentResults["people"] {
  return rubric.dimensions.map(({ name }) => {
    const rated = texts.map(({ id, group }) => ({ group, value: ratings.get(id)?.get(name) ?? [] }));
    const alpha = measureOverGroups(rated, krippendorffAlpha);
    return { dimension: name, alpha };
  });
}

export function summarize(
  facts: Pick<WayResults, "name" | "description" | "asked">,
  rows: readonly MeteredScore[],
  texts: readonly AssessedText[],
  rubric: Rubric,
): WayResults {
  const dimensions = rubric.dimensions.flatMap((dimension) => {
    const own = rows.filter(({ score }) => score.dimension === dimension.name);
    return own.length === 0 ? [] : [summarizeDimension(dimension, own, texts)];
  });
  return { ...facts, runs: rows[0]?.score.runs.length ?? 1, dimensions };
}

function summarizeDimension(
  dimension: Dimension,
  rows: readonly MeteredScore[],
  texts: readonly AssessedText[],
): DimensionResults {
  const scores = rows.map(({ score }) => score);
  const rated = scores.flatMap(({ group, level, reference, expected }) =>
    reference === null ? [] : [{ group, level, reference, expected }],
  );
  const expected = rated.flatMap(({ group, reference, expected }) =>
    expected === null ? [] : [{ group, reference, level: Math.round(expected) }],
  );
  const meters = rows.flatMap(({ meters }) => meters);
  const mean = (name: keyof DimensionResults["usage"]) =>
    meters.reduce((sum, meter) => sum + (meter[name] ?? 0), 0) / meters.length;
  const quotes = scores.flatMap(({ evidence }) => evidence.filter(({ quote }) => quote !== undefined));
  const runs = scores.map(({ runs }) => runs);
  return {
    dimension: dimension.name,
    failed: scores.filter(({ level }) => level === null).length / scores.length,
    agreement: measureAgreement(rated),
    expectedKappa: measureKappa(expected),
    turnArea: measureTurns(dimension, scores, texts),
    consistency: runs[0]!.length > 1 ? measureConsistency(runs) : null,
    quotes:
      quotes.length === 0
        ? null
        : { given: quotes.length, standing: quotes.filter(({ turn }) => turn !== null).length },
    usage: {
      promptTokens: mean("promptTokens"),
      completionTokens: mean("completionTokens"),
      verifierTokens: mean("verifierTokens"),
      calls: mean("calls"),
      seconds: mean("seconds"),
    },
  };
}

function measureTurns(
  dimension: Dimension,
  scores: readonly TextScore[],
  texts: readonly AssessedText[],
): DimensionResults["turnArea"] {
  const byId = new Map(texts.map((text) => [text.id, text]));
  const judged = scores.flatMap(({ text: id, group, turns = [] }) => {
    const text = byId.get(id)!;
    if (!isLabelled(text)) return [];
    return turns.map(({ turn, probability }) => ({
      group,
      probability,
      isMarked: isMarked(dimension, text.turns[turn]!),
    }));
  });
  const area = areaUnderRoc(
    judged.map(({ probability }) => probability),
    judged.map(({ isMarked }) => isMarked),
    { groups: judged.map(({ group }) => group), resamples: 500 },
  );
  return area ? { value: area.value, interval: { low: area.low, high: area.high } } : null;
}
