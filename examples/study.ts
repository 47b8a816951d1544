/** How much is the seed's doing? A study tunes with several seeds, and says how far the results lie apart. */

import { runStudy } from "slimtune";

const { results, report } = await runStudy(
  {
    kind: "seeds",
    methods: ["freeze"],
    seeds: [1, 2],
    model: "fixtures/embedded-model",
    data: { everyday: "fixtures/miniature/commonsense-train.jsonl" },
    tasks: ["miniature_commonsense"],
    task_files: ["fixtures/miniature/benchmarks"],
    metrics: { miniature_commonsense: "acc" },
    apply_chat_template: true,
    limit: 40,
    run: { max_steps: 10, learning_rate: 3e-3, validation: 0 },
  },
  "runs/examples/study",
  {
    // Each part runs in a process of its own, and is not computed again when the study is resumed.
    onPart: ({ number, of, name }) => console.log(`${number}/${of} ${name}`),
  },
);

const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
for (const { quantity, before, mean, deviation, values } of results!.spreads) {
  console.log(
    `${quantity}: ${percent(before)} before; with ${values.length} seeds ${percent(mean.value)} after, standard deviation ${percent(deviation)}`,
  );
}
console.log(`Open ${report} in a browser.`);
