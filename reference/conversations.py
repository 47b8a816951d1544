"""Golden examples that rows of many kinds become in many styles of chat templates, by Transformers.

Writes fixtures/tokenization/conversations.json: rows as datasets hold them, and for each style of template the texts that
they are trained on, with what is in the loss between ⟦ and ⟧, and a hash of their token ids. What a template refuses is
there with its reason. The templates are written here, in the manner of the models they are named after.

What is in the loss is `return_assistant_tokens_mask` of templates with {% generation %}. Of the others it is found turn by
turn, on token ids: what a turn adds to the conversation before it with the generation prompt, to the last special token;
where that is not printed before the turn, what follows the tokens that do not depend on the turn. A turn that is not there,
token by token, in the whole conversation is taken from the conversation that it ends.

transformers 5.24.0, jinja2 3.1.6, tokenizers 0.23.3
"""

import copy
import datetime
import hashlib
import json
import pathlib

import jinja2
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "tokenization"
DATE = "2025-01-31"

SPECIAL = [
    "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>", "[INST]",
    "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]",
    "<start_of_turn>", "<end_of_turn>", "<｜User｜>", "<｜Assistant｜>", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>", "<｜tool▁sep｜>", "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>", "<|user|>", "<|assistant|>", "<|system|>", "<|tool|>", "<|/tool|>",
    "<|end|>", "<|im_sep|>", "<|start_of_role|>", "<|end_of_role|>", "<|start|>", "<|channel|>", "<|message|>", "<|call|>", "<|return|>",
]
PLAIN = ["<think>", "</think>", "<tool_call>", "</tool_call>"]

CHATML = """{%- if messages[0].role != 'system' -%}
<|im_start|>system
You help.<|im_end|>
{% endif -%}
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}
"""

GENERATION = """{% for message in messages %}
{% if message.role == 'assistant' %}
{{ '<|im_start|>assistant\\n' }}{% generation %}
{% if message.reasoning_content %}{{ '<think>' + message.reasoning_content + '</think>' }}{% endif %}
{{ message.content }}{% for call in message.tool_calls or [] %}{{ '<tool_call>' ~ (call.function or call) | tojson ~ '</tool_call>' }}{% endfor %}<|im_end|>{% endgeneration %}{{ '\\n' }}
{% else %}
{{ '<|im_start|>' ~ message.role ~ '\\n' ~ message.content ~ '<|im_end|>\\n' }}
{% endif %}
{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
"""

LLAMA32 = """{{- bos_token }}
{%- if date_string is not defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}
{%- if messages[0].role == 'system' %}
    {%- set system = messages[0].content | trim %}{% set messages = messages[1:] %}
{%- else %}{% set system = '' %}{% endif %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}
{%- if tools is not none %}{{ 'Environment: ipython\\n' }}{% endif %}
{{- 'Cutting Knowledge Date: December 2023\\nToday Date: ' + date_string + '\\n\\n' + system + '<|eot_id|>' }}
{%- set ns = namespace(first=tools is not none) %}
{%- for message in messages %}
    {%- if message.tool_calls %}
        {%- if message.tool_calls | length != 1 %}{{ raise_exception('One call at a time.') }}{% endif %}
        {%- set call = message.tool_calls[0].function or message.tool_calls[0] %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n{"name": "' + call.name + '", "parameters": ' + call.arguments | tojson + '}<|eot_id|>' }}
    {%- elif message.role in ['tool', 'ipython'] %}
        {{- '<|start_header_id|>ipython<|end_header_id|>\\n\\n' }}
        {%- if message.content is mapping %}{{ message.content | tojson }}{% else %}{{ message.content }}{% endif %}
        {{- '<|eot_id|>' }}
    {%- else %}
        {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' }}
        {%- if ns.first and message.role == 'user' %}
            {%- set ns.first = false %}
            {{- 'Call one of these functions if it helps.\\n\\n' }}
            {%- for tool in tools %}{{ tool | tojson(indent=4) + '\\n\\n' }}{% endfor %}
        {%- endif %}
        {{- message.content | trim + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}
"""

QWEN_TOOLS = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}{{ messages[0].content + '\\n\\n' }}{% elif default_system %}{{ default_system + '\\n\\n' }}{% endif %}
    {{- '# Tools\\n\\n<tools>' }}
    {%- for tool in tools %}{{ '\\n' + tool | tojson }}{% endfor %}
    {{- '\\n</tools><|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- elif default_system %}
    {{- '<|im_start|>system\\n' + default_system + '<|im_end|>\\n' }}
{%- endif %}
"""

QWEN_RESULT = """
    {%- elif message.role == 'tool' %}
        {%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}{{ '<|im_start|>user' }}{% endif %}
        {{- '\\n<tool_response>\\n' ~ message.content ~ '\\n</tool_response>' }}
        {%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{ '<|im_end|>\\n' }}{% endif %}
    {%- endif %}
{%- endfor %}
"""

QWEN25 = "{%- set default_system = 'You are helpful.' %}" + QWEN_TOOLS + """{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) or (message.role == 'assistant' and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant' }}
        {%- if message.content %}{{ '\\n' + message.content }}{% endif %}
        {%- for call in message.tool_calls %}
            {%- if call.function is defined %}{% set call = call.function %}{% endif %}
            {{- '\\n<tool_call>\\n{"name": "' ~ call.name ~ '", "arguments": ' ~ call.arguments | tojson ~ '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}""" + QWEN_RESULT + """{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
"""

# Thoughts stand in the turns after the last question only, and an empty one in the last of them.
QWEN3 = QWEN_TOOLS + """{%- set ns = namespace(searching=true, last=messages | length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = messages | length - 1 - loop.index0 %}
    {%- if ns.searching and message.role == 'user' and message.content is string and not message.content.startswith('<tool_response>') %}
        {%- set ns.searching = false %}{% set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {%- set thought = '' %}
        {%- if message.reasoning_content is string %}
            {%- set thought = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {{- '<|im_start|>assistant\\n' }}
        {%- if loop.index0 > ns.last and (loop.last or thought) %}{{ '<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' }}{% endif %}
        {{- content.lstrip('\\n') if loop.index0 > ns.last and (loop.last or thought) else content }}
        {%- for call in message.tool_calls or [] %}
            {%- if (loop.first and content) or not loop.first %}{{ '\\n' }}{% endif %}
            {%- if call.function %}{% set call = call.function %}{% endif %}
            {{- '<tool_call>\\n{"name": "' + call.name + '", "arguments": ' }}
            {{- call.arguments if call.arguments is string else call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}""" + QWEN_RESULT + """{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}
{%- endif %}
"""

# Tools stand before the last question, and ids of calls have nine characters.
MISTRAL = """{%- if messages[0].role == 'system' %}{% set system = messages[0].content %}{% set turns = messages[1:] %}
{%- else %}{% set turns = messages %}{% endif %}
{%- set users = turns | selectattr('role', 'equalto', 'user') | list %}
{%- set ns = namespace(index=0) %}
{%- for message in turns %}
    {%- if message.role == 'user' or (message.role == 'assistant' and message.tool_calls is not defined) %}
        {%- if (message.role == 'user') != (ns.index % 2 == 0) %}{{ raise_exception('Roles must alternate.') }}{% endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in turns %}
    {%- if message.role == 'user' %}
        {%- if tools and message == users[-1] %}
            {{- '[AVAILABLE_TOOLS][' }}
            {%- for tool in tools %}{{ tool | tojson + (', ' if not loop.last else '') }}{% endfor %}
            {{- '][/AVAILABLE_TOOLS]' }}
        {%- endif %}
        {{- '[INST]' + (system + '\\n\\n' if loop.last and system is defined else '') + message.content + '[/INST]' }}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- '[TOOL_CALLS][' }}
        {%- for call in message.tool_calls %}
            {%- if call.id is not defined or call.id | length != 9 %}{{ raise_exception('Ids of calls have 9 characters.') }}{% endif %}
            {{- (call.function | tojson)[:-1] + ', "id": "' + call.id + '"}' + (', ' if not loop.last else ']' + eos_token) }}
        {%- endfor %}
    {%- elif message.role == 'assistant' %}
        {{- message.content + eos_token }}
    {%- elif message.role == 'tool' %}
        {{- '[TOOL_RESULTS]{"content": ' ~ message.content ~ ', "call_id": "' ~ message.tool_call_id ~ '"}[/TOOL_RESULTS]' }}
    {%- else %}{{ raise_exception('There is no role ' + message.role + '.') }}{% endif %}
{%- endfor %}
"""

GEMMA = """{{- bos_token }}
{%- if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for message in messages %}
    {%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate.') }}{% endif %}
    {{- '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\\n' + message.content | trim + '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}
"""

# Reads parts, and puts the system message into the first question.
GEMMA3 = """{{- bos_token }}
{%- if messages[0].role == 'system' %}
    {%- set preamble = (messages[0].content if messages[0].content is string else messages[0].content[0].text) + '\\n\\n' %}
    {%- set turns = messages[1:] %}
{%- else %}{% set preamble = '' %}{% set turns = messages %}{% endif %}
{%- for message in turns %}
    {%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate.') }}{% endif %}
    {{- '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\\n' + (preamble if loop.first else '') }}
    {%- if message.content is string %}{{ message.content | trim }}
    {%- else %}{% for part in message.content %}{{ part.text | trim }}{% endfor %}{% endif %}
    {{- '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}
"""

# The generation prompt opens a thought, which the conversation does not print.
DEEPSEEK_R1 = """{%- set ns = namespace(system='') %}
{%- for message in messages if message.role == 'system' %}{% set ns.system = ns.system + message.content %}{% endfor %}
{{- bos_token + ns.system }}
{%- for message in messages %}
    {%- if message.role == 'user' %}{{ '<｜User｜>' + message.content }}
    {%- elif message.role == 'assistant' and message.tool_calls %}
        {{- '<｜Assistant｜>' + (message.content or '') + '<｜tool▁calls▁begin｜>' }}
        {%- for call in message.tool_calls %}
            {%- set call = call.function or call %}
            {{- '<｜tool▁call▁begin｜>function<｜tool▁sep｜>' + call.name + '\\n' + call.arguments | tojson + '<｜tool▁call▁end｜>' }}
        {%- endfor %}
        {{- '<｜tool▁calls▁end｜>' + eos_token }}
    {%- elif message.role == 'assistant' %}
        {{- '<｜Assistant｜>' + message.content.split('</think>')[-1] + eos_token }}
    {%- elif message.role == 'tool' %}{{ '<｜tool▁outputs▁begin｜>' ~ message.content ~ '<｜tool▁outputs▁end｜>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}
"""

# Ends the whole text, unless it goes on.
PHI3 = """{%- for message in messages %}{{ '<|' + message.role + '|>\\n' + message.content + '<|end|>\\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}
"""

PHI4 = """{%- for message in messages %}
    {%- if message.role == 'system' and tools %}{{ '<|im_start|>system<|im_sep|>' + message.content + '<|tool|>' + tools | tojson + '<|/tool|><|im_end|>' }}
    {%- else %}{{ '<|im_start|>' + message.role + '<|im_sep|>' + message.content + '<|im_end|>' }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}
"""

GRANITE = """{%- if messages[0].role == 'system' %}{% set system = messages[0].content %}{% set turns = messages[1:] %}
{%- else %}{% set system = "Today's Date: " + strftime_now('%B %d, %Y') + '.\\nYou are Granite.' %}{% set turns = messages %}{% endif %}
{{- '<|start_of_role|>system<|end_of_role|>' + system + (' Think first.' if thinking else '') + '</s>\\n' }}
{%- if tools %}{{ '<|start_of_role|>available_tools<|end_of_role|>' + tools | tojson(indent=4) + '</s>\\n' }}{% endif %}
{%- for message in turns %}
    {%- if message.role == 'assistant' and message.tool_calls %}
        {{- '<|start_of_role|>assistant<|end_of_role|>' + (message.content or '') + '<|tool_call|>' + message.tool_calls | tojson + '</s>\\n' }}
    {%- else %}
        {{- '<|start_of_role|>' + ('tool_response' if message.role == 'tool' else message.role) + '<|end_of_role|>' ~ message.content ~ '</s>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start_of_role|>assistant<|end_of_role|>' }}{% endif %}
"""

HERMES = """{%- macro describe(tool) %}{% set tool = tool.function if tool.function is defined else tool %}
{{- tool.name + '(' }}{% for name, schema in (tool.parameters.properties or {}).items() %}{{ name + ': ' + schema.type + (', ' if not loop.last else '') }}{% endfor %}{{ ')' }}
{%- endmacro %}
{{- bos_token }}
{%- if tools %}
    {{- '<|im_start|>system\\nYou call functions.' }}
    {%- for tool in tools %}{{ '\\n' + describe(tool) }}{% endfor %}
    {{- '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role in ['user', 'system'] or (message.role == 'assistant' and message.tool_calls is not defined) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant' }}
        {%- for call in message.tool_calls %}
            {%- set call = call.function if call.function is defined else call %}
            {{- '\\n<tool_call>\\n' + {'name': call.name, 'arguments': call.arguments} | tojson + '\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == 'tool' %}
        {{- '<|im_start|>tool' if not loop.previtem or loop.previtem.role != 'tool' }}
        {{- '\\n<tool_response>\\n' ~ message.content ~ ('\\n</tool_response>' if loop.last else '\\n</tool_response>\\n') }}
        {{- '<|im_end|>' if loop.last or loop.nextitem.role != 'tool' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
"""

# Several messages of one turn in channels; the last message ends otherwise than earlier ones.
HARMONY = """{{- '<|start|>system<|message|>Current date: ' + strftime_now('%Y-%m-%d') + '<|end|>' }}
{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {%- if message.thinking and loop.last %}{{ '<|start|>assistant<|channel|>analysis<|message|>' + message.thinking + '<|end|>' }}{% endif %}
        {%- if message.tool_calls %}
            {%- set call = message.tool_calls[0].function or message.tool_calls[0] %}
            {{- '<|start|>assistant to=functions.' + call.name + '<|channel|>commentary json<|message|>' + call.arguments | tojson + '<|call|>' }}
        {%- else %}
            {{- '<|start|>assistant<|channel|>final<|message|>' + message.content + ('<|return|>' if loop.last and not add_generation_prompt else '<|end|>') }}
        {%- endif %}
    {%- elif message.role == 'tool' %}{{ '<|start|>functions to=assistant<|channel|>commentary<|message|>' ~ message.content | tojson ~ '<|end|>' }}
    {%- else %}{{ '<|start|>' + ('developer' if message.role == 'system' else message.role) + '<|message|>' + message.content + '<|end|>' }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}
"""

TEMPLATES = {
    "SmolLM2": CHATML, "ChatML with generation": GENERATION, "Llama 3.2": LLAMA32, "Qwen2.5": QWEN25, "Qwen3": QWEN3, "Mistral": MISTRAL, "Gemma": GEMMA,
    "Gemma 3": GEMMA3, "DeepSeek R1": DEEPSEEK_R1, "Phi-3": PHI3, "Phi-4": PHI4, "Granite": GRANITE, "Hermes": HERMES, "gpt-oss": HARMONY,
}
# Templates that go through the parts of a content; the others get their texts as one.
READ_PARTS = ["Gemma 3"]


def user(content, **more):
    return {"role": "user", "content": content, **more}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


def call(name, arguments, id="a1b2c3d4e"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def tool(content, id="a1b2c3d4e", **more):
    return {"role": "tool", "tool_call_id": id, "content": content, **more}


def parts(*texts):
    return [{"type": "text", "text": text} for text in texts]


ADD = {"type": "function", "function": {"name": "add", "description": "Adds «two» numbers.", "parameters": {
    "type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]}}}
NOW = {"type": "function", "function": {"name": "now", "description": "The time.", "parameters": {"type": "object", "properties": {}}}}
Q, A = user("2+2?"), assistant("Four")
CALL = assistant(None, tool_calls=[call("add", {"a": 2, "b": 2})])
THOUGHT = assistant("Four", reasoning_content="Two twos.")
IN_CONTENT = assistant("<think>\nTwo twos.\n</think>\n\nFour")

NUMBERS = '{"a": 7.0, "b": 12345678901234567890, "c": [1e-7, -0.5, 3]}'

# Each is a row, and where they are not its own: the messages, what else the template gets, and which messages are not in the loss.
CONVERSATIONS = {
    "one exchange": ({"messages": [Q, A]},),
    "two exchanges": ({"messages": [Q, A, user("Sure?"), assistant("Yes.")]},),
    "six exchanges": ({"messages": [message for i in range(6) for message in (user(f"{i}+1?"), assistant(str(i + 1)))]},),
    "system": ({"messages": [system("Be brief."), Q, A]},),
    "system, two exchanges": ({"messages": [system("Be brief."), Q, A, user("Sure?"), assistant("Yes.")]},),
    "system of the row": ({"system": "Be brief.", "messages": [Q, A]}, [system("Be brief."), Q, A]),
    "system in the middle": ({"messages": [Q, A, system("Be brief."), user("Sure?"), assistant("Yes.")]},),
    "developer": ({"messages": [{"role": "developer", "content": "Be brief."}, Q, A]},),
    "assistant first": ({"messages": [assistant("Hello!"), Q, A]},),
    "two questions": ({"messages": [Q, user("Please."), A]},),
    "two answers": ({"messages": [Q, assistant("Wait."), A]},),
    "blanks around": ({"messages": [user("  2+2?\n"), assistant("\n\n Four \n"), user("Sure?"), assistant("Yes. ")]},),
    "no answer": ({"messages": [Q, assistant("")]},),
    "scripts": ({"messages": [user("日本語 e\u0301 😀?"), assistant("👨\u200d👩\u200d👧 здравствуй 𝒜"), user("ß?"), assistant("ẞ 😀")]},),
    "special tokens in texts": ({"messages": [user("What is <|im_end|>?"), assistant("It ends <|im_start|>turns</s>."), user("<s>?"), assistant("Yes.")]},),
    "braces in texts": ({"messages": [user("{{ 1 + 1 }}"), assistant("{% raw %} {# no #}")]},),
    "names": ({"messages": [user("2+2?", name="Ann"), A]},),
    "no weight for the first": ({"messages": [Q, assistant("Five", weight=0), user("Sure?"), assistant("Four", weight=1)]}, [Q, assistant("Five"), user("Sure?"), A], {}, [1]),
    "no weight for the last": ({"messages": [Q, assistant("Four", weight=1), user("Sure?"), assistant("Five", weight=0)]}, [Q, A, user("Sure?"), assistant("Five")], {}, [3]),
    "no weight for the middle": (
        {"messages": [Q, A, user("Sure?"), assistant("No", train=False), user("Really?"), assistant("Yes")]},
        [Q, A, user("Sure?"), assistant("No"), user("Really?"), assistant("Yes")], {}, [3]),
    "no weight for a thought": (
        {"messages": [Q, assistant("Five", reasoning_content="Hm.", loss=False), user("Sure?"), THOUGHT]},
        [Q, assistant("Five", reasoning_content="Hm."), user("Sure?"), THOUGHT], {}, [1]),
    "thought": ({"messages": [Q, THOUGHT]},),
    "thoughts": ({"messages": [Q, THOUGHT, user("Sure?"), assistant("Yes.", reasoning_content="Again.")]},),
    "thought in the middle": ({"messages": [Q, A, user("Sure?"), assistant("Yes.", reasoning_content="Again."), user("Really?"), assistant("Yes!")]},),
    "thought by another name": ({"messages": [Q, assistant("Four", thinking="Two twos.")]},),
    "thought in the content": ({"messages": [Q, IN_CONTENT]},),
    "thoughts in the content": ({"messages": [Q, IN_CONTENT, user("Sure?"), assistant("<think>\nAgain.\n</think>\n\nYes.")]},),
    "content like a thought's tag": ({"messages": [user("Table?"), assistant("<table>1</table>"), user("More?"), assistant("<th>2")]},),
    "without thinking": ({"messages": [Q, A], "chat_template_kwargs": {"enable_thinking": False}}, [Q, A], {"enable_thinking": False}),
    "without thinking, two exchanges": (
        {"messages": [Q, A, user("Sure?"), assistant("Yes.")], "chat_template_kwargs": json.dumps({"enable_thinking": False})},
        [Q, A, user("Sure?"), assistant("Yes.")], {"enable_thinking": False}),
    "another date": ({"messages": [Q, A], "chat_template_kwargs": {"date_string": "26 Jul 2024"}}, [Q, A], {"date_string": "26 Jul 2024"}),
    "tools, no call": ({"messages": [Q, A], "tools": [ADD]}, [Q, A], {"tools": [ADD]}),
    "tools and system": ({"messages": [Q, A], "tools": [ADD, NOW], "system": "Be brief."}, [system("Be brief."), Q, A], {"tools": [ADD, NOW]}),
    "no tools": ({"messages": [Q, A], "tools": []}, [Q, A], {"tools": []}),
    "tools as JSON": ({"messages": [Q, A], "tools": json.dumps([ADD])}, [Q, A], {"tools": [ADD]}),
    "call": ({"messages": [Q, CALL, tool("4"), A], "tools": [ADD]}, [Q, CALL, tool("4"), A], {"tools": [ADD]}),
    "call at the end": ({"messages": [Q, CALL], "tools": [ADD]}, [Q, CALL], {"tools": [ADD]}),
    "call with a text": ({"messages": [Q, {**CALL, "content": "Let me add."}, tool("4"), A], "tools": [ADD]}, [Q, {**CALL, "content": "Let me add."}, tool("4"), A], {"tools": [ADD]}),
    "call without tools": ({"messages": [Q, CALL, tool("4"), A]},),
    "call with JSON": (
        {"messages": [Q, assistant(None, tool_calls=[call("add", '{"a":2,"b":2}')]), tool("4"), A], "tools": [ADD]}, [Q, CALL, tool("4"), A], {"tools": [ADD]}),
    "call without arguments": ({"messages": [user("Time?"), assistant("", tool_calls=[call("now", {})]), tool("noon"), assistant("Noon.")], "tools": [NOW]},
                               [user("Time?"), assistant("", tool_calls=[call("now", {})]), tool("noon"), assistant("Noon.")], {"tools": [NOW]}),
    "two calls at once": (
        {"messages": [Q, assistant(None, tool_calls=[call("add", {"a": 2, "b": 2}), call("now", {}, "f6g7h8i9j")]), tool("4"), tool("noon", "f6g7h8i9j"), A], "tools": [ADD, NOW]},
        [Q, assistant(None, tool_calls=[call("add", {"a": 2, "b": 2}), call("now", {}, "f6g7h8i9j")]), tool("4"), tool("noon", "f6g7h8i9j"), A], {"tools": [ADD, NOW]}),
    "one call after another": (
        {"messages": [Q, CALL, tool("4", name="add"), assistant(None, tool_calls=[call("now", {})]), tool("noon"), A], "tools": [ADD, NOW]},
        [Q, CALL, tool("4", name="add"), assistant(None, tool_calls=[call("now", {})]), tool("noon"), A], {"tools": [ADD, NOW]}),
    "calls in two exchanges": (
        {"messages": [Q, CALL, tool("4"), A, user("Again?"), CALL, tool("4"), assistant("Four!")], "tools": [ADD]},
        [Q, CALL, tool("4"), A, user("Again?"), CALL, tool("4"), assistant("Four!")], {"tools": [ADD]}),
    "thoughtful call": (
        {"messages": [Q, {**CALL, "content": "", "reasoning_content": "I add."}, tool("4"), THOUGHT, user("Sure?"), assistant("Yes.", reasoning_content="Again.")], "tools": [ADD]},
        [Q, {**CALL, "content": "", "reasoning_content": "I add."}, tool("4"), THOUGHT, user("Sure?"), assistant("Yes.", reasoning_content="Again.")], {"tools": [ADD]}),
    "no weight for a call": (
        {"messages": [Q, {**CALL, "weight": 0}, tool("4"), A], "tools": [ADD]}, [Q, CALL, tool("4"), A], {"tools": [ADD]}, [1]),
    "call with values of all kinds": (
        {"messages": [Q, assistant(None, tool_calls=[call("add", {"a": 2.5, "b": None, "c": [True, {"é": "«\"\\\n»"}], "d": {}})]), tool("{\"x\": 1}"), A]},),
    "numbers": (
        {"messages": [Q, assistant(None, tool_calls=[call("add", NUMBERS)]), tool("4"), A], "tools": '[{"name": "add", "minimum": 1.0, "maximum": 1e20}]'},
        [Q, assistant(None, tool_calls=[call("add", json.loads(NUMBERS))]), tool("4"), A], {"tools": [{"name": "add", "minimum": 1.0, "maximum": 1e20}]}),
    "result that is an object": ({"messages": [Q, CALL, tool({"sum": 4, "ok": True}), A]},),
    "ShareGPT": ({"conversations": [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "Four"}], "system": "Be brief."}, [system("Be brief."), Q, A]),
    "ShareGPT, call": (
        {"conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "2+2?"}, {"from": "function_call", "value": '{"name": "add", "arguments": {"a": 2, "b": 2}}'},
                           {"from": "observation", "value": "4"}, {"from": "gpt", "value": "Four"}], "tools": json.dumps([ADD["function"]])},
        [system("Be brief."), Q, assistant("", tool_calls=[{"name": "add", "arguments": {"a": 2, "b": 2}}]), {"role": "tool", "content": "4"}, A], {"tools": [ADD["function"]]}),
    "Alpaca, history": (
        {"instruction": "Add", "input": "2+2", "output": "Four", "system": "Be brief.", "history": [["1+1?", "Two"], ["1+2?", "Three"]]},
        [system("Be brief."), user("1+1?"), assistant("Two"), user("1+2?"), assistant("Three"), user("Add\n\n2+2"), A]),
    "prompt and completion": ({"prompt": "2+2?", "completion": "Four", "system": "Be brief."}, [system("Be brief."), Q, A]),
    "given turns": ({"prompt": [Q, A, user("Sure?")], "completion": [assistant("Yes.")]}, [Q, A, user("Sure?"), assistant("Yes.")], {}, [1]),
    "question and answer": ({"question": "2+2?", "answer": "Four", "tools": [ADD]}, [Q, A], {"tools": [ADD]}),
    "part": ({"messages": [user(parts("2+2?")), assistant(parts("Four"))]},),
    "parts": ({"messages": [system(parts("Be brief.")), user(parts("2+", "2?")), assistant(parts("Fo", "ur ")), user("Sure?"), assistant("Yes.")]},),
}


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Bytes and special tokens: nothing merges."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in PLAIN])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


class Style:
    """A template with the tokenizer."""

    def __init__(self, name: str, tokenizer: PreTrainedTokenizerFast):
        self.name, self.template, self.tokenizer = name, TEMPLATES[name], tokenizer
        self.special = {tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
        self.line_break = tokenizer.encode("\n", add_special_tokens=False)[0]

    def encode(self, messages: list, options: dict, **more) -> dict:
        return self.tokenizer.apply_chat_template(
            copy.deepcopy(messages), chat_template=self.template, tokenize=True, return_dict=True, **options, **more)

    def ids(self, messages: list, options: dict, **more) -> list[int]:
        return self.encode(messages, options, **more)["input_ids"]

    def start(self, messages: list, turn: int, ids: list[int], options: dict) -> int:
        """Number of the turn's first token in the ids of the conversation that it ends."""
        if turn > 0:
            prompt = self.ids(messages[:turn], options, add_generation_prompt=True)
            if ids[: len(prompt)] == prompt:
                return len(prompt)
        # The model is shown something else than the conversation has, so that the turn begins with what it says.
        other = self.ids([*messages[:turn], assistant("\x00")], options)
        return next(i for i, (a, b) in enumerate(zip(ids, other)) if a != b)

    def ends(self, ids: list[int]) -> list[int]:
        """Where the turn at the end may end, its last possible end first: after special tokens with nothing but such behind."""
        ends, i = [], len(ids)
        while i > 0 and (ids[i - 1] in self.special or ids[i - 1] == self.line_break):
            if ids[i - 1] in self.special:
                ends.append(i)
            i -= 1
        return ends

    def turn_by_turn(self, messages: list, wanted: list[int], options: dict) -> list:
        current, marks, examples = self.ids(messages, options), [], []
        for turn in reversed(wanted):
            ids = self.ids(messages[: turn + 1], options)
            start = self.start(messages, turn, ids, options)
            end = next((end for end in self.ends(ids) if end > start and current[:end] == ids[:end]), None)
            if end is None:
                if marks:
                    examples.append((current, marks))
                current, marks, end = ids, [], self.ends(ids)[0]
            marks.append((start, end))
        examples.append((current, marks))
        return [(ids, [int(any(start <= i < end for start, end in marks)) for i in range(len(ids))]) for ids, marks in reversed(examples)]

    def marked_blocks(self, messages: list, wanted: list[int], options: dict) -> list:
        encoded = self.encode(messages, options, return_assistant_tokens_mask=True)
        ids, mask = encoded["input_ids"], encoded["assistant_masks"]
        # The template has one block for each message of the assistant.
        turns = [i for i, message in enumerate(messages) if message["role"] == "assistant"]
        blocks = [i for i in range(len(mask)) if mask[i] and (i == 0 or not mask[i - 1])]
        assert len(blocks) == len(turns)
        kept = [block for block, turn in zip(blocks, turns) if turn in wanted]
        result, inside = [], False
        for i, mark in enumerate(mask):
            inside = mark == 1 and (i in kept or inside)
            result.append(int(inside))
        return [(ids, result)]

    def render(self, ids: list[int], mask: list[int]) -> str:
        text, i = "", 0
        while i < len(ids):
            end = next((j for j in range(i, len(ids)) if mask[j] != mask[i]), len(ids))
            part = self.tokenizer.decode(ids[i:end], skip_special_tokens=False, clean_up_tokenization_spaces=False)
            text += f"⟦{part}⟧" if mask[i] else part
            i = end
        return text


def as_one_bos(ids: list[int], mask: list[int], bos: int) -> tuple[list[int], list[int]]:
    """The tokenizer adds no BOS token; one that texts begin with stands once."""
    while ids[:2] == [bos, bos]:
        ids, mask = ids[1:], mask[1:]
    return ids, mask


def convert(style: Style, row: dict, messages: list | None = None, options: dict | None = None, masked: list | None = None):
    messages, options, masked = messages or row["messages"], options or {}, masked or []
    if any(message.get("tool_calls") for message in messages) and "tool_calls" not in style.template:
        return {"refused": "The chat template does not print the tool calls"}
    if style.name not in READ_PARTS:
        messages = [{**m, "content": "".join(part["text"] for part in m["content"])} if isinstance(m.get("content"), list) else m for m in messages]
    wanted = [i for i, message in enumerate(messages) if message["role"] == "assistant" and i not in masked]
    find = style.marked_blocks if "{% generation %}" in style.template else style.turn_by_turn
    try:
        examples = find(messages, wanted, options)
    except jinja2.exceptions.TemplateError as error:
        raised = type(error) is jinja2.exceptions.TemplateError
        return {"refused": f"The chat template refuses the conversation: {str(error).rstrip('.')}" if raised else "The chat template cannot be rendered"}
    except TypeError:
        return {"refused": "The chat template cannot be rendered"}
    result = []
    for ids, mask in examples:
        ids, mask = as_one_bos(ids, mask, style.tokenizer.bos_token_id)
        digest = hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()[:8]
        result.append(f"{digest} {style.render(ids, mask)}")
    return result


def main() -> None:
    class FixedDate(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromisoformat(DATE)

    chat_template_utils.datetime = FixedDate
    tokenizer = make_tokenizer()
    golden = {
        "date": DATE,
        "tokenizer": json.loads(tokenizer.backend_tokenizer.to_str()),
        "config": {"bos_token": "<s>", "eos_token": "</s>"},
        "rows": {name: case[0] for name, case in CONVERSATIONS.items()},
        "styles": {},
    }
    for name, template in TEMPLATES.items():
        style = Style(name, tokenizer)
        golden["styles"][name] = {"template": template, "examples": {title: convert(style, *case) for title, case in CONVERSATIONS.items()}}
    path = FIXTURES / "conversations.json"
    path.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")
    results = [result for style in golden["styles"].values() for result in style["examples"].values()]
    print(path.stat().st_size, "bytes;", len(CONVERSATIONS), "rows;", len(TEMPLATES), "templates;", sum(isinstance(result, dict) for result in results), "refused;",
          sum(len(result) > 1 for result in results if isinstance(result, list)), "cut")


if __name__ == "__main__":
    main()
