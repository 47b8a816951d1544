/**
 * @file Times the rendering of conversations by chat templates; with the folder of another build (its dist) also there,
 * in turns.
 */

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { applyChatTemplate, type ChatMessage } from "../src/core/tokenization/chat-template.ts";
import { machine, median, printTable } from "./measuring.ts";

/** In the manner of SmolLM2's: a header and an end around each message. */
const plain = `{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou help.<|im_end|>\\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`;

/** In the manner of Qwen3's: tools, a search for the last question, and thoughts, of which earlier ones are dropped. */
const thinking = `{%- if tools %}
    {%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}
{%- endif %}
{%- set ns = namespace(searching=true, last=messages | length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages | length - 1) - loop.index0 %}
    {%- if ns.searching and message.role == 'user' and message.content is string and not (message.content.startswith('<tool>') and message.content.endswith('</tool>')) %}
        {%- set ns.searching = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}{%- set content = message.content %}{%- else %}{%- set content = '' %}{%- endif %}
    {%- if message.role == 'assistant' %}
        {%- set thought = '' %}
        {%- if message.reasoning_content is string %}
            {%- set thought = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and (loop.last or thought) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + content | trim + '<|im_end|>' + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}`;

const tools = [
  {
    type: "function",
    function: {
      name: "weather",
      parameters: { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } } },
    },
  },
];

/** A conversation with texts of 600 and 800 characters. */
function conversation(count: number): ChatMessage[] {
  return Array.from({ length: count }, (_, i) =>
    i % 2 === 0
      ? { role: "user", content: "What is this about? ".repeat(30) }
      : {
          role: "assistant",
          content: `<think>\n${"Let me see. ".repeat(20)}\n</think>\n\n${"It is so. ".repeat(54)}`,
        },
  );
}

type Render = typeof applyChatTemplate;

const [otherBuild] = process.argv.slice(2);
const renderers: Render[] = [applyChatTemplate];
if (otherBuild !== undefined) {
  const url = pathToFileURL(resolve(otherBuild, "tokenization", "chat-template.js")).href;
  renderers.push(((await import(url)) as { applyChatTemplate: Render }).applyChatTemplate);
}

const rounds = 30;
const rows: string[][] = [];
for (const [name, template] of Object.entries({ plain, thinking })) {
  for (const messages of [2, 20, 200].map(conversation)) {
    const options = { addGenerationPrompt: true, tools };
    const repetitions = Math.ceil(2000 / messages.length);
    const times = renderers.map((): number[] => []);
    for (let round = -3; round < rounds; round++) {
      for (const [i, render] of renderers.entries()) {
        const start = performance.now();
        for (let k = 0; k < repetitions; k++) render(template, messages, options);
        if (round >= 0) times[i]!.push((1000 * (performance.now() - start)) / repetitions);
      }
    }
    const medians = times.map((values) => median(values).toFixed(0));
    const ratio = times[1]?.map((other, i) => times[0]![i]! / other);
    rows.push([name, String(messages.length), ...medians, ...(ratio ? [median(ratio).toFixed(2)] : [])]);
  }
}
console.log(machine);
printTable(
  ["template", "messages", "µs", ...(otherBuild === undefined ? [] : ["µs of the other", "ratio"])],
  rows,
);
