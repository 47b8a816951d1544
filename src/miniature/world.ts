/** @file The small world that all generated text speaks of: its people, things, animals, tools, causes and places. */

/** A person, with the pronoun used for them. */
export interface Person {
  name: string;
  they: "he" | "she";
}

const WOMEN = ["Ann", "Mia", "Lily", "Nora", "Rosa", "Ella", "Kate", "Zoe", "Sara", "Ida", "Eva", "June"];
const MEN = ["Tom", "Ben", "Max", "Leo", "Sam", "Finn", "Jack", "Paul", "Omar", "Hugo", "Carl", "Luke"];

export const PEOPLE: readonly Person[] = [
  ...WOMEN.map((name) => ({ name, they: "she" as const })),
  ...MEN.map((name) => ({ name, they: "he" as const })),
];

/** Something that can be counted. */
export interface Countable {
  one: string;
  many: string;
}

const countable = (one: string, many = `${one}s`): Countable => ({ one, many });

export const FOODS: readonly Countable[] = [
  countable("apple"),
  countable("pear"),
  countable("plum"),
  countable("carrot"),
  countable("nut"),
  countable("cake"),
  countable("bun"),
  countable("berry", "berries"),
  countable("cherry", "cherries"),
  countable("grape"),
];

export const BELONGINGS: readonly Countable[] = [
  countable("ball"),
  countable("marble"),
  countable("card"),
  countable("coin"),
  countable("stamp"),
  countable("button"),
  countable("pencil"),
  countable("book"),
  countable("shell"),
  countable("stone"),
  countable("flower"),
  countable("feather"),
  countable("block"),
  countable("ribbon"),
];

export const COUNTABLES: readonly Countable[] = [...FOODS, ...BELONGINGS];

export const CONTAINERS: readonly Countable[] = [
  countable("box", "boxes"),
  countable("bag"),
  countable("basket"),
  countable("jar"),
  countable("bowl"),
];

export const PLACES = [
  "park",
  "garden",
  "kitchen",
  "school",
  "forest",
  "market",
  "meadow",
  "farm",
  "library",
];

export const COLOURS = ["red", "blue", "green", "yellow", "black", "white", "brown"];

/** Things with a colour everyone knows. */
export const COLOURED: readonly { thing: string; colour: string }[] = [
  { thing: "the sky", colour: "blue" },
  { thing: "the sea", colour: "blue" },
  { thing: "grass", colour: "green" },
  { thing: "snow", colour: "white" },
  { thing: "milk", colour: "white" },
  { thing: "the night", colour: "black" },
  { thing: "coal", colour: "black" },
  { thing: "a lemon", colour: "yellow" },
  { thing: "the sun", colour: "yellow" },
  { thing: "a cherry", colour: "red" },
  { thing: "blood", colour: "red" },
  { thing: "mud", colour: "brown" },
];

export interface Animal {
  name: string;
  sound: string;
  home: string;
  food: string;
  legs: number;
}

export const ANIMALS: readonly Animal[] = [
  { name: "dog", sound: "barks", home: "a house", food: "bones", legs: 4 },
  { name: "cat", sound: "meows", home: "a house", food: "fish", legs: 4 },
  { name: "cow", sound: "moos", home: "a barn", food: "grass", legs: 4 },
  { name: "horse", sound: "neighs", home: "a barn", food: "hay", legs: 4 },
  { name: "hen", sound: "clucks", home: "a farm", food: "seeds", legs: 2 },
  { name: "duck", sound: "quacks", home: "a pond", food: "bread", legs: 2 },
  { name: "robin", sound: "sings", home: "a tree", food: "worms", legs: 2 },
  { name: "frog", sound: "croaks", home: "a pond", food: "flies", legs: 4 },
  { name: "mouse", sound: "squeaks", home: "a hole", food: "cheese", legs: 4 },
  { name: "bee", sound: "hums", home: "a hive", food: "honey", legs: 6 },
  { name: "lion", sound: "roars", home: "the grassland", food: "meat", legs: 4 },
];

/** A tool and the work it is for, as in "a knife helps you cut bread". */
export interface Tool {
  name: string;
  work: string;
}

export const TOOLS: readonly Tool[] = [
  { name: "a knife", work: "cut the bread" },
  { name: "a spoon", work: "stir the soup" },
  { name: "a broom", work: "sweep the floor" },
  { name: "a hammer", work: "hit a nail" },
  { name: "a pen", work: "write a letter" },
  { name: "a lamp", work: "read in the dark" },
  { name: "a key", work: "open the lock" },
  { name: "a ladder", work: "reach the roof" },
  { name: "a shovel", work: "dig a hole" },
  { name: "a needle", work: "mend a shirt" },
  { name: "a rope", work: "tie up the boat" },
  { name: "a map", work: "find the way" },
  { name: "a clock", work: "know the time" },
  { name: "a towel", work: "dry wet hands" },
  { name: "an oven", work: "bake a cake" },
  { name: "a brush", work: "paint the wall" },
];

/** What is done to a thing, and what then becomes of each thing it is true of. */
export interface Cause {
  /** Said of a person in the present tense, with `*` for the thing: "drops * on the floor". */
  does: string;
  /** The same in the past tense. */
  did: string;
  /** What the thing then does, present tense: "breaks". */
  effect: string;
  /** The same in the past tense. */
  happened: string;
  /** The things this is true of, said with "the". */
  things: readonly string[];
}

export const CAUSES: readonly Cause[] = [
  {
    does: "drops * on the hard floor",
    did: "dropped * on the hard floor",
    effect: "breaks",
    happened: "broke",
    things: ["glass", "cup", "plate", "egg", "vase", "mirror", "bottle", "jar"],
  },
  {
    does: "leaves * in the hot sun",
    did: "left * in the hot sun",
    effect: "melts",
    happened: "melted",
    things: ["ice", "butter", "chocolate", "snowman", "candle", "ice cream"],
  },
  {
    does: "throws * into the lake",
    did: "threw * into the lake",
    effect: "sinks",
    happened: "sank",
    things: ["stone", "coin", "hammer", "key", "spoon", "brick"],
  },
  {
    does: "puts * on the water",
    did: "put * on the water",
    effect: "floats",
    happened: "floated",
    things: ["leaf", "cork", "feather", "stick", "duck", "toy boat"],
  },
  {
    does: "holds * in the fire",
    did: "held * in the fire",
    effect: "burns",
    happened: "burned",
    things: ["paper", "wood", "letter", "hay", "card", "rope"],
  },
  {
    does: "puts * in the freezer",
    did: "put * in the freezer",
    effect: "freezes",
    happened: "froze",
    things: ["water", "juice", "milk", "soup", "tea"],
  },
  {
    does: "gives * water every day",
    did: "gave * water every day",
    effect: "grows",
    happened: "grew",
    things: ["plant", "flower", "tree", "rose", "grass", "seed"],
  },
  {
    does: "kicks * down the hill",
    did: "kicked * down the hill",
    effect: "rolls",
    happened: "rolled",
    things: ["ball", "wheel", "barrel", "pumpkin", "orange"],
  },
];

/** A state someone is in and what people then do. */
export interface Need {
  /** "is hungry", said of a person in the present tense. */
  state: string;
  /** The same in the past tense. */
  stateBefore: string;
  /** "eats some bread". */
  response: string;
  /** The same in the past tense. */
  responded: string;
}

export const NEEDS: readonly Need[] = [
  {
    state: "is hungry",
    stateBefore: "was hungry",
    response: "eats some bread",
    responded: "ate some bread",
  },
  {
    state: "is thirsty",
    stateBefore: "was thirsty",
    response: "drinks some water",
    responded: "drank some water",
  },
  { state: "is tired", stateBefore: "was tired", response: "goes to bed", responded: "went to bed" },
  { state: "is cold", stateBefore: "was cold", response: "puts on a coat", responded: "put on a coat" },
  {
    state: "is too hot",
    stateBefore: "was too hot",
    response: "sits in the shade",
    responded: "sat in the shade",
  },
  { state: "is sick", stateBefore: "was sick", response: "sees a doctor", responded: "saw a doctor" },
  {
    state: "has dirty hands",
    stateBefore: "had dirty hands",
    response: "washes with soap",
    responded: "washed with soap",
  },
  {
    state: "is out in the rain",
    stateBefore: "was out in the rain",
    response: "opens an umbrella",
    responded: "opened an umbrella",
  },
  {
    state: "is sad",
    stateBefore: "was sad",
    response: "talks to a friend",
    responded: "talked to a friend",
  },
  {
    state: "is late for school",
    stateBefore: "was late for school",
    response: "runs all the way",
    responded: "ran all the way",
  },
];

/** Names of the variables in tiny programs. */
export const VARIABLES = ["x", "y", "n", "k", "total", "score"];

/** A count with its noun in the right number: `1 apple`, `3 apples`. */
export function counted(count: number, thing: Countable): string {
  return `${count} ${count === 1 ? thing.one : thing.many}`;
}

/** The text with its first letter in upper case. */
export function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
