/** @file The right answers of items as continuations of their prompts, of which is asked how likely they are. */

import type { ModelRequest } from "./language-model.ts";
import { metrics } from "./metrics/metrics.ts";
import { outputTypes } from "./requests/output-types.ts";
import type { Instance, PreparedTask } from "./task.ts";

/**
 * An item's right answer after its prompt: that of its own requests which asks for it, so that nothing is asked twice, else
 * a further one. Undefined if its target is empty.
 */
export function goldOf(
  instance: Instance,
  outputType: PreparedTask["outputType"],
  targetDelimiter: string,
): ModelRequest<"loglikelihood"> | undefined {
  if (instance.target === "") return undefined;
  const { question, answer } = outputTypes[outputType].solve(instance, targetDelimiter);
  const asked = instance.requests.find(
    (request) =>
      request.type === "loglikelihood" && request.context === question && request.continuation === answer,
  );
  return (
    (asked as ModelRequest<"loglikelihood"> | undefined) ?? {
      type: "loglikelihood",
      context: question,
      continuation: answer,
    }
  );
}

/** A task whose right answers are not scored, and which has no metric of them. */
export function withoutGold(task: PreparedTask): PreparedTask {
  return {
    ...task,
    metrics: task.metrics.filter(({ metric }) => !metrics[metric].scoreGold),
    instances: task.instances.map(({ gold: _, ...instance }) => instance),
  };
}
