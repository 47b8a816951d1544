/** @file The rewards that a run's options name: those of the table, a module's, or the caller's own. */

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { InputError } from "../../core/errors.ts";
import type { RolloutOptions } from "../../core/objectives/rollouts.ts";
import type { Reward } from "../../rewards/reward.ts";
import { createReward } from "../../rewards/rewards.ts";

/** Rewards of the caller's own, by the names that the option `reward` gives them. */
export type OwnRewards = Readonly<Record<string, Reward>>;

export interface LoadedRewards {
  readonly rewards: ReadonlyMap<string, Reward>;
  /** Of the modules among them. */
  readonly rewardSha256?: string;
}

/** Whether a reward is named by a module: a path, as import wants it. */
export function isRewardModule(name: string): boolean {
  return /\.[cm]?js$/.test(name);
}

/**
 * @throws InputError if a name is unknown or stands twice, or a module is missing, cannot be loaded or has no function as its
 *   default export.
 */
export async function loadRewards(
  { reward: names, max_completion_length }: RolloutOptions,
  own: OwnRewards = {},
): Promise<LoadedRewards> {
  const rewards = new Map<string, Reward>();
  const hash = createHash("sha256");
  for (const name of names) {
    if (rewards.has(name)) throw new InputError(`The reward "${name}" is named twice; leave one out.`);
    if (Object.hasOwn(own, name)) rewards.set(name, own[name]!);
    else if (isRewardModule(name)) {
      if (!existsSync(name)) throw new InputError(`There is no module ${name} with a reward.`);
      const text = readFileSync(name);
      rewards.set(name, await importReward(name, text));
      hash.update(text);
    } else rewards.set(name, createReward(name, max_completion_length));
  }
  return { rewards, ...(names.some(isRewardModule) && { rewardSha256: hash.digest("hex") }) };
}

async function importReward(path: string, text: Uint8Array): Promise<Reward> {
  // Node keeps modules by their addresses, and one that was corrected is another one.
  const version = createHash("sha256").update(text).digest("hex");
  let module: { readonly default?: unknown };
  try {
    module = await import(`${pathToFileURL(resolve(path)).href}?${version}`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InputError(`The module ${path} with a reward cannot be loaded: ${reason}.`, { cause: error });
  }
  if (typeof module.default === "function") return module.default as Reward;
  throw new InputError(
    `The module ${path} has no function as its default export; write \`export default ({ text, problem }, group) => …\`, which gives a number.`,
  );
}
