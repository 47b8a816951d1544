import { readFileSync } from "node:fs";
import fc from "fast-check";
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

const path = new URL("../../../fixtures/tokenization/template-expressions.json", import.meta.url);
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

/** Of each kind of work that a template can have done, one that would do far more than it may. */
const greedy: Readonly<Record<string, string>> = {
  "a value in itself, again and again":
    "{% set ns=namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x=[ns.x,ns.x] %}{% endfor %}{{ ns.x }}",
  "the same as JSON":
    "{% set ns=namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x=[ns.x,ns.x] %}{% endfor %}{{ ns.x | tojson }}",
  "the same compared":
    "{% set ns=namespace(x=[1], y=[1]) %}{% for i in range(40) %}{% set ns.x=[ns.x,ns.x] %}{% set ns.y=[ns.y,ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
  "texts that are hoarded":
    "{% set ns=namespace(x=[]) %}{% set t='a'*100000 %}{% for i in range(60000) %}{% set ns.x=ns.x+[t|upper] %}{% endfor %}",
  "lists that are hoarded":
    "{% set ns=namespace(x=[]) %}{% for i in range(60000) %}{% set ns.x=ns.x+[range(60000)] %}{% endfor %}",
  "a long text": "{{ 'a' * 10 ** 12 }}",
  "a long list": "{{ [1] * 10 ** 12 }}",
  "a large integer": "{{ 10 ** (10 ** 10) }}",
  "integers that grow":
    "{% set ns=namespace(x=3) %}{% for i in range(60) %}{% set ns.x=ns.x*ns.x %}{% endfor %}",
  "replacing by more": "{{ ('a' * 5000) | replace('a', 'b' * 5000) | replace('b', 'c' * 5000) }}",
  "joining by more": "{{ range(60000) | join('a' * 60000) }}",
  "indenting by more": "{{ ('\\n' * 60000) | indent(60000, true, true) }}",
  "JSON with wide indents": "{{ range(60000) | list | tojson(indent=60000) }}",
  padding: "{{ 'a'.ljust(10 ** 10) }}",
  "a search for what is nearly there": "{{ ('b' ~ 'a' * 1000000) in 'a' * 9000000 }}",
  "replacing what is nearly there": "{{ ('a' * 9000000).replace('b' ~ 'a' * 1000000, '') }}",
  "splitting into characters": "{{ ('a' * 9000000) | list | length }}",
  "sorting long texts": "{{ (['a' * 1000000] * 1000) | sort | length }}",
  "a loop in a loop in a loop":
    "{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}{% endfor %}{% endfor %}{% endfor %}",
  "a filter of a block":
    "{% filter upper %}{% for a in range(999999) %}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{% endfor %}{% endfilter %}",
  "macros that call themselves twice":
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
  "a macro that calls itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
  "values that are nested deeply":
    "{% set ns=namespace(x=[]) %}{% for i in range(60000) %}{% set ns.x=[ns.x] %}{% endfor %}{{ ns.x }}",
  "the results of a function that is given":
    "{% set ns=namespace(x=[]) %}{% set t='%A'*100000 %}{% for i in range(60000) %}{% set ns.x=ns.x+[strftime_now(t)] %}{% endfor %}",
  "many arguments": "{% macro m() %}{% endmacro %}{{ m(*range(900000)) }}",
};

test.each(Object.entries(greedy))("%s is ended early", (_, template) => {
  const before = process.cpuUsage();
  expect(() => applyChatTemplate(template, [])).toThrow(
    /more time or memory than|more than 4300 digits|too deeply|with 900000 arguments/,
  );
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1e6).toBeLessThan(2);
});

test("a template that takes long to read is refused", () => {
  for (const part of [" ", "(", "{% for a in b %}"]) {
    expect(() => applyChatTemplate(`${part.repeat(300_000)}{% if %}`, []), part).toThrow(InputError);
  }
});

test("a long conversation is rendered whole", () => {
  const messages = Array.from({ length: 10_000 }, (_, i) => ({
    role: i % 2 ? "assistant" : "user",
    content: "word ".repeat(60),
  }));
  const template =
    "{% for message in messages %}{{ '<|' ~ message.role ~ '|>' ~ message['content'] | trim ~ '\\n' }}{% if loop.last and message.content.endswith('x') %}!{% endif %}{% endfor %}";
  expect(applyChatTemplate(template, messages).text.length).toBe(10_000 * (299 + 5) + 5_000 * 13);
});

test("whatever filters and methods are put together, they end early", () => {
  const text = fc.constantFrom(
    "ns.t",
    "ns.u",
    "'a'",
    "('a' * 300000)",
    "('ab\\n' * 9000)",
    "'😀'",
    "('b' ~ 'a' * 200000)",
  );
  const list = fc.constantFrom("ns.l", "ns.k", "[1]", "range(60000)", "[ns.l, ns.l]");
  const number = fc.constantFrom("0", "2", "1000", "10 ** 6", "10 ** 4000");
  /** A form with `T`, `L` and `N` for what it is made of. */
  const fill = (form: string) =>
    fc
      .record({
        texts: fc.array(text, { minLength: 4, maxLength: 4 }),
        lists: fc.array(list, { minLength: 2, maxLength: 2 }),
        number,
      })
      .map(({ texts, lists, number }) => {
        let [t, l] = [0, 0];
        return form.replace(/\b[TLN]\b/g, (kind) =>
          kind === "N" ? number : kind === "T" ? texts[t++]! : lists[l++]!,
        );
      });
  const textForms =
    "(T ~ T)|(T * N)|(T | upper)|(T | title)|(T | trim)|(T | indent(N, true))|(T | indent(T, true, true))|(T | replace(T, T))|(T).replace('', T)|(L | join(T))|(L | tojson)|(L | tojson(indent=N))|(L | tojson(separators=(T, T)))|(L | string)|(T).strip(T)|(T).ljust(N)|(T)[::-1]|m(T)|(L | map('string') | join(T))|((T in T) | string)|((T == T) | string)|(T | tojson)|(T).join(L | map('string'))".split(
      /\|(?=\(|m)/,
    );
  const listForms =
    "(L + L)|(L * N)|[L, L]|[T, T]|(T | list)|(T).split('a')|(T).split(T)|(T).split()|(T).splitlines()|(L | map('string') | sort)|(L | map('string') | unique)|(L | map('string') | map('replace', 'a', T))|(L | list)[::2]|range(N)|({'a': T, 'b': L} | items)|[(L == L)]|(T).partition(T)".split(
      /\|(?=[[(r])/,
    );
  const one = (forms: readonly string[]) => fc.oneof(...forms.map(fill));
  const statement = fc.oneof(
    one(textForms).map((value) => `{% set ns.t = ${value} %}{{ ns.t }}`),
    one(textForms).map((value) => `{% set ns.u = ${value} %}`),
    one(listForms).map((value) => `{% set ns.l = ${value} %}`),
    one(listForms).map((value) => `{% set ns.k = ns.k + [${value}] %}`),
  );
  const template = fc
    .array(fc.tuple(statement, statement), { minLength: 1, maxLength: 4 })
    .map((loops) => loops.map(([a, b]) => `{% for i in range(60000) %}${a}${b}{% endfor %}`).join(""));
  const before =
    "{% macro m(a) %}{{ a }}{{ a }}{% endmacro %}{% set ns = namespace(t='ab\n', u='a', l=[1], k=[]) %}";
  fc.assert(
    fc.property(template, (body) => {
      const { user, system } = process.cpuUsage();
      try {
        applyChatTemplate(before + body, []);
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
      }
      const after = process.cpuUsage();
      expect(after.user + after.system - user - system).toBeLessThan(3e6);
    }),
    { numRuns: 20 },
  );
});
