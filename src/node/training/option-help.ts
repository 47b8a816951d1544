/** @file What each option of a tuning run does, in a few words, for whoever shows it: the command line and the studio. */

import { objectiveNames } from "../../core/objectives/objectives.ts";
import { rewardForms } from "../../rewards/rewards.ts";
import type { RunOptions } from "./run-config.ts";

/** The options that are tables of an adapter's settings. */
type Section = "lora" | "ia3" | "vera" | "adaption_prompt" | "ln_tuning" | "trainable_tokens";

/** An option's name, or within a table a setting's. */
export type OptionName =
  | Exclude<keyof RunOptions, Section>
  | { [Name in Section]: keyof NonNullable<RunOptions[Name]> }[Section];

/** Of options that have a flag: "--" and the name, with hyphens. */
export const optionHelp = {
  chat_template: "Jinja template in place of the model's own",
  date: "day that the chat template prints as today's, such as 2025-01-31",
  model: "folder, .gguf file or Hub id of the model",
  revision: "branch, tag or commit of a Hub model",
  base_model_name: "the model's id on the Hub, named in what is handed on",
  data: "file of examples (JSONL, JSON, CSV, Parquet, text) or Hub id of a dataset",
  data_split: "split of a Hub dataset",
  fields: "fields of a row, such as prompt=question,completion=answer",
  train_on: "tokens in the loss",
  overlong: "examples beyond the context",
  method: "tuning method (docs/methods.md)",
  objective: `what is minimized: ${objectiveNames.join(", ")} (docs/objectives.md)`,
  beta: "preferences, grpo, rloo: how strongly the model is held to its reference; without one, how much the difference of both answers counts",
  label_smoothing: "robust, cpo, simpo: share of pairs that are the wrong way round",
  simpo_gamma: "simpo: margin that is aimed at",
  companion_weight: "companion: weight of how far the states after both wordings are apart",
  cpo_alpha: "cpo, simpo: weight of imitating the chosen answers",
  desirable_weight: "kto: weight of wanted answers",
  undesirable_weight: "kto: weight of unwanted answers",
  teacher: "distill: model of the same vocabulary whose next tokens are imitated",
  answer_tokens: "distill: longest answer that the teacher writes to a prompt without one",
  divergence: "distill: how far the model is from its teacher: forward_kl, reverse_kl or jsd",
  temperature: "distill: divides the logits of both models; grpo, rloo: those that answers are drawn from",
  label_weight: "distill: share of the answers' cross-entropy in the loss",
  reward: `grpo, rloo: what an answer's reward is the sum of: ${rewardForms.join(", ")}, or the path of a module (default: correct)`,
  num_generations: "grpo, rloo: answers to each prompt of a step",
  num_iterations: "grpo, rloo: optimizer steps on the same answers",
  max_completion_length: "grpo, rloo: longest answer in tokens",
  mask_truncated_completions: "grpo, rloo: learn nothing from answers that were cut off",
  epsilon: "grpo, rloo: how far likelihoods may move on the same answers",
  epsilon_high: "grpo, rloo: how far upward (default: as downward)",
  loss_type: "grpo: how tokens are averaged: grpo, bnpo, dr_grpo or dapo",
  scale_rewards: "grpo: by whose deviation advantages are divided: group, batch or none",
  step_separator: "prm: what ends each step of a solution (default: a line feed)",
  keep: "weight in the loss of the divergence from the model as the run begins, such as 0.1 (default: 0)",
  keep_text: "plain text on which --keep is measured (default: the prompts of the data)",
  proximal_mu:
    "how strongly what is trained is held near its values as the run begins, such as 0.01 (FedProx; default: 0)",
  adapter: "adapter to go on with, in PEFT's layout, or the run that tuned it",
  storage: "how base weights are kept",
  arithmetic: "int8 multiplies by the base's weights in integers, which is faster (default: float32)",
  weights_on_disk: "read a quantized base from disk block by block, in place of keeping it in memory",
  r: "rank of the adapter",
  lora_alpha: "scale of the adapter, over r",
  lora_dropout: "share of the adapter's inputs dropped",
  target_modules: "all-linear, or names such as q_proj,v_proj",
  use_rslora: "scale by alpha over the root of r",
  use_dora: "train the lengths of the weights' rows as well",
  init_lora_weights: "how the adapter begins",
  loraplus_lr_ratio: "lora+: learning rate of B over that of A",
  adapter_len: "adaption-prompt, dca: prompts in each adapted layer",
  adapter_layers: "adaption-prompt, dca: how many of the last layers are adapted",
  gate: "adaption-prompt, dca: one gate for a layer, or for each head",
  causal_weight: "dca: weight of how much what the shared prompts add differs between the examples of a step",
  shared_prompts: "dca: how many of the last layer's first prompts are shared",
  freeze_trainable_layers: "freeze: how many of the last blocks are trained",
  train_tokens:
    'tokens whose embeddings are trained, such as "<tool>,</tool>"; new ones are added to the tokenizer',
  bias: "biases that are trained as well",
  modules_to_save: "of embed_tokens and lm_head, those trained as a whole",
  context: "longest example",
  micro_batch_tokens: "tokens computed at a time",
  packing: "one example a row, padded",
  apply_chat_template: "prompt and completion as they are, without the model's template",
  batch_size: "examples per optimizer step",
  num_train_epochs: "passes over the data",
  max_steps: "optimizer steps, in place of epochs",
  learning_rate: "highest learning rate (default: the method's, for preferences and rewards a tenth of it)",
  lr_scheduler_type: "course of the learning rate",
  warmup_ratio: "share of steps in which it rises",
  weight_decay: "AdamW's decay of what is trained",
  validation: "examples held out for evaluation (default: 5 %, 100 at most, fewer in a short run)",
  eval_steps: "steps between evaluations",
  save_steps: "steps between checkpoints",
  early_stopping_patience: "evaluations without improvement before it stops",
  sample_prompts:
    "prompt that the model answers at each evaluation, to samples.jsonl in the run's folder; may be repeated",
  sample_tokens: "longest of the answers to sample prompts in tokens (default: 64)",
  seed: "seed of everything random",
  device: "where to compute",
  threads: "threads for arithmetic",
  segment_size: "decoder blocks per program",
  out: "folder of the run",
} satisfies Partial<Record<OptionName, string>>;

/** Of those that only a configuration file has. */
export const fileOptionHelp: Readonly<Record<Exclude<OptionName, keyof typeof optionHelp>, string>> = {
  double_quantization: "quantize the scales of NF4's blocks as well",
  rank_pattern: "ranks other than r, by a module's name or a regular expression",
  alpha_pattern: "values other than lora_alpha, by a module's name or a regular expression",
  trainable_token_indices: "ids of tokens whose rows of the embedding, or of the output layer, are trained",
  feedforward_modules: "ia3: those of target_modules whose inputs are scaled (default: down_proj)",
  vera_dropout: "share of the adapter's inputs dropped",
  d_initial: "values with which d begins",
  projection_prng_key: "seed of A and B",
  save_projection: "write A and B into the adapter's file, although they follow from their seed",
  token_indices: "ids of tokens whose rows are trained",
  adam_beta1: "AdamW's decay of the mean gradient",
  adam_beta2: "AdamW's decay of the mean squared gradient",
  adam_epsilon: "AdamW's addition to the root of the mean squared gradient",
  max_grad_norm: "norm to which gradients are scaled down",
};
