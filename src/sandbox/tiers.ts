/** @file The interpreters that can run models' programs. */

import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError } from "../core/errors.ts";
import { cachePath } from "../node/cache-folder.ts";
import type { ConfinedProgram } from "./confinement.ts";

export type InterpreterName = "monty" | "pyodide";

/** An interpreter, found on this machine. */
export interface Tier {
  readonly name: InterpreterName;
  readonly version: string;
  readonly program: ConfinedProgram;
  /** Whether programs may import SymPy. */
  readonly hasSymPy: boolean;
}

/** How to get each of them. */
export const installation: Readonly<Record<InterpreterName, string>> = {
  monty: "npm install @pydantic/monty",
  pyodide: "npm install pyodide",
};

/** Where the wheels of SymPy and mpmath are looked for, which Pyodide's package has not. */
export const defaultWheels = cachePath("sandbox", "wheels");

/** How to get the wheels into a folder. */
export const wheelsInstallation = (folder: string) =>
  `pip download --no-deps --dest ${folder} sympy==1.14.0 mpmath==1.4.1`;

/**
 * Finds interpreters among the packages that are installed.
 *
 * @param wheels folder of the wheels, by default {@link defaultWheels}, where they may be missing: then there is no SymPy
 * @throws InputError if there is none of these interpreters for this machine, or no wheel in a folder that is named
 */
export function findTiers(names: readonly InterpreterName[], wheels?: string): [Tier, ...Tier[]] {
  const place = wheels ?? defaultWheels;
  const usable = hasWheels(place) ? realpathSync(place) : undefined;
  const tiers = names.flatMap((name) => (name === "monty" ? findMonty() : findPyodide(usable)) ?? []);
  const [first, ...others] = tiers;
  if (!first)
    throw new InputError(
      `There is no interpreter for models' programs; install one (${names.map((name) => installation[name]).join(", or ")}).`,
    );
  if (wheels !== undefined && !tiers.some(({ hasSymPy }) => hasSymPy))
    throw new InputError(
      `There is no SymPy by the wheels in ${wheels}; it needs Pyodide (${installation.pyodide}) and, in that folder, what \`${wheelsInstallation(wheels)}\` brings.`,
    );
  return [first, ...others];
}

function hasWheels(folder: string): boolean {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return ["sympy-", "mpmath-"].every((start) =>
    names.some((name) => name.startsWith(start) && name.endsWith(".whl")),
  );
}

function findMonty(): Tier | undefined {
  const entry = resolvePackage("@pydantic/monty");
  if (!entry) return undefined;
  const folder = dirname(entry);
  // Its native code is in a package beside it, one for each kind of machine.
  const library = readdirSync(dirname(folder))
    .filter((name) => name.startsWith(`monty-${process.platform}-${process.arch}`))
    .flatMap((name) => {
      const packageFolder = realpathSync(join(dirname(folder), name));
      return readdirSync(packageFolder).map((file) => join(packageFolder, file));
    })
    .find((path) => path.endsWith(".node"));
  if (!library) return undefined;
  return {
    name: "monty",
    version: versionOf(folder),
    program: {
      words: [child("monty"), entry, library],
      readable: [...own, `${folder}/`, library],
      addons: true,
    },
    hasSymPy: false,
  };
}

function findPyodide(wheels: string | undefined): Tier | undefined {
  const entry = resolvePackage("pyodide");
  if (!entry) return undefined;
  const folder = dirname(entry);
  return {
    name: "pyodide",
    version: versionOf(folder),
    program: {
      words: [child("pyodide"), folder, ...(wheels ? [wheels] : [])],
      readable: [...own, `${folder}/`, ...(wheels ? [`${wheels}/`] : [])],
    },
    hasSymPy: wheels !== undefined,
  };
}

function resolvePackage(name: string): string | undefined {
  try {
    return realpathSync(createRequire(import.meta.url).resolve(name));
  } catch {
    return undefined;
  }
}

const versionOf = (folder: string): string =>
  JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).version;

const child = (name: InterpreterName) => fileURLToPath(new URL(`./${name}-child.js`, import.meta.url));

/** This package's files without which a child does not start. */
const own = [
  fileURLToPath(new URL(".", import.meta.url)),
  fileURLToPath(new URL("../../package.json", import.meta.url)),
];
