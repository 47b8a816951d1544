import { execFileSync } from "node:child_process";
import { Monty } from "@pydantic/monty";
import { expect, test } from "vitest";
import { type ClientLanguage, writeClientCode } from "./client-code.ts";
import { makeRequest } from "./completion-request.ts";

const request = makeRequest(
  `it's "x"\`y\``,
  [
    { role: "user", content: "'; rm -rf / # $(id) `id` \\ \\n $HOME \u2028 \u0000 </script> é 🌍" },
    { role: "assistant", content: "line\nline\r\n\ttab '''\"\"\" %s {x} !! \\'" },
    { role: "user", content: "-d @/etc/passwd" },
  ],
  { system: "Be brief.", temperature: 0.7, seed: 7, maxTokens: 20, thinkingBudget: 0 },
);

/** What each program would send, by running it with the client replaced. */
const runs: Readonly<Record<ClientLanguage, (code: string) => unknown>> = {
  curl(code) {
    const script = `curl() { for word; do printf '%s\\0' "$word"; done; }\n${code}`;
    const words = execFileSync("sh", ["-c", script], { encoding: "utf8" }).split("\0");
    expect(words.slice(0, 4)).toEqual([
      ...["http://127.0.0.1:8000/v1/chat/completions", "-H", "Content-Type: application/json", "-d"],
    ]);
    expect(words).toHaveLength(6);
    return JSON.parse(words[4]!);
  },
  javascript(code) {
    const [, argument] = /completions\.create\((.*)\);\nfor await/s.exec(code)!;
    const { stream, ...sent } = new Function(`return ${argument}`)();
    expect(stream).toBe(true);
    return sent;
  },
  python(code) {
    const [, fields] = /completions\.create\((.*)\n\)\nfor chunk/s.exec(code)!;
    const names = [...fields!.matchAll(/^ {4}(\w+)=/gm)].map(([, name]) => name!);
    const sent = new Monty(
      `def ask(${names.join(", ")}):\n    return [${names.join(", ")}]\nask(${fields}\n)`,
    ).run();
    const { extra_body, stream, ...known } = Object.fromEntries(
      names.map((name, i) => [name, plain((sent as unknown[])[i])]),
    );
    expect(stream).toBe(true);
    return { ...known, ...(extra_body as object) };
  },
};

/** Monty's dicts are maps. */
function plain(value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, one]) => [key, plain(one)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

test.each(Object.keys(runs) as ClientLanguage[])(
  "%s sends what was asked, whatever the texts",
  (language) => {
    expect(runs[language](writeClientCode(language, request))).toEqual(request);
    const plain = makeRequest("base", [], {
      ...{ system: " ", temperature: 0, seed: undefined, maxTokens: 1, thinkingBudget: undefined },
    });
    expect(plain).toEqual({ model: "base", messages: [], temperature: 0, max_tokens: 1 });
    expect(runs[language](writeClientCode(language, plain))).toEqual(plain);
  },
);
