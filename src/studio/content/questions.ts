/** @file The questions that are answered in a process of their own, each by one answer or by better and better ones. */

/** What answers each, loaded when it is asked, since what makes pages is slow to load. */
export const questions = {
  preview: async () => (await import("./preview-examples.ts")).previewExamples,
  estimate: async () => (await import("./estimate-cost.ts")).estimateCost,
  comparison: async () => (await import("./compare-items.ts")).compareItems,
  "search trees": async () => (await import("./search-trees.ts")).searchTrees,
  "study page": async () => (await import("./study-page.ts")).studyPage,
  "federation page": async () => (await import("./federation-page.ts")).federationPage,
};

export type Question = keyof typeof questions;
type Answering<Q extends Question> = Awaited<ReturnType<(typeof questions)[Q]>>;
export type Given<Q extends Question> = Parameters<Answering<Q>>[0];
export type AnswerTo<Q extends Question> =
  ReturnType<Answering<Q>> extends AsyncIterable<infer Answer> ? Answer : never;
