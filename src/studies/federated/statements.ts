/** @file What Yan et al. 2025 say of the frameworks, held against what a study found. */

import { joinWords, withSignedRange } from "../../reporting/format.ts";
import type { Estimate } from "../../statistics/wilson.ts";
import { type FederatedResults, type FederatedWay, heldOutLoss } from "./results.ts";

export interface JudgedStatement {
  readonly statement: string;
  readonly verdict: "shown here" | "not shown here";
  /** The numbers, or what is missing. */
  readonly why: string;
}

/** Whether a statement holds in one comparison, and its numbers. */
interface Finding {
  readonly holds: boolean;
  readonly evidence: string;
}

interface Statement {
  readonly statement: string;
  readonly of: Framework;
  /** With which it is compared. */
  readonly others: readonly Framework[];
  judge(own: FederatedWay, other: FederatedWay, found: FederatedResults): Finding;
}

const names = { fedllm: "FedLLM", kd: "KD", split: "Split" } as const;
type Framework = keyof typeof names;

/** Bytes that one client sends and receives in one round. */
export function bytesOf({ sentBytes, receivedBytes }: FederatedWay): number {
  return sentBytes + receivedBytes;
}

const statements: readonly Statement[] = [
  {
    statement: "FedLLM is the most accurate",
    of: "fedllm",
    others: ["kd", "split"],
    judge: (own, other, found) => judgeLoss(own, other, found, ({ high }) => high < 0),
  },
  {
    statement: "FedLLM costs a client much communication: more than KD",
    of: "fedllm",
    others: ["kd"],
    judge: (own, other) => judgeCost(own, other, bytesOf, "bytes a round", (a, b) => a > b),
  },
  {
    statement: "FedLLM costs a client much computing: more than Split",
    of: "fedllm",
    others: ["split"],
    judge: (own, other) => judgeCost(own, other, multiplyAddsOf, "multiply-adds a round", (a, b) => a > b),
  },
  {
    statement: "KD sends and receives the fewest bytes",
    of: "kd",
    others: ["fedllm", "split"],
    judge: (own, other) => judgeCost(own, other, bytesOf, "bytes a round", (a, b) => a < b),
  },
  {
    statement: "Split computes the least at the client",
    of: "split",
    others: ["fedllm", "kd"],
    judge: (own, other) => judgeCost(own, other, multiplyAddsOf, "multiply-adds a round", (a, b) => a < b),
  },
  {
    statement: "Split may be less accurate than FedLLM",
    of: "split",
    others: ["fedllm"],
    judge: (own, other, found) => judgeLoss(own, other, found, ({ low }) => low > 0),
  },
];

function judgeLoss(
  own: FederatedWay,
  other: FederatedWay,
  found: FederatedResults,
  holds: (difference: Estimate) => boolean,
): Finding {
  const difference = lossDifference(found, own, other.way);
  const compared = `loss of ${own.way} less ${other.way}`;
  if (!difference) return { holds: false, evidence: `${compared} is not known` };
  return { holds: holds(difference), evidence: `${compared} ${withSignedRange(difference, 1, 3)}` };
}

function multiplyAddsOf({ multiplyAdds }: FederatedWay): number {
  return multiplyAdds;
}

function judgeCost(
  own: FederatedWay,
  other: FederatedWay,
  of: (way: FederatedWay) => number,
  unit: string,
  holds: (own: number, other: number) => boolean,
): Finding {
  const [mine, theirs] = [of(own), of(other)];
  const evidence = `${own.way} ${mine.toExponential(2)}, ${other.way} ${theirs.toExponential(2)} ${unit}`;
  return { holds: holds(mine, theirs), evidence };
}

/**
 * A statement is shown if it holds in every partition, against each other framework that was computed: of losses, if the interval of the paired
 * difference lies on its side of zero.
 */
export function judgeStatements(found: FederatedResults): JudgedStatement[] {
  const partitions = [...new Set(found.ways.map(({ partition }) => partition))];
  return statements.map(({ statement, of, others, judge }) => {
    const findings = partitions.flatMap((partition) =>
      others.flatMap((name) => {
        const [own, other] = [wayOfFramework(found, partition, of), wayOfFramework(found, partition, name)];
        if (!own || !other) return [];
        const { holds, evidence } = judge(own, other, found);
        return [{ holds, evidence: `${partition}: ${evidence}` }];
      }),
    );
    if (findings.length === 0) {
      const missing = [of, ...others].filter((name) => !wayOfFramework(found, partitions[0]!, name));
      const listed = joinWords(missing.map((name) => names[name]));
      return {
        statement,
        verdict: "not shown here",
        why: `${listed} ${missing.length > 1 ? "were" : "was"} not computed.`,
      };
    }
    const against = findings.filter(({ holds }) => !holds);
    return {
      statement,
      verdict: against.length === 0 ? "shown here" : "not shown here",
      why: (against.length === 0 ? findings : against).map(({ evidence }) => evidence).join("; "),
    };
  });
}

/** The first way of a framework, which is the one that is compared with others. */
function wayOfFramework({ ways }: FederatedResults, partition: string, framework: Framework) {
  return ways.find((one) => one.partition === partition && one.way.split("-")[0] === framework);
}

/** Of the held-out loss of a way less that of another; undefined if they share too few clients. */
export function lossDifference(
  { comparisons }: FederatedResults,
  { partition, way }: Pick<FederatedWay, "partition" | "way">,
  against: string,
): Estimate | undefined {
  const find = (one: string, other: string) =>
    comparisons.find(
      (compared) =>
        compared.quantity === heldOutLoss &&
        compared.partition === partition &&
        compared.way === one &&
        compared.against === other,
    )?.difference;
  const reversed = find(against, way);
  return (
    find(way, against) ?? (reversed && { value: -reversed.value, low: -reversed.high, high: -reversed.low })
  );
}
