/** Solves word problems by a strategy of your own, beside built-in ones, and compares accuracy and tokens. */

import { runReasoning, type Strategy } from "slimtune";

/** Two short solutions; only where they differ is there a third, which decides. */
const twoOfThree: Strategy = {
  name: "two-of-three",
  async solve(question, { prompt, sample, extract, equal, settings }) {
    const messages = prompt(question, { instruction: "Be brief." });
    const draw = async (samples: number, firstSample: number) => {
      const texts = await sample({ messages, maxTokens: settings.maxTokens, samples, firstSample });
      return texts.map(({ text }) => ({ text, answer: extract(text) }));
    };
    const isSame = (a: string | undefined, b: string | undefined) =>
      a !== undefined && b !== undefined && equal(a, b);
    const [first, second] = await draw(2, 0);
    if (isSame(first!.answer, second!.answer)) return { ...first!, details: { samples: 2 } };
    const [third] = await draw(1, 2);
    const chosen = [first!, second!].find(({ answer }) => isSame(answer, third!.answer)) ?? third!;
    return { ...chosen, details: { samples: 3 } };
  },
};

const { results, report } = await runReasoning({
  model: "fixtures/embedded-model",
  tasks: ["miniature_math"],
  taskFiles: ["fixtures/miniature/benchmarks"],
  limit: 12,
  strategies: ["cot", "sc:3", twoOfThree],
  maxTokens: 32,
  out: "runs/examples/reasoning",
});

for (const { strategy, accuracy, tokens, usage } of results.curves[0]!.points) {
  const percent = (100 * accuracy.value).toFixed(0);
  console.log(`${strategy}: ${percent} % right, ${tokens.value.toFixed(0)} tokens, ${usage.calls} texts`);
}
console.log(`The curve is in ${report.page}.`);
