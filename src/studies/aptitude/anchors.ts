/** @file Anchors: queries that stand for all of them, one of each cluster of the model's own representations. */

import { join } from "node:path";
import { z } from "zod";
import { createRepresentation } from "../../alignment/representation.ts";
import { InputError } from "../../core/errors.ts";
import { createRandom } from "../../core/random.ts";
import { readJson } from "../../node/files/structured.ts";
import { writeWhole } from "../../node/files/write.ts";
import { openModel } from "../../node/models/open-model.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { clusterPoints, drawCentres, findCentralPoints } from "../../statistics/k-means.ts";
import type { StudyFolder } from "../study-folder.ts";
import type { PartEvents } from "../study-kind.ts";
import { count } from "../study-results.ts";
import type { AptitudeConfig } from "./options.ts";
import { readPairs } from "./pairs.ts";

const anchorsSchema = z.object({
  /** Numbers of queries, one of each cluster. */
  anchors: z.array(count),
  /** Queries in each cluster. */
  sizes: z.array(count),
});

export type Anchors = Readonly<z.output<typeof anchorsSchema>>;

export function anchorsFile({ data }: StudyFolder): string {
  return join(data, "anchors.json");
}

/** @throws InputError if they are not written yet, or the file is damaged. */
export function readAnchors(folder: StudyFolder): Anchors {
  return readJson(anchorsFile(folder), anchorsSchema, "remove it");
}

/**
 * Clusters the queries by k-means over what the base model makes of them (TATA: over an embedding model's vectors), and takes of each
 * cluster the query that is nearest to its centre.
 *
 * @throws InputError if there are fewer different queries than anchors.
 */
export async function chooseAnchors(
  config: AptitudeConfig,
  folder: StudyFolder,
  { onProgress }: PartEvents,
): Promise<void> {
  const questions = readPairs(folder).queries.map(({ question }) => question);
  if (new Set(questions).size < config.anchors) {
    throw new InputError(
      `The ${questions.length} queries of ${config.data} are ${new Set(questions).size} different questions, too few for ${config.anchors} anchors; take fewer anchors.`,
    );
  }
  const representation = createRepresentation(openDevice("cpu"), await openModel(config.model));
  const vectors = await representation
    .embed(questions, (done) => onProgress(`${done}/${questions.length} queries`))
    .finally(representation.release);
  const start = drawCentres(vectors, config.anchors, createRandom(config.seed));
  const clusters = clusterPoints(vectors, start);
  const found: Anchors = {
    anchors: findCentralPoints(vectors, clusters),
    sizes: start.map((_, cluster) => clusters.labels.filter((label) => label === cluster).length),
  };
  writeWhole(anchorsFile(folder), `${JSON.stringify(found)}\n`);
}
