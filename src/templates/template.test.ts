import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { applyChatTemplate } from "../tokenization/chat-template.ts";

/** Made by reference/chat_templates.py with Transformers. The text is null where rendering fails. */
interface Golden {
  readonly variables: Record<string, unknown>;
  readonly cases: readonly {
    readonly template: string;
    readonly text: string | null;
    readonly spans: readonly (readonly [number, number])[];
  }[];
}

const path = new URL("../../fixtures/tokenization/template-expressions.json", import.meta.url);
const { variables, cases }: Golden = JSON.parse(readFileSync(path, "utf8"));

test.each(cases)("$template is rendered as by Jinja2", ({ template, text, spans }) => {
  const render = () => applyChatTemplate(template, [], { variables });
  if (text === null) {
    expect(render).toThrow(InputError);
  } else {
    expect(render()).toEqual({ text, generationSpans: spans });
  }
});

test("a long sum of texts is evaluated once", () => {
  const { text } = applyChatTemplate(`{{ ${Array(500).fill("'a'").join(" + ")} }}`, []);
  expect(text).toBe("a".repeat(500));
});

test("what is not supported is refused, not guessed", () => {
  const refused = ["{{ ['a'] | join(e='-') }}", "{{ 'a'.strip('b', 'c') }}", "{{ range }}", "{% break %}"];
  for (const template of refused) {
    expect(() => applyChatTemplate(template, []), template).toThrow(InputError);
  }
});
