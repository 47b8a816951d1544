"""Golden results of the parts of tokenizer.json for src/core/tokenization/parts.test.ts.

Gives normalizers, pre-tokenizers, decoders and whole tokenizers in all their forms to Hugging Face's tokenizers, and writes
what they make of small texts to fixtures/tokenization/parts.json. `--random COUNT SEED FILE` writes more pre-tokenizers and
tokenizers, drawn at random, to another file, with which the test compares if SLIMTUNE_TOKENIZER_PARTS names it.

tokenizers 0.23.3
"""

import argparse
import itertools
import json
import pathlib
import random

from tokenizers import Tokenizer

FIXTURE = pathlib.Path(__file__).parent.parent / "fixtures" / "tokenization" / "parts.json"

BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
TEXTS = [
    "", " ", "Hello world", " Hello  world ", "a.b, c!", "x1 22  333", "▁a ▁ b▁", "日本語 ٣٤½ Ⅷ", "don't  stop", "\ta\n\n b\r\n", "é e\u0301 ΑΣ İ",
    "a\u200db \u00a0c\u0085d\ufeff", "😀a 😀", "--- aab xxab -", "$1 {x} ^~`|",
]
PATTERNS = [
    {"String": " "}, {"String": "a"}, {"String": "▁"}, {"String": "."}, {"Regex": "[aeiou]| "}, {"Regex": r"\s+"}, {"Regex": r"\w+"}, {"Regex": r"\d{1,2}"},
    {"Regex": "a*"}, {"Regex": r"(?i:h|w)o?"}, {"Regex": r"\s+(?!\S)|\s"}, {"Regex": r"[^\s\p{L}]"}, {"Regex": "(a)(b)?"},
]


def split(pattern, behavior, invert):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def metaspace(scheme, splits, replacement="▁"):
    return {"type": "Metaspace", "replacement": replacement, "prepend_scheme": scheme, "split": splits}


def byte_level(prefix, regex):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


SCHEMES = ["always", "first", "never"]
PRE_TOKENIZERS = [
    *(split(*options) for options in itertools.product(PATTERNS, BEHAVIORS, [False, True])),
    *(metaspace(*options) for options in itertools.product(SCHEMES, [True, False], ["▁", "_"])),
    *(byte_level(*options) for options in itertools.product([True, False], repeat=2)),
    *({"type": "Digits", "individual_digits": individual} for individual in (True, False)),
    *({"type": "Punctuation", "behavior": behavior} for behavior in BEHAVIORS),
    {"type": "Punctuation"}, {"type": "Whitespace"}, {"type": "WhitespaceSplit"}, {"type": "BertPreTokenizer"},
    {"type": "CharDelimiterSplit", "delimiter": "a"}, {"type": "CharDelimiterSplit", "delimiter": "."},
    {"type": "Sequence", "pretokenizers": []},
    {"type": "Sequence", "pretokenizers": [split({"String": " "}, "Removed", False), metaspace("first", True)]},
    {"type": "Sequence", "pretokenizers": [split({"String": " "}, "MergedWithNext", False), metaspace("first", False)]},
    {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace("always", True)]},
    {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level(True, True)]},
    {"type": "Sequence", "pretokenizers": [{"type": "Sequence", "pretokenizers": [{"type": "Punctuation"}]}, byte_level(False, False)]},
]
NORMALIZERS = [
    *({"type": form} for form in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents")),
    *({"type": "Strip", "strip_left": left, "strip_right": right} for left, right in itertools.product([True, False], repeat=2)),
    {"type": "Prepend", "prepend": "▁"}, {"type": "Prepend", "prepend": ""},
    *({"type": "Replace", "pattern": pattern, "content": content} for pattern in PATTERNS for content in ("▁", "$1$&", "")),
    {"type": "Sequence", "normalizers": [{"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "Prepend", "prepend": "▁"}]},
    {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}]},
    {"type": "Sequence", "normalizers": []},
]
TOKENS = [
    ["a"], ["▁a", "▁b", "c"], ["▁▁a▁", "▁"], ["Ġa", "b", "é", "日", "Ċ"], ["Ã", "©", "é日", "Ã"], ["<0xE6>", "<0x97>", "<0xA5>", "x", "<0xE6>", "<0x0A>"],
    ["<0xe4>", "<0xG0>", "<0x1>"], ["<0xEF>", "<0xBB>", "<0xBF>", "a"], ["  a  ", " b", "c "], ["$1 a", "aab."], ["", "a", ""], ["\u010f\u013b\u013f", "x"],
]
DECODERS = [
    None, byte_level(True, True), {"type": "ByteFallback"}, {"type": "Fuse"},
    *({"type": "Metaspace", "replacement": mark, "prepend_scheme": scheme, "split": True} for mark in "▁_" for scheme in SCHEMES),
    *({"type": "Replace", "pattern": pattern, "content": content} for pattern in PATTERNS for content in (" ", "$1", "")),
    *({"type": "Strip", "content": " ", "start": start, "stop": stop} for start, stop in ((0, 0), (1, 0), (0, 1), (2, 0))),
    {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
                                      {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
    {"type": "Sequence", "decoders": [byte_level(False, False), {"type": "Replace", "pattern": {"String": "a"}, "content": "b"}]},
    {"type": "Sequence", "decoders": []},
]
PIECES = ["<unk>", *"abcdelorwH .▁_1'", "é", "ab", "ll", "▁a", "ell", "or", "or▁", "▁w", "▁wor", " w", "Ġ"]
FIRST_ADDED = len(PIECES)
MERGES = [["a", "b"], ["l", "l"], ["▁", "a"], ["e", "ll"], ["o", "r"], ["or", "▁"], ["▁w", "or"], [" ", "w"]]


def added(content, **flags):
    defaults = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"content": content, **defaults, **flags}


ADDED_TEXTS = ["a<x>b", " <x> a", "a  <x>  <x> b<x>", "<x>", "ab xab abx ab.", "ab", "<x><y> AB ab", "<x>Hello <x> world", "a \u00a0<y>\u0085 b", "ab ab", "hi ab_ ab1 éab abé",
               "<x>x> <xx> xx<x"]


def definition(model=None, tokens=(), **parts):
    vocab = {piece: id for id, piece in enumerate(PIECES + parts.pop("pieces", []))}
    listed, last = [], len(vocab) - 1
    for token in tokens:
        id = vocab.get(token["content"], last + 1)
        last = max(last, id)
        listed.append({"id": id, **token})
    whole = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
             "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": vocab, "merges": MERGES, **(model or {})}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": listed, "normalizer": None,
            "pre_tokenizer": None, "post_processor": None, "decoder": None, "model": whole, **parts}


BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
SOME_BYTES = [f"<0x{byte:02X}>" for byte in "éü".encode()]


def special(id):
    return {"SpecialToken": {"id": id, "type_id": 0}}


SEQUENCE = {"Sequence": {"id": "A", "type_id": 0}}
TEMPLATE = {"type": "TemplateProcessing", "single": [special("<x>"), SEQUENCE, special("two")], "pair": [SEQUENCE, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"<x>": {"id": "<x>", "ids": [FIRST_ADDED], "tokens": ["<x>"]}, "two": {"id": "two", "ids": [2, 1], "tokens": ["b", "a"]}}}


def tokenizers():
    for unk, fuse, fallback in itertools.product([None, "<unk>", "absent"], [False, True], [None, BYTES, SOME_BYTES]):
        for pre in (None, metaspace("first", True), {"type": "WhitespaceSplit"}):
            model = {"unk_token": unk, "fuse_unk": fuse, "byte_fallback": fallback is not None}
            yield definition(model, pieces=fallback or [], pre_tokenizer=pre)
    for ignore in (False, True):
        yield definition({"ignore_merges": ignore, "unk_token": "<unk>"}, pieces=["Hello", "world"], pre_tokenizer={"type": "WhitespaceSplit"})
    yield definition({"merges": [" ".join(pair) for pair in MERGES if " " not in pair[0]]}, pre_tokenizer=metaspace("always", True))
    for flags in itertools.product([False, True], repeat=4):
        names = dict(zip(("single_word", "lstrip", "rstrip", "normalized"), flags))
        for normalizer in (None, {"type": "Lowercase"}):
            tokens = [added("<x>", **names), added("<y>"), added("ab", **{**names, "special": False}), added("<xx>", lstrip=True)]
            yield definition({"unk_token": "<unk>"}, tokens, normalizer=normalizer, pre_tokenizer=metaspace("first", False))
    yield definition(None, [added("<x>"), added("x<x>", normalized=True), added("AB", normalized=True)], normalizer={"type": "Lowercase"})
    for processor in (TEMPLATE, {"type": "Sequence", "processors": [byte_level(True, True), TEMPLATE, TEMPLATE]}, byte_level(True, True),
                      {"type": "BertProcessing", "sep": ["<x>", FIRST_ADDED], "cls": ["a", 1]},
                      {"type": "RobertaProcessing", "sep": ["<x>", FIRST_ADDED], "cls": ["a", 1], "trim_offsets": True, "add_prefix_space": False}):
        yield definition({"unk_token": "<unk>"}, [added("<x>")], post_processor=processor)


def attempt(compute):
    """The result, or None where the reference itself fails."""
    try:
        return compute()
    except BaseException as error:  # its panics are no Exceptions
        if isinstance(error, KeyboardInterrupt):
            raise
        return None


def of_part(name, config, method, inputs):
    part = getattr(Tokenizer.from_str(json.dumps(definition(**{name: config}))), name)
    return {"config": config, "results": [attempt(lambda: getattr(part, method)(value)) for value in inputs]}


def of_pre_tokenizer(config):
    made = of_part("pre_tokenizer", config, "pre_tokenize_str", TEXTS)
    return {**made, "results": [pieces and [piece for piece, _ in pieces if piece] for pieces in made["results"]]}


def of_decoder(config):
    # Token ids in, since no decoder is a case, too.
    results = []
    for tokens in TOKENS:
        vocab = {token: id for id, token in enumerate(dict.fromkeys(tokens))}
        tokenizer = Tokenizer.from_str(json.dumps(definition({"vocab": vocab, "merges": []}, decoder=config)))
        results.append(attempt(lambda: tokenizer.decode([vocab[token] for token in tokens], skip_special_tokens=False)))
    return {"config": config, "results": results}


def of_tokenizer(whole, texts):
    tokenizer = Tokenizer.from_str(json.dumps(whole))
    return {
        "definition": whole,
        "ids": [attempt(lambda: tokenizer.encode(text, add_special_tokens=False).ids) for text in texts],
        "idsWithSpecialTokens": [attempt(lambda: tokenizer.encode(text).ids) for text in texts[:3]],
    }


def draw_pre_tokenizer(draw, depth=0):
    if depth < 2 and draw.random() < 0.4:
        return {"type": "Sequence", "pretokenizers": [draw_pre_tokenizer(draw, depth + 1) for _ in range(draw.randrange(4))]}
    if draw.random() < 0.5:
        alternatives = "|".join(draw.choice(["a", "b+", r"\s", r"\s*", r"\p{L}", r"[^\w]", r"\d?", r"\b", "(?=b)", "(?<=a)", r"\p{Lu}\p{Ll}*", ".", "$", "^", "[a-c&&[^b]]"])
                                for _ in range(draw.randrange(1, 4)))
        return split({"Regex": alternatives}, draw.choice(BEHAVIORS), draw.random() < 0.5)
    # "first" behind what inserts text is refused.
    return draw.choice([config for config in PRE_TOKENIZERS if depth == 0 or '"first"' not in json.dumps(config)])


def draw_text(draw):
    return "".join(draw.choice("aab bA <x>1.\n_▁é日😀'") for _ in range(draw.randrange(24))).replace("<", "<x>")


def draw_tokenizer(draw):
    flags = lambda: {name: draw.random() < 0.3 for name in ("single_word", "lstrip", "rstrip", "normalized", "special")}
    tokens = [added(content, **flags()) for content in draw.sample(["<x>", "ab", "x", " a", "1.", "<x><x>"], draw.randrange(4))]
    model = {"unk_token": draw.choice([None, "<unk>"]), "fuse_unk": draw.random() < 0.5, "byte_fallback": draw.random() < 0.5, "ignore_merges": draw.random() < 0.3}
    pieces = draw.choice([[], BYTES, SOME_BYTES])
    normalizer = draw.choice([None, {"type": "Lowercase"}, {"type": "NFC"}])
    return definition(model, tokens, pieces=pieces, normalizer=normalizer, pre_tokenizer=draw_pre_tokenizer(draw))


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--random", nargs=3, metavar=("COUNT", "SEED", "FILE"))
    options = arguments.parse_args()
    texts = [*TEXTS, *ADDED_TEXTS, "axb or▁ wor ell日éü日b"]
    golden = {
        "texts": TEXTS, "tokens": TOKENS, "tokenizedTexts": texts,
        "normalizers": [of_part("normalizer", config, "normalize_str", TEXTS) for config in NORMALIZERS],
        "preTokenizers": [of_pre_tokenizer(config) for config in PRE_TOKENIZERS],
        "decoders": [of_decoder(config) for config in DECODERS],
        "tokenizers": [of_tokenizer(whole, texts) for whole in tokenizers()],
    }
    path = FIXTURE
    if options.random:
        count, seed, path = options.random
        draw = random.Random(int(seed))
        texts = [draw_text(draw) for _ in range(40)]
        made = [attempt(lambda: of_pre_tokenizer(draw_pre_tokenizer(draw))) for _ in range(int(count))]
        golden = {
            "texts": TEXTS, "tokens": [], "tokenizedTexts": texts, "normalizers": [], "decoders": [],
            "preTokenizers": [case for case in made if case],
            "tokenizers": [case for case in (attempt(lambda: of_tokenizer(draw_tokenizer(draw), texts)) for _ in range(int(count))) if case],
        }
    pathlib.Path(path).write_text(json.dumps(golden, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
