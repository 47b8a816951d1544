/** @file A base model with an adapter on it. */

import type { Model } from "../models/model.ts";
import { type Adaptation, frozen } from "./adaptation.ts";
import type { Parameters } from "./parameters.ts";

/** What a tuning method computes with: its rules and its trained tensors. */
export interface Adapter {
  readonly adaptation: Adaptation;
  readonly parameters: Parameters;
}

/** A model, with an adapter or without. */
export interface AdaptedModel extends Model {
  readonly adapter?: Adapter;
}

/** The adapter of a model that has none. */
export const noAdapter: Adapter = { adaptation: frozen, parameters: new Map() };
