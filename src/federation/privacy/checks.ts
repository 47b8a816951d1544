/** @file Settings that give no privacy are refused. */

import { InputError } from "../../core/errors.ts";

export function checkPositive(what: string, value: number): void {
  if (!(value > 0 && value < Number.POSITIVE_INFINITY))
    throw new InputError(`A ${what} of ${value} gives no privacy; take a positive number, such as 1.`);
}

export function checkRate(rate: number): void {
  if (!(rate > 0 && rate <= 1))
    throw new InputError(`A sampling rate of ${rate} is no probability; take a number above 0 and up to 1.`);
}
