/** @file What a server's noise is drawn from, kept so that a server that is begun again adds the same noise to the same sum. */

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { InputError } from "../../core/errors.ts";
import { readWhole } from "../../node/files/read.ts";
import { writeWhole } from "../../node/files/write.ts";

const secretBytes = 32;

/** Reads the secret, or makes it. Who knows it can take the noise off. @throws InputError if the file holds something else */
export function keepSecret(path: string): Uint8Array {
  if (!existsSync(path)) writeWhole(path, randomBytes(secretBytes), 0o600);
  const secret = readWhole(path);
  if (secret.length !== secretBytes)
    throw new InputError(`${path} is not what a server has kept to draw its noise; remove it.`);
  return secret;
}
