/** @file Letter concatenation (Wei et al. 2022; with other letters than the last ones: Wang et al. 2024, DCA): a letter of each word of a name. */

import { createRandom, type Random } from "../core/random.ts";
import { between, pick, type Split, splitOf } from "../miniature/drawing.ts";
import {
  drawDifferent,
  type ProblemCounts,
  type ProblemSet,
  type Reworded,
  toRow,
  type WrittenItem,
  withoutRewording,
} from "./problem-set.ts";

const given =
  "Aaron Abigail Adam Alice Amelia Andrew Angela Anthony Arthur Ashley Audrey Barbara Benjamin Bernard Beth Brandon Brenda Brian Bruce Carla Caroline Charles Chloe Chris Clara Claire Daniel David Deborah Dennis Diana Dominic Donald Dora Dorothy Edgar Edith Edward Elaine Eleanor Elizabeth Emily Emma Eric Esther Ethan Eugene Evelyn Felix Florence Frances Frank Fred George Gerald Gloria Grace Gregory Hannah Harold Harriet Harry Heather Helen Henry Howard Irene Isaac Isabel Jacob James Janet Jason Jennifer Jeremy Jessica Joan John Joseph Joshua Julia Karen Keith Kenneth Kevin Laura Lawrence Leonard Linda Lisa Louis Lucy Margaret Maria Martin Mary Matthew Megan Michael Monica Nancy Nathan Nicole Noah Oliver Olivia Oscar Pamela Patrick Paula Peter Philip Rachel Ralph Raymond Rebecca Richard Robert Roger Rose Russell Ruth Samuel Sandra Sarah Scott Sharon Simon Sophia Stephen Susan Teresa Theodore Thomas Timothy Vera Victor Victoria Vincent Walter Wendy William Zachary".split(
    " ",
  );
const family =
  "Adams Allen Anderson Bailey Baker Barnes Bell Bennett Black Brooks Brown Bryant Butler Campbell Carter Clark Coleman Collins Cook Cooper Cox Davis Diaz Dixon Edwards Ellis Evans Fisher Flores Ford Foster Fox Freeman Garcia Gibson Gomez Gonzalez Gordon Graham Grant Gray Green Griffin Hall Hamilton Harris Harrison Hayes Hernandez Hicks Hill Holmes Hughes Hunt Hunter Jackson Jenkins Johnson Jones Jordan Kelly Kennedy King Knight Lewis Long Lopez Marshall Martinez Mason McDonald Miller Mills Mitchell Moore Morgan Morris Morrison Murphy Murray Myers Nelson Nichols Ortiz Owens Palmer Parker Patterson Perez Perry Peterson Phillips Porter Powell Price Ramirez Reed Reyes Reynolds Rice Richardson Rivera Roberts Robinson Rogers Ross Russell Sanders Scott Shaw Simmons Simpson Smith Stevens Stewart Stone Sullivan Taylor Thompson Torres Tucker Turner Wagner Walker Wallace Ward Warren Washington Watson Webb Wells West White Williams Wilson Wood Woods Wright Young".split(
    " ",
  );

const letters = {
  first: (word: string) => word[0]!,
  second: (word: string) => word[1]!,
  last: (word: string) => word.at(-1)!,
  "second-last": (word: string) => word.at(-2)!,
} as const;
type Place = keyof typeof letters;

/** What of a name is asked for, and how many words it has. */
interface Kind {
  readonly places: readonly Place[];
  readonly words: readonly [least: number, most: number];
}

const tuned: Kind = { places: ["first", "second", "last"], words: [2, 3] };
const shifts: readonly { readonly name: string; readonly shift: string; readonly kind: Kind }[] = [
  {
    name: "letters_longer",
    shift: "names of 4 or 5 words in place of 2 or 3",
    kind: { ...tuned, words: [4, 5] },
  },
  {
    name: "letters_positions",
    shift: "the second-last letters in place of the first, second or last",
    kind: { ...tuned, places: ["second-last"] },
  },
];

/**
 * Draws rows on the first, second or last letters of names of two or three words; and items on the same of other names, on longer
 * names, and on second-last letters. No word of an item's name is in a row. Prompts are those of DCA's release.
 *
 * @throws RangeError if more are asked for than there are different ones.
 * @example
 * const { rows, tasks } = drawLetters({ rows: 1000, items: 200 }, 0);
 */
export function drawLetters(counts: ProblemCounts, seed: number): ProblemSet {
  const draw = (count: number, split: Split, kind: Kind, stream: number) =>
    drawDifferent(count, createRandom(seed, stream), (random) => drawItem(random, split, kind));
  return {
    rows: draw(counts.rows, "train", tuned, 0).map(({ question, rewording, answer }) =>
      toRow(question, rewording, answer),
    ),
    tasks: [
      { name: "letters", items: draw(counts.items, "held-out", tuned, 1).map(withoutRewording) },
      ...shifts.map(({ kind, ...task }, i) => ({
        ...task,
        items: draw(counts.items, "held-out", kind, 2 + i).map(withoutRewording),
      })),
    ],
  };
}

function drawItem(random: Random, split: Split, { places, words }: Kind): Reworded<WrittenItem> {
  const place = pick(random, places);
  const own = (table: readonly string[]) => table.filter((word) => splitOf(word) === split);
  const [first, last] = [own(given), own(family)];
  const name = [
    ...Array.from({ length: between(random, ...words) - 1 }, () => pick(random, first)),
    pick(random, last),
  ];
  const asked = `"${name.join(" ")}"`;
  const response = "\n\n### Response:";
  return {
    question: `Take the ${place} letters of the words in ${asked} and concatenate them.${response}`,
    rewording: `What do the ${place} letters of all words in ${asked} give, one after the other?${response}`,
    answer: name.map(letters[place]).join(""),
  };
}
