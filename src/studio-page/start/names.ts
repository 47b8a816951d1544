/** @file Short names of files and folders, and of runs to come. */

/** The last part of a path or of a Hub id. */
export function shortName(path: string): string {
  return path
    .replace(/[/\\]+$/, "")
    .split(/[/\\]/)
    .at(-1)!;
}

/** A name for a run of these data by this method that none of `taken` has, such as "people-qlora-2". */
export function suggestName(data: string, method: string, taken: readonly string[]): string {
  const stem = shortName(data)
    .replace(/\.[^.]*$/, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
  const name = `${stem || "run"}-${method.replace(/[^a-z0-9]+/g, "-").replace(/-$/, "")}`;
  if (!taken.includes(name)) return name;
  for (let number = 2; ; number++) if (!taken.includes(`${name}-${number}`)) return `${name}-${number}`;
}

/** A text as the name of a file or folder: what it may not hold becomes "-". */
export function fileNameOf(text: string): string {
  return text.replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[.-]+|[.-]+$/g, "") || "result";
}
