/** @file Texts without the names of their speakers. */

import { type AssessedText, byGroup } from "./texts.ts";

/** Words that stand before names, or for many people, and are none themselves. */
const noNames = /^(?:mr|mrs|ms|miss|dr|prof|teacher|students?|class|all|both|everyone|speaker)$/i;

/**
 * Puts roles with numbers in place of speakers: "Teacher 1", "Student 2". Where what others say has a speaker's name, or a part of it with
 * a capital and at least three letters, that is replaced too; names of people who say nothing are not known, and stay.
 */
export function anonymize(texts: readonly AssessedText[]): AssessedText[] {
  return byGroup(texts).flatMap((group) => {
    const aliases = new Map<string, string>();
    const counts = new Map<string, number>();
    for (const { speaker, role } of group.flatMap(({ turns }) => turns)) {
      if (aliases.has(speaker)) continue;
      const number = (counts.get(role) ?? 0) + 1;
      counts.set(role, number);
      aliases.set(speaker, `${role.charAt(0).toUpperCase()}${role.slice(1)} ${number}`);
    }
    const names = new Map<string, string>();
    for (const [speaker, alias] of aliases) {
      const parts = speaker.split(/\s+/).filter((part) => /^\p{Lu}\p{L}{2,}$/u.test(part));
      for (const name of [speaker, ...parts]) {
        if (name.length > 2 && !noNames.test(name) && !/^\P{Lu}/u.test(name) && !names.has(name))
          names.set(name, alias);
      }
    }
    const longestFirst = [...names.keys()].sort((a, b) => b.length - a.length).map(escapeExpression);
    const pattern = new RegExp(`(?<![\\p{L}\\p{N}])(?:${longestFirst.join("|")})(?![\\p{L}\\p{N}])`, "gu");
    const hide = (text: string) =>
      longestFirst.length === 0 ? text : text.replace(pattern, (name) => names.get(name)!);
    return group.map((text) => ({
      ...text,
      turns: text.turns.map((turn) => ({
        ...turn,
        speaker: aliases.get(turn.speaker)!,
        text: hide(turn.text),
      })),
    }));
  });
}

function escapeExpression(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}
