/** @file The embedding of tokens with what a tuning method does to it, and its gradients. */

import { type Adaptation, embeddingModule } from "../adapters/adaptation.ts";
import type { Parameters } from "../adapters/parameters.ts";
import type { ModelConfig } from "../architectures/architecture.ts";
import { embeddingName } from "../architectures/modules.ts";
import { vjp } from "../graph/grad.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import {
  addTo,
  lookUpRows,
  multiplyBy,
  replaceRows,
  scatterAddRows,
  scatterAddSome,
} from "../models/matrix-rows.ts";
import type { ModelWeights } from "../models/weights.ts";
import { asConstant, float32, type HostTensor, int64, type RowMatrix } from "../runtime/device.ts";
import type { ProgramCache } from "./program-cache.ts";
import { gradientName } from "./programs.ts";
import { adaptsEmbedding } from "./segment.ts";

export interface Embedding {
  readonly isTrained: boolean;
  /** float32 [tokens, hiddenSize], with the factor that the model gives it. */
  embed(tokens: Int32Array, parameters: Parameters): Promise<Float32Array>;
  /** Adds the gradients of what is trained, from the gradient of what `embed` gives, which it changes. */
  accumulate(
    tokens: Int32Array,
    gradient: Float32Array,
    parameters: Parameters,
    gradients: Pick<Parameters, "get">,
  ): Promise<void>;
}

export function createEmbedding(
  compileOnce: ProgramCache["compileOnce"],
  config: ModelConfig,
  weights: ModelWeights,
  adaptation: Adaptation,
): Embedding {
  const { hiddenSize, embeddingScale } = config;
  const isWhole = adaptation.trains(embeddingName);
  const rows = adaptation.rowsOf?.(embeddingName);
  const adapter = adaptation.embedding;
  const names = (adapter?.parameters ?? []).map(({ name }) => name);

  const baseRows = (tokens: Int32Array, parameters: Parameters) =>
    lookUpRows(tableWith(adaptation, parameters, embeddingName, weights.embedding), tokens);
  const connect = (): { adapted: Tensor; tensors: Record<string, Tensor> } => {
    const tensors = Object.fromEntries(
      adapter!.parameters.map(({ name, shape }) => [name, input(name, "float32", shape)]),
    );
    const given = input("rows", "float32", ["N", hiddenSize]);
    return { adapted: adapter!.forward(given, input("tokens", "int64", ["N"]), tensors), tensors };
  };
  const feedsOf = async (
    tokens: Int32Array,
    parameters: Parameters,
  ): Promise<Record<string, HostTensor>> => ({
    rows: float32(await baseRows(tokens, parameters), [tokens.length, hiddenSize]),
    tokens: int64(tokens, [tokens.length]),
    ...Object.fromEntries(
      names.map((name) => {
        const { data, dims } = parameters.get(`${embeddingModule}.${name}`)!;
        return [name, float32(data, dims)];
      }),
    ),
  });

  return {
    isTrained: adaptsEmbedding(adaptation),
    async embed(tokens, parameters) {
      let embedded: Float32Array;
      if (adapter) {
        const program = await compileOnce("embedding", () => ({ adapted: connect().adapted }));
        const { adapted } = await program.run(await feedsOf(tokens, parameters));
        embedded = adapted!.data as Float32Array;
      } else embedded = await baseRows(tokens, parameters);
      if (embeddingScale !== undefined) multiplyBy(embedded, embeddingScale);
      return embedded;
    },
    async accumulate(tokens, gradient, parameters, gradients) {
      if (embeddingScale !== undefined) multiplyBy(gradient, embeddingScale);
      if (isWhole) scatterAddRows(gradients.get(embeddingName)!.data, tokens, gradient);
      if (rows) scatterAddSome(gradients.get(rows.name)!.data, rows.indices, tokens, gradient);
      if (!adapter) return;
      const program = await compileOnce("embedding gradient", () => {
        const { adapted, tensors } = connect();
        const dAdapted = input("dAdapted", "float32", ["N", hiddenSize]);
        const computed = vjp([adapted], [dAdapted], Object.values(tensors));
        return Object.fromEntries(names.map((name, index) => [gradientName(name), computed[index]!]));
      });
      const results = await program.run({
        ...(await feedsOf(tokens, parameters)),
        dAdapted: float32(gradient, [tokens.length, hiddenSize]),
      });
      for (const name of names) {
        const sum = gradients.get(`${embeddingModule}.${name}`)!.data;
        addTo(sum, results[gradientName(name)]!.data as Float32Array);
      }
    },
  };
}

/** The base model's table `name` with what of it is trained in its place. */
export function tableWith(
  adaptation: Adaptation,
  parameters: Parameters,
  name: string,
  base: RowMatrix,
): RowMatrix {
  if (adaptation.trains(name)) {
    const { data, dims } = parameters.get(name)!;
    return float32(data, dims);
  }
  const rows = adaptation.rowsOf?.(name);
  return rows ? replaceRows(base, rows.indices, parameters.get(rows.name)!.data) : constantTable(base);
}

function constantTable(table: RowMatrix): RowMatrix {
  return "readRows" in table ? table : asConstant(table);
}
