import { describe, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { applyChatTemplate, chatOptionsOf, hasGenerationMarkers } from "./chat-template.ts";
import { readTokenizer, templates } from "./golden.fixture.ts";
import { createTokenizer } from "./hugging-face.ts";

describe.each(Object.entries(templates))(
  "the template %s",
  (_name, { template, tokenizer: tokenizerName, cases }) => {
    const tokenizer = createTokenizer(readTokenizer(tokenizerName), tokenizerName);
    const tokens = chatOptionsOf(tokenizer);

    test("renders as in Transformers, with the same generation spans and token ids", () => {
      for (const { messages, add_generation_prompt, tools, error, text, ids, spans, ...variables } of cases) {
        const options = {
          addGenerationPrompt: add_generation_prompt === true,
          ...(tools && { tools }),
          variables,
          ...tokens,
        };
        const render = () => applyChatTemplate(template, messages, options);
        if (error !== undefined) {
          expect(render).toThrow(InputError);
          expect(render).toThrow(`The chat template refuses the conversation: ${error}`);
          continue;
        }
        const rendered = render();
        expect(rendered.text).toBe(text);
        expect(rendered.generationSpans).toEqual(spans);
        expect(tokenizer.encode(rendered.text)).toEqual(ids);
      }
    });
  },
);

test("generation markers are recognized", () => {
  expect(hasGenerationMarkers("{%- generation -%}x{% endgeneration %}")).toBe(true);
  expect(hasGenerationMarkers("{{ generation }}")).toBe(false);
});

test("a template that alters its generation blocks has no spans", () => {
  const shuffled = "{% set x %}{% generation %}a{% endgeneration %}{% endset %}{{ x | length }}";
  expect(() => applyChatTemplate(shuffled, [])).toThrow(/changes its text after/);
  const nested = "{% generation %}a{% generation %}b{% endgeneration %}{% endgeneration %}";
  expect(() => applyChatTemplate(nested, [])).toThrow(/nests/);
});

test("special tokens are those of the tokenizer", () => {
  const llama3 = createTokenizer(readTokenizer("llama3"), "llama3");
  expect(chatOptionsOf(llama3)).toEqual({ bosToken: "<|begin_of_text|>", eosToken: "<|eot_id|>" });
});

test("the date is today's", () => {
  const { text } = applyChatTemplate("{{ strftime_now('%Y-%m') }}", []);
  expect(text).toMatch(/^20\d\d-(0[1-9]|1[0-2])$/);
});

test("templates that are wrong, or would not end, are refused with their own message", () => {
  const wrong: [string, RegExp][] = [
    ["{% if %}", /cannot be rendered: /],
    ["{% for x in y %}", /cannot be rendered: /],
    ["{{ 'open", /cannot be rendered: /],
    ["{% unheard %}", /Unknown statement type: unheard/],
    ["{% generation %}a", /cannot be rendered: /],
    [
      "{{ raise_exception('No tools here.') }}",
      /^The chat template refuses the conversation: No tools here\.$/,
    ],
    ["{{ messages[0].content.absent() }}", /cannot be rendered: /],
    ["{% for a in range(10 ** 9) %}{% endfor %}", /more time or memory than/],
    [
      "{% for a in range(60000) %}{% for b in range(60000) %}{% endfor %}{% endfor %}",
      /more time or memory than/,
    ],
    [
      "{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}x{% endfor %}{% endfor %}{% endfor %}",
      /more time or memory than/,
    ],
    [
      "{% set ns = namespace(x='x') %}{% for a in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
      /more time or memory than/,
    ],
    [
      "{% set ns = namespace(x=[1]) %}{% for a in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
      /more time or memory than/,
    ],
    ["{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", /cannot be rendered: /],
    [`{{ ${"(".repeat(50_000)} }}`, /cannot be rendered: /],
  ];
  for (const [template, message] of wrong) {
    let error: unknown;
    try {
      applyChatTemplate(template, [{ role: "user", content: "Hi" }]);
    } catch (thrown) {
      error = thrown;
    }
    expect(error, template.slice(0, 80)).toBeInstanceOf(InputError);
    expect((error as InputError).message).toMatch(message);
  }
});
