"""Tiny tokenizers in the manner of Gemma, Phi, SmolLM3, OLMo 2 and Granite, and chat templates in the style of each.

    python reference/families_tokenization.py fixtures/reference/tokenizers [--gguf FOLDER] [--gemma3 gemma-3-270m.gguf]

Writes `<name>.json` as tokenization.py writes its tokenizers, with the texts in it, and `chat-templates.json` as chat_templates.py
writes its renderings. The templates are written here, in the manner of the models they are named after. With `--gguf` also the
tokenizers as GGUF files for families-llama-cpp-ids.mjs; with `--gemma3` the ids that Transformers gives with the tokenizer of
Gemma 3 in that file.

tokenizers 0.23.3, transformers 5.24.0, sentencepiece 0.2.3, gguf 0.19.0, jinja2 3.1.6
"""

import argparse
import io
import json
from pathlib import Path

import gguf
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.tokenization_utils_base import generate_merges

from chat_templates import CALLS, CONVERSATIONS, TOOL, render, turns
from tokenization import (
    LLAMA3_WORDS, byte_level_metadata, make_corpus, results, sentencepiece_tokenizer, special, train_byte_level, train_sentencepiece,
    write_gguf,
)

# The splitting of GPT-4o's tokenizer.
O200K_WORDS = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

TEXTS = [
    "", " ", "  ", "   ", "a", " a", "  a", "a  b", "a    b", " a b ", "\n", "\n\n", "\n\n\n\n", "a\n\nb", "\t\tx", "a\r\nb",
    "Hello, world!", "The quick brown fox jumps over the lazy dog.", "I'm you're HE'S we've They'LL I'd can't", "HTMLParser camelCase XMLHttp",
    "def f(x):\n    return x + 1\n", "for (let i = 0; i < n; i++) {\n\tsum += a[i];\n}", "//path/to/\n/x", "1", "12", "1234", "1234567 3.14",
    "日本語のテキスト", "Привет, мир!", "Grüße naïve e\u0301", "👍🏽 😀😀", "\x00\x85\ufeff", "the thethe there.There", "a" * 40, "=" * 20,
    "<bos>a<eos>", "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n", "<|user|>\nHi <|end|>\n<|assistant|>\n x",
    "<|im_start|>user\nHi<|im_end|>\n", "<|start_of_role|>user<|end_of_role|>Hi<|end_of_text|>\n", "<think>\n\n</think>\n a<|endoftext|>b",
]

# What a large SentencePiece vocabulary has and the tiny one lacks: long runs, tags, and words of many languages.
GEMMA3_TEXTS = TEXTS + [
    " " * 31, " " * 32, "a" + " " * 40 + "b", "if x:\n" + " " * 12 + "return 1", "\n" * 31, "\n" * 40, " \n \n  \n", "\t" * 9,
    "<table><tr><td>1</td></tr></table>", "<h1>a</h1><br>", "<unused7>[multimodal]<mask>", "▁a", "a▁▁b", "<0x41>", "<start_of_image>",
    "한국어 문장", "เธอพูดว่า", "हिन्दी में", "العربية", "🏳️‍🌈🫠", "\U0001f9ff\ue000\U000e0001", "Donaudampfschifffahrt 3,141.59 €",
]


def plain(token: str, rstrip=False) -> AddedToken:
    return AddedToken(token, special=False, normalized=False, rstrip=rstrip)


def gemma(corpus) -> tuple[Tokenizer, dict]:
    """No space before the text, and runs of newlines and spaces as tokens of their own, before all merges."""
    controls = ["<mask>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>"]
    runs = ["\n" * count for count in range(1, 5)] + ["▁" * count for count in range(2, 5)]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_writer=model, model_type="bpe", vocab_size=700, byte_fallback=True,
        character_coverage=0.995, normalization_rule_name="identity", add_dummy_prefix=False, remove_extra_whitespaces=False,
        split_digits=True, minloglevel=2, max_sentencepiece_length=12, pad_id=0, eos_id=1, bos_id=2, unk_id=3,
        pad_piece="<pad>", eos_piece="<eos>", bos_piece="<bos>", user_defined_symbols=controls + runs)
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    tokens = [pieces.id_to_piece(i) for i in range(pieces.get_piece_size())]
    controls = ["<pad>", "<eos>", "<bos>", "<unk>", *controls]

    # As of real files, the order of the vocabulary and not the scores gives the merges.
    merges = generate_merges({token: i for i, token in enumerate(tokens)}, {token: -i for i, token in enumerate(tokens)})
    vocab = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([special(token) for token in controls])
    tokenizer.add_tokens([plain(token) for token in runs])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A <bos>:1 $B:1", special_tokens=[("<bos>", tokenizer.token_to_id("<bos>"))])

    kinds = gguf.TokenType
    of_kind = dict.fromkeys(controls, kinds.CONTROL) | dict.fromkeys(runs, kinds.USER_DEFINED) | {"<unk>": kinds.UNKNOWN}
    of_byte = {token: kinds.BYTE for i, token in enumerate(tokens) if pieces.is_byte(i)}
    types = [(of_kind | of_byte).get(token, kinds.NORMAL) for token in tokens]
    metadata = {
        "model": "llama", "pre": "default", "tokens": [t.replace("▁", " ") if t in runs else t for t in tokens],
        "scores": [-1000.0 if token in of_kind else pieces.get_score(i) for i, token in enumerate(tokens)],
        "token_type": [int(kind) for kind in types],
        "bos_token_id": 2, "eos_token_id": 1, "unknown_token_id": 3, "padding_token_id": 0, "add_bos_token": True,
        "add_eos_token": False, "add_space_prefix": False,
    }
    return tokenizer, metadata


def phi3(corpus) -> tuple[Tokenizer, dict]:
    """Llama 2's, with added tokens that take the whitespace after them along, and no token at the beginning."""
    _, pieces, scores, types = train_sentencepiece(corpus)
    types[pieces.index("</s>")] = int(gguf.TokenType.USER_DEFINED)
    tokenizer = sentencepiece_tokenizer(pieces, scores, legacy=True)
    added = ["<|endoftext|>", "<|assistant|>", "<|end|>", "<|system|>", "<|user|>"]
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False, rstrip=token != "<|endoftext|>") for token in added])
    tokenizer.add_tokens([plain("</s>", rstrip=True)])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A", pair="$A $B:1", special_tokens=[])
    metadata = {
        "model": "llama", "pre": "default", "tokens": pieces + added, "scores": scores + [-1000.0] * len(added),
        "token_type": types + [int(gguf.TokenType.CONTROL)] * len(added), "bos_token_id": 1, "eos_token_id": len(pieces),
        "unknown_token_id": 0, "padding_token_id": len(pieces), "add_bos_token": False, "add_eos_token": False,
    }
    return tokenizer, metadata


def by_words(pattern: str, behavior="isolated"):
    """As tiktoken's vocabularies are converted, what the pattern finds stays where "removed" is inverted."""
    split = pre_tokenizers.Split(Regex(pattern), behavior, invert=behavior == "removed")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def make_tokenizers(corpus):
    """Of each name: the tokenizer, its GGUF metadata, and the tokens that its configuration names."""
    tokenizer, metadata = gemma(corpus)
    yield "gemma", tokenizer, metadata, dict(bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>")
    tokenizer, metadata = phi3(corpus)
    yield "phi3", tokenizer, metadata, dict(
        bos_token="<s>", eos_token="<|endoftext|>", unk_token="<unk>", pad_token="<|endoftext|>")

    digits = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    phi = ["<|endoftext|>", "<|assistant|>", "<|end|>", "<|user|>", "<|system|>", "<|tool|>", "<|/tool|>"]
    chatml = ["<|begin_of_text|>", "<|end_of_text|>", "<|im_start|>", "<|im_end|>"]
    granite = ["<|end_of_text|>", "<|start_of_role|>", "<|end_of_role|>"]
    byte_level = {
        "phi4-mini": (train_byte_level(corpus, by_words(O200K_WORDS, "removed"), phi), "gpt-4o", "<|endoftext|>"),
        "phi4": (train_byte_level(corpus, by_words(LLAMA3_WORDS, "removed"), phi), "dbrx", "<|endoftext|>"),
        "smollm3": (train_byte_level(corpus, by_words(LLAMA3_WORDS), chatml, plain=["<think>", "</think>"]), "smaug-bpe", "<|im_end|>"),
        "olmo2": (
            train_byte_level(corpus, by_words(LLAMA3_WORDS, "removed"), ["<|endoftext|>", "<|pad|>"], plain=["<|user|>"]), "dbrx",
            "<|endoftext|>"),
        "granite3": (train_byte_level(corpus, digits, granite, plain=["<|tool_call|>"]), "refact", "<|end_of_text|>"),
        "granite4": (train_byte_level(corpus, by_words(LLAMA3_WORDS), granite, plain=["<tool_call>"]), "dbrx", "<|end_of_text|>"),
    }
    for name, (tokenizer, pre, eos) in byte_level.items():
        metadata = byte_level_metadata(tokenizer, pre, None, eos)
        bos = None if name == "smollm3" else eos
        if bos is not None:
            metadata["bos_token_id"] = tokenizer.token_to_id(bos)
        yield name, tokenizer, metadata, dict(bos_token=bos, eos_token=eos)


GEMMA3 = """{{- bos_token }}
{%- set lead = '' %}
{%- set rest = messages %}
{%- if messages[0]['role'] == 'system' %}
    {%- set first = messages[0]['content'] %}
    {%- set lead = (first if first is string else first[0]['text']) + '\\n\\n' %}
    {%- set rest = messages[1:] %}
{%- endif %}
{%- for message in rest -%}
    {%- if (loop.index0 % 2 == 0) != (message['role'] == 'user') -%}
        {{ raise_exception('User and assistant take turns, the user first.') }}
    {%- endif -%}
    {%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}
    {{ '<start_of_turn>' + role + '\\n' + (lead if loop.first else '') }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for part in message['content'] -%}
            {%- if part['type'] == 'image' -%}
                {{ '<start_of_image>' }}
            {%- elif part['type'] == 'text' -%}
                {{ part['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception('This content is neither text nor a list of parts.') }}
    {%- endif -%}
    {{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{ '<start_of_turn>model\\n' }}
{%- endif -%}
"""

PHI3 = """{% for message in messages %}{% if message['content'] %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}\
{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"""

PHI4_MINI = """{% for message in messages %}{% set tag = '<|' + message['role'] + '|>' %}\
{% if message['role'] == 'system' and message.get('tools') %}{{ tag + message['content'] + '<|tool|>' + message['tools'] + '<|/tool|><|end|>' }}\
{% else %}{{ tag + message['content'] + '<|end|>' }}{% endif %}{% endfor %}\
{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"""

SMOLLM3 = """{%- set thinks = true if enable_thinking is undefined else enable_thinking %}
{%- set given = '' %}
{%- if messages[0].role == 'system' %}
    {%- set given = messages[0].content.replace('/no_think', '').rstrip() %}
    {%- if '/no_think' in messages[0].content %}{%- set thinks = false %}{%- endif %}
{%- endif %}
{{- '<|im_start|>system\\n## Metadata\\n\\nDate: ' ~ (today if today is defined else strftime_now('%d %B %Y')) ~ '\\n' }}
{{- 'Mode: ' ~ ('/think' if thinks else '/no_think') ~ '\\n\\n## Instructions\\n\\n' }}
{{- given if given else ('Think first.' if thinks else 'Answer at once.') }}
{{- '\\n\\n' }}
{%- if xml_tools %}
    {%- set lines = namespace(text='## Tools\\n\\n<tools>\\n') %}
    {%- for tool in xml_tools[:] %}
        {%- set lines.text = lines.text ~ (tool | string) ~ '\\n' %}
    {%- endfor %}
    {{- lines.text ~ '</tools>\\n\\n' }}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if message.role == 'user' %}
        {{- '<|im_start|>user\\n' ~ content ~ '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {%- generation %}
        {{- '<|im_start|>assistant\\n' ~ ('' if thinks else '<think>\\n\\n</think>\\n') ~ content.lstrip('\\n') ~ '<|im_end|>\\n' }}
        {%- endgeneration %}
    {%- elif message.role == 'tool' %}
        {{- '<|im_start|>user\\n' ~ content ~ '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' ~ ('' if thinks else '<think>\\n\\n</think>\\n') }}
{%- endif %}
"""

OLMO2 = """{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}\
{{ '<|assistant|>\\n' + message['content'] + eos_token + ('' if loop.last else '\\n') }}{% else %}\
{{ '<|' + message['role'] + '|>\\n' + message['content'] + '\\n' }}{% endif %}\
{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}{% endfor %}"""

GRANITE3 = """{%- macro part(role, text) %}<|start_of_role|>{{ role }}<|end_of_role|>{{ text }}<|end_of_text|>
{% endmacro %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] %}
    {%- set rest = messages[1:] %}
{%- else %}
    {%- set system = 'Today is ' ~ (today if today is defined else strftime_now('%B %d, %Y')) ~ '.' %}
    {%- if tools and documents %}
        {%- set system = system + ' Tools and documents are given.' %}
    {%- elif tools %}
        {%- set system = system + ' Tools are given.' %}
    {%- elif thinking %}
        {%- set system = system + ' Think first.' %}
    {%- endif %}
    {%- set rest = messages %}
{%- endif %}
{{- part('system', system) }}
{%- if tools %}
    {{- part('tools', tools | tojson(indent=4)) }}
{%- endif %}
{%- if documents %}
    {{- '<|start_of_role|>documents<|end_of_role|>' }}
    {%- for document in documents %}
        {{- 'Document ' + loop.index0 | string + '\\n' + document['text'] }}
        {%- if not loop.last %}{{- '\\n\\n' }}{%- endif %}
    {%- endfor %}
    {{- '<|end_of_text|>\\n' }}
{%- endif %}
{%- for message in rest %}
    {{- part(message['role'], message['content']) }}
    {%- if loop.last and add_generation_prompt %}
        {{- '<|start_of_role|>assistant' }}
        {%- if controls %}{{- ' ' + controls | tojson }}{%- endif %}
        {{- '<|end_of_role|>' }}
    {%- endif %}
{%- endfor %}
"""

GRANITE4 = """{%- set ns = namespace(system='You help.') %}
{%- if tools %}
    {%- set ns.tools = 'Call these:\\n<tools>' %}
    {%- for tool in tools %}
        {%- set ns.tools = ns.tools + '\\n' + (tool | tojson) %}
    {%- endfor %}
    {%- set ns.tools = ns.tools + '\\n</tools>' %}
{%- else %}
    {%- set ns.tools = '' %}
{%- endif %}
{%- if messages[0].role == 'system' %}
    {%- set ns.system = messages[0].content %}
{%- endif %}
{{- '<|start_of_role|>system<|end_of_role|>' + ns.system + ('\\n\\n' + ns.tools if ns.tools else '') + '<|end_of_text|>\\n' }}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set text = message.content %}
    {%- else %}
        {%- set found = namespace(text='') %}
        {%- for entry in message.content or [] %}
            {%- if entry.type == 'text' %}{%- set found.text = found.text + entry.text %}{%- endif %}
        {%- endfor %}
        {%- set text = found.text %}
    {%- endif %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|start_of_role|>' + message.role + '<|end_of_role|>' + text + '<|end_of_text|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|start_of_role|>assistant<|end_of_role|>' + text }}
        {%- for call in message.tool_calls or [] %}
            {%- set call = call.function or call %}
            {{- ('\\n' if not loop.first or text else '') + '<tool_call>\\n{"name": "' + call.name + '", "arguments": ' }}
            {{- (call.arguments if call.arguments is string else call.arguments | tojson) + '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|end_of_text|>\\n' }}
    {%- elif message.role == 'tool' %}
        {%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}
            {{- '<|start_of_role|>user<|end_of_role|>' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' + text + '\\n</tool_response>' }}
        {%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}
            {{- '<|end_of_text|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_of_role|>assistant<|end_of_role|>' }}
{%- endif %}
"""

TODAY = dict(today="24 November 2026")
PARTS = [{"role": "user", "content": [{"type": "text", "text": " Look: "}, {"type": "image"}, {"type": "text", "text": "What?"}]}]
WITH_TOOLS = [{"role": "system", "content": "S", "tools": '[{"name": "weather"}]'}, {"role": "user", "content": "Q"}]
# Of each template: the tokenizer, values given with every conversation, and further cases.
TEMPLATES = {
    "gemma 3": (GEMMA3, "gemma", {}, [(PARTS, {}), (PARTS, dict(add_generation_prompt=True))]),
    "phi 3": (PHI3, "phi3", {}, []),
    "phi 4 mini": (PHI4_MINI, "phi4-mini", {}, [(WITH_TOOLS, {})]),
    "smollm 3": (
        SMOLLM3, "smollm3", TODAY,
        [(turns("Hi", "Yes", system="Be brief. /no_think"), {}), (turns("Hi"), dict(enable_thinking=False, add_generation_prompt=True)),
         (turns("Hi"), dict(xml_tools=[TOOL]))]),
    "olmo 2": (OLMO2, "olmo2", {}, []),
    "granite 3": (
        GRANITE3, "granite3", TODAY,
        [(turns("Hi"), dict(tools=[TOOL])), (turns("Hi"), dict(thinking=True)),
         (turns("Hi"), dict(documents=[{"text": "A"}, {"text": "B"}], controls={"length": "short"}, add_generation_prompt=True))]),
    "granite 4": (GRANITE4, "granite4", {}, [(CALLS, dict(tools=[TOOL])), (CALLS, {}), (PARTS, {})]),
}


def write(path: Path, value) -> None:
    path.write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--gguf", type=Path)
    arguments.add_argument("--gemma3", type=Path)
    options = arguments.parse_args()
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    tokenizers = {}
    for name, tokenizer, metadata, named in make_tokenizers(make_corpus()):
        tokenizers[name] = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **{key: token for key, token in named.items() if token})
        golden = {"tokenizer": json.loads(tokenizer.to_str()), "config": named, "gguf": metadata, "texts": TEXTS}
        write(out / f"{name}.json", golden | results(tokenizer, TEXTS))
        if options.gguf:
            options.gguf.mkdir(parents=True, exist_ok=True)
            write_gguf(options.gguf / f"{name}.gguf", metadata)
    templates = {}
    for name, (template, tokenizer, always, further) in TEMPLATES.items():
        asked = [(messages, dict(add_generation_prompt=prompt)) for messages in CONVERSATIONS for prompt in (False, True)]
        cases = [render(template, tokenizers[tokenizer], messages, **always, **options) for messages, options in asked + further]
        templates[name] = dict(template=template, tokenizer=tokenizer, cases=cases)
        print(f"{name}: {len(cases)} cases, {sum('error' in case for case in cases)} refused")
    write(out / "chat-templates.json", templates)
    if options.gemma3:
        tokenizer = AutoTokenizer.from_pretrained(str(options.gemma3.parent), gguf_file=options.gemma3.name)
        write(out / "gemma3-270m.json", {"texts": GEMMA3_TEXTS} | results(tokenizer.backend_tokenizer, GEMMA3_TEXTS))


if __name__ == "__main__":
    main()
