"""Golden renderings of chat templates, with the characters inside {% generation %} blocks, by Transformers.

Writes fixtures/tokenization/chat-templates.json, template-expressions.json and strftime.json. Run after reference/tokenization.py, whose tiny
tokenizers it uses. The templates are written here, in the manner of the models they are named after.

transformers 5.24.0, jinja2 3.1.6
"""

import datetime
import json
import pathlib

import jinja2
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import render_jinja_template

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "tokenization"

CHATML = """{%- if messages[0]['role'] != 'system' %}
    {{- '<|im_start|>system\\nYou help.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

CHATML_GENERATION = """{% for message in messages %}
{% if message.role == 'assistant' %}
{{ '<|im_start|>assistant\\n' }}{% generation %}{{ message.content + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}
{% else %}
{{ '<|im_start|>' ~ message.role ~ '\\n' ~ message.content ~ '<|im_end|>\\n' }}
{% endif %}
{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
"""

# Tags on lines of their own, with and without whitespace control.
INDENTED_GENERATION = """{% for message in messages %}
    {% if message.role == 'assistant' %}
<assistant>
        {% generation %}
  {{ message.content }}
        {% endgeneration %}
</assistant>
        {%- generation -%}

   [end of turn]

        {%- endgeneration -%}
    {% else %}
<user>{{ message.content | trim }}</user>
    {% endif %}
{% endfor %}
"""

GENERATION_IN_MACRO = """{%- macro turn(message) -%}
[{{ message.role | upper }}] {{ message.content }}
{%- endmacro -%}
{%- for message in messages -%}
  {%- if message.role == "assistant" %}{% generation %}{{ turn(message) }}{% endgeneration %}{% else %}{{ turn(message) }}{% endif %}
  {{- " ; " if not loop.last else "" -}}
{%- endfor -%}
"""

LLAMA3 = """{{- bos_token }}
{%- for message in messages %}
    {%- set header = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' %}
    {{- header + message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

MISTRAL = """{%- if messages[0]["role"] == "system" %}
    {%- set system = messages[0]["content"] %}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set turns = messages %}
{%- endif %}
{{- bos_token }}
{%- for turn in turns %}
    {%- if (turn["role"] == "user") != (loop.index0 % 2 == 0) %}
        {{- raise_exception("Roles must alternate between user and assistant, beginning with user.") }}
    {%- endif %}
    {%- if turn["role"] == "user" %}
        {%- if loop.first and system is defined %}
            {{- " [INST] " + system + "\\n\\n" + turn["content"] + " [/INST]" }}
        {%- else %}
            {{- " [INST] " + turn["content"] + " [/INST]" }}
        {%- endif %}
    {%- elif turn["role"] == "assistant" %}
        {{- " " + turn["content"] + eos_token }}
    {%- else %}
        {{- raise_exception("Unknown role: " + turn["role"]) }}
    {%- endif %}
{%- endfor %}
"""

QWEN25 = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content }}
    {%- else %}
        {{- 'You are helpful.' }}
    {%- endif %}
    {{- "\\n\\n# Functions\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou are helpful.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == "user" or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- message.content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

# Keeps the thoughts of the last turn only, as reasoning models' templates do: what it prints depends on what follows.
LAST_THOUGHT = """{%- set ns = namespace(last=-1) %}
{%- for message in messages %}
    {%- if message.role == 'user' %}{%- set ns.last = loop.index0 %}{%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content %}
    {%- if message.role == 'assistant' and loop.index0 < ns.last and '</think>' in content %}
        {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
    {%- endif %}
    {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""

JSON_FORMS = """{{ messages[0].value | tojson }}
{{ messages[0].value | tojson(indent=2) }}
{{ messages[0].value | tojson(ensure_ascii=True) }}
{{ messages[0].value | tojson(separators=(",", ":"), sort_keys=True) }}
{% for key, item in messages[0].value.items() %}{{ key }}: {{ item | tojson }};{% endfor %}
{{ tools is none }} {{ documents is defined }} {{ messages | length }} {{ messages[0].absent is defined }}
"""

TEMPLATES = {
    "chatml": (CHATML, "smollm"), "chatml with generation": (CHATML_GENERATION, "smollm"),
    "indented generation": (INDENTED_GENERATION, "smollm"), "macro in generation": (GENERATION_IN_MACRO, "smollm"),
    "llama 3": (LLAMA3, "llama3"), "mistral": (MISTRAL, "mistral"), "qwen 2.5": (QWEN25, "qwen2"),
    "last thought": (LAST_THOUGHT, "smollm"), "json": (JSON_FORMS, "smollm"),
}


# What Python prints, compares, strips and joins differently from JavaScript.
VARIABLES = {"n": 3, "neg": -7, "s": "aBc dEf", "e": "", "none_": None, "yes": True, "l": [1, "a", None, True, 2.5, [], {}], "el": [],
             "d": {"k": 1, "z": [1, 2], "n": None, "q": "it's"}, "quotes": ["'", '"', "'\"", "\\", "\n\t\r\x00\x85\u200b\u00a0é😀\U000e0001"],
             "code": "\n\n    def f():\n        pass\n\n", "bom": "\ufeff x \x1f\x85", "x": "xxaxx", "astral": "😀 a 😀", "parts": [{"type": "text", "text": "Hi"}]}

EXPRESSIONS = [
    "none_", "l", "d", "yes", "el", "parts", "quotes", "l[1:]", "d['z']", "(1, 2)", "d.get('no')", "d.get('n')", "undefined_",
    "'a' ~ 1 ~ none_ ~ yes ~ l ~ undefined_", "l ~ d", "l | string ~ ''", "yes | string", "none_ | string",
    "[1, none_, yes, [2]] | join('-')", "el | join", "['a', 'b'] | join(', ')",
    "code.strip()", "code.strip('\\n')", "code.lstrip('\\n')", "code.rstrip('\\n')", "code | trim", "x.strip('x')", "x.lstrip('x')",
    "x.rstrip('xa')", "x | trim('x')", "bom.strip()", "bom | trim", "astral.strip('😀')", "astral.rstrip('a😀')", "x.strip(none_)",
    "e.strip('x')", "e | trim", "code.split('\\n')[-3].lstrip('\\n') ~ code.strip('\\n')",
    "s | capitalize", "s.capitalize()", "s | title", "s.title()", "\"it's an ÉTÉ-day\" | title", "\"it's an ÉTÉ-day\".title()",
    "'ßX' | capitalize", "s | upper", "s | lower",
    "neg % 3", "7 % 3", "7 % neg", "(n - 4) % 2", "neg // 2", "6 % 3", "7 % 0",
    "1 == 1.0", "yes == 1", "'1' == 1", "'' == 0", "e == none_", "undefined_ == none_", "undefined_ is none", "none_ == none_", "el == []",
    "el == ''", "[1, [2]] == [1, [2]]", "d == d", "{'a': 1} == {'a': 1}", "{'a': 1} != {'a': 2}", "s != 'x'", "d.absent == none_",
    "l == [1]", "not el == []",
    "'a' + 'b'", "'a' + 1", "1 + 'a'", "'a' + none_", "'a' + parts", "parts + 'a'", "1 + 2", "[1] + [2]",
    "el | first", "el | last", "l | first", "el | length", "yes and 'a' + 'b' + 'c' ~ n",
]

CONTROL = [
    "{% for x in [1, 2, 3, 4] %}<{{ x }}{% if x == 3 %}{% break %}{% endif %}>{% endfor %}.",
    "{% for x in [1, 2, 3, 4] %}<{{ x }}{% if x is even %}{% continue %}{% endif %}>{% endfor %}.",
    "{% for x in [1, 2] %}{% for y in [1, 2, 3] %}{{ x }}{{ y }}{% if y == x %} {% break %}{% endif %},{% endfor %};{% endfor %}",
    "{% for x in [1] %}{% continue %}{% else %}none{% endfor %}.",
    "{% for x in [] %}a{% else %}none{% endfor %}.",
    "{% for x in [1, 2] %}a{{ x }}{% break %}{% else %}none{% endfor %}.",
    "{% for x in [1, 2] %}a{{ x }}{% continue %}{% else %}none{% endfor %}.",
    "{% for x in [1, 2, 3] %}a{{ x }}{% if x < 3 %}{% continue %}{% endif %}b{% else %}none{% endfor %}.",
    "{% for x in [1, 2, 3] %}({% for y in [] %}{% else %}{{ x }}{% if x == 2 %}{% break %}{% endif %}{% endfor %}){% endfor %}.",
    "{% macro r(n) %}{% for x in [1, 2, 3] %}{{ n }}{{ x }}{% if n and x == 1 %}({{ r(n - 1) }}){% endif %}{% if x == 2 %}{% break %}{% endif %};{% endfor %}{% endmacro %}{{ r(2) }}",
    "{% macro m(x) %}{% for y in [1, 2, 3] %}{{ y }}{% if y == x %}{% break %}{% endif %}{% endfor %}{% endmacro %}{% for x in [1, 2, 3] %}{{ m(x) }} {% if x == 2 %}{% break %}{% endif %}{% endfor %}",
    "{% set x = 1 %}{# none #}{% macro m() %}{% endmacro %}a",
    "a\r\n  {% if yes %}\r\nb\r\n{% endif %}\r\nc\rd",
    "{{ 'a\r\nb' }}",
    "{% for x in [1, 2, 3] %}{% generation %}{{ x }}{% endgeneration %}{% if x == 2 %}{% break %}{% endif %}, {% endfor %}",
]


def turns(*contents, system=None):
    messages = [] if system is None else [{"role": "system", "content": system}]
    for i, content in enumerate(contents):
        messages.append({"role": "assistant" if i % 2 else "user", "content": content})
    return messages


CONVERSATIONS = [
    turns("Hi"), turns("Hi", "Hello!"), turns("Hi", "Hello!", "More?", "Yes."), turns("Hi", "Hello!", "Again", system="Be brief."),
    turns("  padded \n", "\n\n answer \n"), turns("", ""), turns("😀 日本語 e\u0301", "👨\u200d👩\u200d👧 здравствуй", "𝒜", "𝓑 end 😀"),
    turns("{% generation %}{{ 1 + 1 }}{% endgeneration %}", "{{ bos_token }} {# no #} {% raw %}"),
    turns("\ue000\ue001 private", "\ue000a\ue001\ue002", "\uf8ff", "\ue000"),
    turns("<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"),
    turns("Q", "<think>\nA\n</think>\n\nB", "R", "<think>\nC\n</think>\n\nD"),
    [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}, {"role": "assistant", "content": "c"}],
    [{"role": "wizard", "content": "abracadabra"}],
]

TOOL = {"type": "function", "function": {"name": "weather", "description": "The weather — «here»", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "enum": ["Köln", "東京"]}, "days": {"type": "integer", "minimum": 1}}, "required": ["city"]}}}

CALLS = [
    {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": {"city": "Köln", "days": 2, "x": None, "y": True}}}]},
    {"role": "tool", "content": "rain"}, {"role": "tool", "content": "sun"},
    {"role": "assistant", "content": "Rain, then sun."},
]

VALUE = [{"role": "user", "content": "x", "value": {"b": [1, 2.5, "é😀\"\\\n"], "a": {"deep": [], "empty": {}}, "c": None, "d": [True, False]}}]


def utf16(text: str, position: int) -> int:
    return len(text[:position].encode("utf-16-le")) // 2


def open_tokenizer(name: str) -> PreTrainedTokenizerFast:
    golden = json.loads((FIXTURES / f"{name}.json").read_text())
    named = {key: value["content"] if isinstance(value, dict) else value for key, value in golden["config"].items() if value}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(golden["tokenizer"])), **named)


def render(template: str, tokenizer: PreTrainedTokenizerFast, messages: list, **options) -> dict:
    case = {"messages": messages, **options}
    try:
        # The null fields are dropped as apply_chat_template drops them, which alone does not give the spans.
        present = [{key: value for key, value in message.items() if value is not None} for message in messages]
        [text], spans = render_jinja_template(
            [present], chat_template=template, return_assistant_tokens_mask=True, **options, **tokenizer.special_tokens_map)
        assert text == tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, **options)
    except jinja2.exceptions.TemplateError as error:
        return {**case, "error": str(error)}
    ids = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=True, return_dict=True, **options)["input_ids"]
    return {**case, "text": text, "ids": ids, "spans": [[utf16(text, start), utf16(text, end)] for start, end in spans[0]] if spans else []}


def main() -> None:
    golden = {}
    for name, (template, tokenizer_name) in TEMPLATES.items():
        tokenizer = open_tokenizer(tokenizer_name)
        cases = []
        for messages in [VALUE] if name == "json" else CONVERSATIONS:
            for add_generation_prompt in (False, True):
                cases.append(render(template, tokenizer, messages, add_generation_prompt=add_generation_prompt))
        if name == "qwen 2.5":
            cases += [render(template, tokenizer, CALLS, tools=[TOOL]), render(template, tokenizer, CALLS)]
        if name == "last thought":
            cases.append(render(template, tokenizer, CONVERSATIONS[0], add_generation_prompt=True, enable_thinking=False))
        golden[name] = {"template": template, "tokenizer": tokenizer_name, "cases": cases}
    path = FIXTURES / "chat-templates.json"
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")

    cases = []
    for expression in [*(f"{{{{ {expression} }}}}" for expression in EXPRESSIONS), *CONTROL]:
        try:
            marks = "generation" in expression
            [text], spans = render_jinja_template([[]], chat_template=expression, return_assistant_tokens_mask=marks, **VARIABLES)
            cases.append({"template": expression, "text": text, "spans": spans[0] if marks else []})
        except (TypeError, ZeroDivisionError):
            cases.append({"template": expression, "text": None, "spans": []})
    expressions = {"variables": VARIABLES, "cases": cases}
    (FIXTURES / "template-expressions.json").write_text(json.dumps(expressions, separators=(",", ":")) + "\n")

    formats = ["%d %b %Y", "%Y-%m-%d", "%B %d, %Y", "%A, %-d %B %y", "%H:%M:%S", "%I:%M %p", "%a %j", "100%%", "%-m/%-d"]
    moments = [(2026, 1, 2, 3, 4, 5), (2024, 12, 31, 23, 59, 58), (2000, 2, 29, 0, 0, 0), (2025, 7, 9, 12, 30, 0)]
    times = [[moment, form, datetime.datetime(*moment).strftime(form)] for moment in moments for form in formats]
    (FIXTURES / "strftime.json").write_text(json.dumps(times, separators=(",", ":")) + "\n")
    print(path.stat().st_size, "bytes;", sum(len(entry["cases"]) for entry in golden.values()), "cases")


if __name__ == "__main__":
    main()
