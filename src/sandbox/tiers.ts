/** @file The interpreters that can run models' programs. */

import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cachePath } from "../node/cache-folder.ts";
import type { ConfinedProgram } from "./confinement.ts";

export type TierName = "monty" | "pyodide";

/** An interpreter, found on this machine. */
export interface Tier {
  readonly name: TierName;
  readonly version: string;
  readonly program: ConfinedProgram;
  /** Whether programs may import SymPy. */
  readonly hasSymPy: boolean;
}

/** What is said where one is asked for that is not there. */
export const installation: Readonly<Record<TierName, string>> = {
  monty: "npm install @pydantic/monty",
  pyodide: "npm install pyodide",
};

/** Where the wheels of SymPy and mpmath are looked for, which Pyodide's package has not. */
export const defaultWheels = cachePath("sandbox", "wheels");

/** How to get the wheels into a folder. */
export const wheelsInstallation = (folder: string) =>
  `pip download --no-deps --dest ${folder} sympy==1.14.0 mpmath==1.4.1`;

/**
 * Finds an interpreter among the packages that are installed.
 *
 * @param wheels folder of the wheels of SymPy and mpmath, for Pyodide; where they are not in it, there is no SymPy
 * @returns undefined if there is none for this machine
 */
export function findTier(name: TierName, wheels: string): Tier | undefined {
  return name === "monty" ? findMonty() : findPyodide(hasWheels(wheels) ? realpathSync(wheels) : undefined);
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

const child = (name: TierName) => fileURLToPath(new URL(`./${name}-child.js`, import.meta.url));

/** This package's files without which a child does not start. */
const own = [
  fileURLToPath(new URL(".", import.meta.url)),
  fileURLToPath(new URL("../../package.json", import.meta.url)),
];
