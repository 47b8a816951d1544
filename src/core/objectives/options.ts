/** @file Options that several objectives have. */

import * as z from "zod";

export const betaSchema = z.number().positive();
/** The probability that a pair's sides are the wrong way round. */
export const labelSmoothingSchema = z.number().min(0).lt(0.5);
export const lossWeightSchema = z.number().min(0);
