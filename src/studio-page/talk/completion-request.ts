/** @file What a person has chosen for an answer, as the body of a request for it. */

export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

export interface TalkSettings {
  /** Default: no such message. */
  readonly system: string;
  readonly temperature: number;
  /** Undefined draws anew each time. */
  readonly seed: number | undefined;
  readonly maxTokens: number;
  /** The most tokens of the model's thoughts. Undefined: no budget. */
  readonly thinkingBudget: number | undefined;
}

/** The body of a chat completion, without what concerns how it is sent. */
export type CompletionRequest = Readonly<Record<string, unknown>> & {
  readonly model: string;
  readonly messages: readonly Message[];
};

export function makeRequest(
  model: string,
  conversation: readonly Message[],
  { system, temperature, seed, maxTokens, thinkingBudget }: TalkSettings,
): CompletionRequest {
  return {
    model,
    messages: [
      ...(system.trim() === "" ? [] : [{ role: "system" as const, content: system }]),
      ...conversation,
    ],
    temperature,
    ...(seed !== undefined && { seed }),
    max_tokens: maxTokens,
    ...(thinkingBudget !== undefined && { thinking_budget_tokens: thinkingBudget }),
  };
}
