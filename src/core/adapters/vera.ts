/**
 * @file VeRA (Kopiczko et al. 2023): W x + b ⊙ (B (d ⊙ (A x))), with the vectors b and d trained, and matrices A and B that are
 * drawn once for all layers.
 */

import * as z from "zod";
import type { ModelConfig } from "../architectures/architecture.ts";
import { listLinearModules, nameInLayer } from "../architectures/modules.ts";
import { withRole } from "../formats/known-keys.ts";
import { add, mul } from "../graph/operators/elementwise.ts";
import { matmul } from "../graph/operators/matmul.ts";
import { leading, reshape } from "../graph/operators/movement.ts";
import { createMersenneTwister } from "../python/random.ts";
import type { Adaptation, AdapterTensors, SharedSpec } from "./adaptation.ts";
import type { Method, PeftFormat } from "./method.ts";
import {
  commonKeys,
  parsePeftFields,
  peftPrefix,
  readTargets,
  targetFields,
  targetKeys,
} from "./peft-config.ts";
import { readSavedModules, savedModules, withSavedModules } from "./saved-modules.ts";
import { describeTargets, selectTargetModules, targetModules } from "./target-modules.ts";

/** VeRA's settings, named and meant as in PEFT's VeraConfig. */
export const veraConfigSchema = z.strictObject({
  /** Rows of A and columns of B; many, since they cost nothing to store. */
  r: z.int().min(1).default(256),
  /** Names of linear layers, one regular expression, or "all-linear". By default those of the paper. */
  target_modules: targetModules.default(["q_proj", "v_proj"]),
  /** Share of the adapter's inputs dropped while training. */
  vera_dropout: z.number().min(0).lt(1).default(0),
  /** The values with which d begins; b begins as zero. */
  d_initial: z.number().default(0.1),
  /** The seed of A and B. */
  projection_prng_key: z.int().default(0),
  /** Whether the adapter's file holds A and B, which follow from their seed. */
  save_projection: z.boolean().default(true),
  /** Of embedding and output layer, those that are trained as a whole. */
  modules_to_save: savedModules,
});

export type VeraConfig = z.infer<typeof veraConfigSchema>;

const [nameA, nameB, nameD, nameLambdaB] = ["vera_A", "vera_B", "vera_lambda_d", "vera_lambda_b"] as const;

/** @throws InputError if the settings do not fit the model. */
export function vera(settings: VeraConfig, model: ModelConfig): Adaptation {
  const targets = selectTargetModules(settings.target_modules, model);
  const shared = sharedMatrices(settings, targets, model);
  const adaptation: Adaptation = {
    trains: () => false,
    adapterOf(name, outFeatures, inFeatures) {
      if (!targets.has(name)) return undefined;
      const { r, vera_dropout: dropout, d_initial } = settings;
      /** d ⊙ A [r, in] and b ⊙ B [out, r]. */
      const scaled = (tensors: AdapterTensors) => ({
        A: mul(reshape(tensors[nameD]!, [r, 1]), leading(tensors[nameA]!, 1, inFeatures)),
        B: mul(reshape(tensors[nameLambdaB]!, [outFeatures, 1]), leading(tensors[nameB]!, 0, outFeatures)),
      });
      return {
        signature: `vera r=${r} dropout=${dropout}`,
        dropout,
        parameters: [
          { name: nameLambdaB, shape: [outFeatures], initialize: () => new Float32Array(outFeatures) },
          { name: nameD, shape: [r], initialize: () => new Float32Array(r).fill(d_initial) },
        ],
        shared,
        forward(x, dropped, weight, tensors) {
          const inner = matmul(dropped, leading(tensors[nameA]!, 1, inFeatures), { transB: true });
          const outer = leading(tensors[nameB]!, 0, outFeatures);
          const update = matmul(mul(inner, tensors[nameD]!), outer, { transB: true });
          return add(weight.multiply(x), mul(update, tensors[nameLambdaB]!));
        },
        merge(weight, tensors) {
          const { A, B } = scaled(tensors);
          return add(weight, matmul(B, A));
        },
      };
    },
  };
  return withSavedModules(adaptation, settings.modules_to_save, model);
}

/** A [r, in] and B [out, r] for the largest of the adapted layers' inputs and outputs. */
function sharedMatrices(
  { r, projection_prng_key: key }: VeraConfig,
  targets: ReadonlySet<string>,
  model: ModelConfig,
): [A: SharedSpec, B: SharedSpec] {
  const adapted = listLinearModules(model).filter(({ name }) =>
    Array.from({ length: model.numHiddenLayers }, (_, layer) => nameInLayer(layer, name)).some((each) =>
      targets.has(each),
    ),
  );
  const maxIn = Math.max(...adapted.map(({ inFeatures }) => inFeatures));
  const maxOut = Math.max(...adapted.map(({ outFeatures }) => outFeatures));
  const drawBoth = () => {
    const next = createMersenneTwister(((key % 2 ** 32) + 2 ** 32) % 2 ** 32);
    return [drawKaimingUniform(next, r, maxIn), drawKaimingUniform(next, maxOut, r)] as const;
  };
  return [
    { name: nameA, shape: [r, maxIn], derive: () => drawBoth()[0] },
    { name: nameB, shape: [maxOut, r], derive: () => drawBoth()[1] },
  ];
}

/** Kaiming-uniform values for a matrix, as PyTorch draws them on the CPU with fused multiply-add. */
function drawKaimingUniform(next: () => number, rows: number, columns: number): Float32Array {
  const bound = Math.sqrt(3) * (Math.SQRT2 / Math.sqrt(columns));
  const low = Math.fround(-bound);
  const width = Math.fround(Math.fround(bound) - low);
  return Float32Array.from({ length: rows * columns }, () => (next() & 0xffffff) * 2 ** -24 * width + low);
}

const configSchema = z.looseObject({
  ...targetFields,
  r: veraConfigSchema.shape.r,
  vera_dropout: veraConfigSchema.shape.vera_dropout,
  d_initial: veraConfigSchema.shape.d_initial,
  projection_prng_key: veraConfigSchema.shape.projection_prng_key,
  save_projection: veraConfigSchema.shape.save_projection,
  modules_to_save: z.array(z.string()).nullish(),
});

/** As PEFT's VeraConfig and files have it. */
const veraFormat: PeftFormat<VeraConfig> = {
  type: "VERA",
  section: "vera",
  schema: veraConfigSchema,
  changeable: ["vera_dropout", "d_initial", "save_projection"],
  keys: {
    ...commonKeys,
    ...targetKeys,
    ...withRole(
      "used",
      "d_initial",
      "modules_to_save",
      "projection_prng_key",
      "r",
      "save_projection",
      "vera_dropout",
    ),
    bias: ["none"],
    init_weights: "harmless",
  },
  readSettings(json, origin, model) {
    const config = parsePeftFields(configSchema, json, origin);
    return {
      r: config.r,
      target_modules: readTargets(config, origin, model),
      vera_dropout: config.vera_dropout,
      d_initial: config.d_initial,
      projection_prng_key: config.projection_prng_key,
      save_projection: config.save_projection,
      modules_to_save: readSavedModules(config.modules_to_save, origin),
    };
  },
  writeSettings: (settings) => ({
    ...settings,
    modules_to_save: settings.modules_to_save.length > 0 ? settings.modules_to_save : null,
    bias: "none",
    fan_in_fan_out: false,
    layers_to_transform: null,
    layers_pattern: null,
  }),
  fileNames:
    ({ save_projection }) =>
    (name) => {
      if (name !== nameA && name !== nameB) return [peftPrefix + name];
      return save_projection ? [`base_model.${name}`] : [];
    },
  adapt: vera,
};

const options = { vera: veraConfigSchema.optional() };

export const veraMethod: Method<typeof options, { readonly vera: VeraConfig }> = {
  // Ten times LoRA's, as the paper takes for large models.
  learning_rate: 2e-3,
  storage: "float32",
  yields: "adapter",
  options,
  complete: (given) => ({ vera: veraConfigSchema.parse(given.vera ?? {}) }),
  describe: (given) => `r ${given.vera.r}, ${describeTargets(given.vera)}`,
  adapt: (given, model) => vera(given.vera, model),
  peft: veraFormat,
};
