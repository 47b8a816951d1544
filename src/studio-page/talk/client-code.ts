/** @file Programs that ask the same of `slimtune serve`: for a shell, and for OpenAI's clients in JavaScript and Python. */

import type { CompletionRequest } from "./completion-request.ts";

export const clientLanguages = { curl: "curl", javascript: "JavaScript", python: "Python" } as const;

export type ClientLanguage = keyof typeof clientLanguages;

/** Where `slimtune serve` listens by default. */
const address = "http://127.0.0.1:8000/v1";

/** Fields that OpenAI's client in Python does not know. */
const extensions = ["thinking_budget_tokens"];

/** The program's source. Every text of the request is quoted as the language has it. */
export function writeClientCode(language: ClientLanguage, request: CompletionRequest): string {
  return writers[language](request);
}

const writers: Readonly<Record<ClientLanguage, (request: CompletionRequest) => string>> = {
  curl: (request) =>
    [
      `curl ${address}/chat/completions \\`,
      "  -H 'Content-Type: application/json' \\",
      `  -d ${quoteForShell(`{\n${writeFields(request, (name) => `${JSON.stringify(name)}: `).join(",\n")}\n}`)}`,
    ].join("\n"),
  javascript: (request) =>
    [
      'import OpenAI from "openai";',
      "",
      `const client = new OpenAI({ baseURL: ${JSON.stringify(address)}, apiKey: "none" });`,
      "const stream = await client.chat.completions.create({",
      ...writeFields({ ...request, stream: true }, (name) => `${name}: `).map((field) => `${field},`),
      "});",
      'for await (const { choices } of stream) process.stdout.write(choices[0]?.delta.content ?? "");',
    ].join("\n"),
  python(request) {
    const fields = Object.entries({ ...request, stream: true });
    const extra = fields.filter(([name]) => extensions.includes(name));
    const all = {
      ...Object.fromEntries(fields.filter(([name]) => !extensions.includes(name))),
      ...(extra.length > 0 && { extra_body: Object.fromEntries(extra) }),
    };
    return [
      "from openai import OpenAI",
      "",
      `client = OpenAI(base_url=${JSON.stringify(address)}, api_key="none")`,
      "stream = client.chat.completions.create(",
      ...writeFields(all, (name) => `${name}=`, { true: "True" }).map((field) => `${field},`),
      ")",
      "for chunk in stream:",
      "    for choice in chunk.choices:",
      '        print(choice.delta.content or "", end="", flush=True)',
    ].join("\n");
  },
};

/** A word of a POSIX shell. */
function quoteForShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Each field on a line of its own, and so is each entry of a list. @param constants of the language, where they are not JSON's */
function writeFields(
  fields: Readonly<Record<string, unknown>>,
  writeName: (name: string) => string,
  constants: Readonly<Record<string, string>> = {},
): string[] {
  const write = (value: unknown): string => {
    if (typeof value !== "object" || value === null) {
      const text = JSON.stringify(value);
      return constants[text] ?? text;
    }
    if (Array.isArray(value))
      return value.length === 0
        ? "[]"
        : `[\n${value.map((one) => `        ${write(one)}`).join(",\n")}\n    ]`;
    return `{${Object.entries(value)
      .map(([name, one]) => `${JSON.stringify(name)}: ${write(one)}`)
      .join(", ")}}`;
  };
  return Object.entries(fields).map(([name, value]) => `    ${writeName(name)}${write(value)}`);
}
