import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { InputError } from "../errors.ts";
import { grad } from "../graph/grad.ts";
import { exp, log, mul, sub } from "../graph/operators/elementwise.ts";
import { reduceSum } from "../graph/operators/reduction.ts";
import { input, scalar, type Tensor } from "../graph/tensor.ts";
import { float32 } from "../runtime/device.ts";
import { jensenShannon } from "./divergences.ts";

interface Golden {
  /** Logits, by row. */
  readonly student: readonly (readonly number[])[];
  readonly teacher: readonly (readonly number[])[];
  readonly cases: readonly {
    readonly beta: number;
    readonly temperature: number;
    readonly loss: number;
    readonly rows: readonly number[];
    /** Of the loss by the student's logits. */
    readonly gradient: readonly (readonly number[])[];
  }[];
}

// Made by reference/objectives.py with TRL.
const golden: Golden = JSON.parse(readFileSync("fixtures/reference/objectives/divergences.json", "utf8"));
const device = openDevice("cpu", { threads: 1 });

test.each(golden.cases)("TRL's with beta $beta and temperature $temperature", async (expected) => {
  const { beta, temperature } = expected;
  const dims = [golden.student.length, golden.student[0]!.length];
  const student = input("student", "float32", dims);
  const logProbabilities = (logits: Tensor) => {
    const scaled = mul(logits, scalar(1 / temperature));
    return sub(scaled, log(reduceSum(exp(scaled), [-1], { keepDims: true })));
  };
  const entries = jensenShannon(beta).entry(
    logProbabilities(student),
    logProbabilities(input("teacher", "float32", dims)),
  );
  const rows = reduceSum(entries, [-1]);
  const loss = mul(reduceSum(rows, [0]), scalar(1 / dims[0]!));
  const [gradient] = grad(loss, [student]);
  const program = await device.compile({ rows, loss, gradient: gradient! });
  const results = await program.run({
    student: float32(Float32Array.from(golden.student.flat()), dims),
    teacher: float32(Float32Array.from(golden.teacher.flat()), dims),
  });
  const expectClose = (name: string, values: readonly number[]) => {
    for (const [i, value] of values.entries())
      expect(
        Math.abs(value - (results[name]!.data[i] as number)) / Math.max(1, Math.abs(value)),
        `${name} ${i}`,
      ).toBeLessThan(1e-6);
  };
  expectClose("rows", expected.rows);
  expectClose("loss", [expected.loss]);
  expectClose("gradient", expected.gradient.flat());
});

test.each([-0.1, 1.1, Number.NaN])("a beta of %s is refused", (beta) => {
  expect(() => jensenShannon(beta)).toThrow(InputError);
});
