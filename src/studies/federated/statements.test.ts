import { expect, test } from "vitest";
import { type FederatedResults, type FederatedWay, heldOutLoss } from "./results.ts";
import { judgeStatements } from "./statements.ts";

interface Found {
  readonly loss: number;
  readonly bytes: number;
  readonly multiplyAdds: number;
}

/** A study of these ways in two partitions, whose differences of losses have intervals of this width on either side. */
function studyOf(ways: Readonly<Record<string, Found>>, half: number): FederatedResults {
  const partitions = ["iid", "dirichlet:0.1"];
  const listed = Object.entries(ways);
  return {
    ways: partitions.flatMap((partition) =>
      listed.map(
        ([way, { loss, bytes, multiplyAdds }]) =>
          ({
            ...{ partition, way, multiplyAdds, sentBytes: bytes / 2, receivedBytes: bytes / 2 },
            loss: { value: loss, low: loss, high: loss },
          }) as FederatedWay,
      ),
    ),
    comparisons: partitions.flatMap((partition) =>
      listed.flatMap(([way, { loss }], i) =>
        listed.slice(0, i).map(([against, other]) => {
          const value = loss - other.loss;
          const difference = { value, low: value - half, high: value + half };
          return { partition, way, against, quantity: heldOutLoss, difference };
        }),
      ),
    ),
  } as unknown as FederatedResults;
}

const asInThePaper = {
  "fedllm-product": { loss: 1, bytes: 8e6, multiplyAdds: 9e9 },
  kd: { loss: 1.4, bytes: 1e6, multiplyAdds: 12e9 },
  split: { loss: 1.1, bytes: 5e6, multiplyAdds: 2e9 },
};

const verdicts = (found: FederatedResults) =>
  Object.fromEntries(judgeStatements(found).map(({ statement, verdict }) => [statement, verdict]));

test("each statement is shown where the numbers say so in every partition, against every framework", () => {
  const judged = judgeStatements(studyOf(asInThePaper, 0.05));
  expect(judged.map(({ verdict }) => verdict)).toEqual(judged.map(() => "shown here"));
  const [accurate] = judged;
  expect(accurate!.why).toContain("iid: loss of fedllm-product less kd −0.400 [−0.450, −0.350]");
  expect(accurate!.why).toContain("dirichlet:0.1: loss of fedllm-product less split −0.100 [−0.150, −0.050]");
});

test("an interval that holds zero shows nothing, and the reason names it alone", () => {
  const judged = judgeStatements(studyOf(asInThePaper, 0.2));
  const [accurate] = judged;
  expect(accurate!.verdict).toBe("not shown here");
  expect(accurate!.why).toContain("less split −0.100 [−0.300, 0.100]");
  expect(accurate!.why).not.toContain("less kd");
  expect(verdicts(studyOf(asInThePaper, 0.2))["KD sends and receives the fewest bytes"]).toBe("shown here");
});

test("costs the other way round are not what the paper says", () => {
  const dear = { ...asInThePaper, kd: { ...asInThePaper.kd, bytes: 9e6, multiplyAdds: 1e9 } };
  expect(verdicts(studyOf(dear, 0.05))).toMatchObject({
    "FedLLM costs a client much communication: more than KD": "not shown here",
    "KD sends and receives the fewest bytes": "not shown here",
    "Split computes the least at the client": "not shown here",
    "FedLLM costs a client much computing: more than Split": "shown here",
  });
});

test("of frameworks that were not computed nothing is shown", () => {
  const { "fedllm-product": fedllm } = asInThePaper;
  const judged = judgeStatements(studyOf({ "fedllm-product": fedllm }, 0.05));
  expect(new Set(judged.map(({ verdict }) => verdict))).toEqual(new Set(["not shown here"]));
  expect(judged[0]!.why).toBe("KD and Split were not computed.");
});
