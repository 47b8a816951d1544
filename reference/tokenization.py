"""Golden token ids, decoded texts and rendered chats for src/core/tokenization.

Trains tiny tokenizers in the manner of GPT-2, SmolLM, Llama 3, Qwen2, Llama 2 and Mistral on text that it makes up,
and writes them with the reference's results to fixtures/tokenization/. With --gguf FOLDER it also writes them as GGUF
files without tensors, for reference/tokenization-llama-cpp.mjs. With --smollm2 FILE (SmolLM2-135M-Instruct as GGUF)
and --tinystories FOLDER (TinyStories-656K) it writes the ids of those models' tokenizers.

tokenizers 0.23.3, transformers 5.24.0, sentencepiece 0.2.3, gguf 0.19.0, jinja2 3.1.6
"""

import argparse
import io
import json
import pathlib
import random
import tempfile

import gguf
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.tokenization_utils_base import generate_merges

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "tokenization"

LLAMA3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2_WORDS = LLAMA3_WORDS.replace(r"\p{N}{1,3}", r"\p{N}")

WORDS = (
    "the a an of to in and is it that was for on with as at by this from they she he we you not but what all were when "
    "your can said there use each which how their will other about out many then them these some her would make like "
    "him into time has look two more write go see number no way could people my than first water been call who oil its "
    "now find long down day did get come made may part over new sound take only little work know place year live me "
    "back give most very after thing our just name good sentence man think say great where help through much before "
    "line right too mean old any same tell boy follow came want show also around form three small set put end does "
    "another well large must big even such because turn here why ask went men read need land different home us move"
).split()


def make_corpus() -> list[str]:
    draw = random.Random(0)
    samples = ["def f(x):\n    return x + 1\n", "for (let i = 0; i < n; i++) {\n\tsum += a[i];\n}\n", "I'm sure they'll say it's",
               "  indented\n\n\ntwice", "Grüße aus Köln, café, naïve", "日本語のテキスト", "Привет, мир!", "x = 3.14159; y = 2026"]
    lines = []
    for _ in range(3000):
        words = [draw.choice(WORDS) for _ in range(draw.randrange(4, 14))]
        if draw.random() < 0.3:
            words.insert(draw.randrange(len(words)), str(draw.randrange(10 ** draw.randrange(1, 7))))
        text = " ".join(words)
        lines.append(text.capitalize() + draw.choice([".", "!", "?", "...", ",", "\n"]))
        if draw.random() < 0.1:
            lines.append(draw.choice(samples))
    return lines


def make_texts() -> list[str]:
    draw = random.Random(1)
    texts = [
        "", " ", "  ", "   ", "\n", "\n\n", "\n\n\n", "\t", "\t\t", " \n", "\n ", " \n \n ", "\r\n", "\r", "\r\n\r\n", "a\r\nb",
        "a", " a", "  a", "a ", "a  ", " a b ", "a  b", "a   b", "a\n\nb", "a \n b", "a\tb", "\ta\t", "    indented", "trailing    ",
        "Hello, world!", "hello", "HELLO", "Hello HELLO hello", "The quick brown fox jumps over the lazy dog.",
        "I'm you're he's we've they'll I'd can't", "I'M YOU'RE HE'S WE'VE THEY'LL I'D CAN'T", "I’m you’re it’s", "'s 't 're", "''''", "o'clock 'til rock'n'roll",
        "'\u017f", "'\u017fa", "\u212aelvin", "it'S", "it'Ss",
        "0", "1", "12", "123", "1234", "12345", "123456", "1234567890", "3.14159", "1,000,000", "1e-5", "0x1F", "50%", "$9.99", "2026-11-24", "12:34:56",
        "a1b2c3", "abc123def", "٣٤٥", "१२३४", "½ ¼ ²³", "Ⅷ Ⅻ", "１２３", "x² + y² = z²",
        "def f(x):\n    return x + 1\n", "for (let i = 0; i < n; i++) {\n\tsum += a[i];\n}", "if x == 1:\n        y = 2\n    else:\n        y = 3",
        "<div class=\"a\">b</div>", "SELECT * FROM t WHERE a = 'b';", "a->b::c<d>&&e||f", "{\"key\": [1, 2, {\"x\": null}]}", "https://example.org/a?b=c&d=e#f", "user@example.org", "C:\\path\\to\\file", "an unmergeable word", "snake_case camelCase PascalCase kebab-case", "__init__", "$\\frac{a}{b}$", "# Heading\n\n- item\n- item\n", "```python\nprint(1)\n```",
        "日本語のテキスト", "中文字符测试", "한국어 텍스트", "漢字かなカナ混じり文。", "「引用」、句読点。", "全角　空白", "Привет, мир!", "Ελληνικά", "עברית שלום", "العربية مرحبا", "ไทยไม่มีช่องว่าง", "हिन्दी पाठ", "தமிழ்", "Tiếng Việt", "Zażółć gęślą jaźń", "Grüße aus Köln", "naïve café résumé", "Æther œuvre ß ẞ", "ﬁ ﬂ ligatures", "ǅ ǈ",
        "😀", "😀😀", "👍🏽", "👨\u200d👩\u200d👧\u200d👦", "🏳️\u200d🌈", "🇩🇪🇯🇵", "❤️", "☺", "a😀b", " 😀 ", "1️⃣", "𝒜𝓑𝔠", "𠮷野家", "🫠🫡",
        "e\u0301", "é", "e\u0301 é", "cafe\u0301", "a\u0308o\u0308u\u0308", "q\u0323\u0307", "q\u0307\u0323", "\u1112\u1161\u11ab", "각\u11a8", "\u212b", "\u0344", "Z\u0351\u036b\u0343a\u0301\u0300\u0302", "\u0301", " \u0301", "\u0301a",
        "שלום hello עולם", "\u200fRTL\u200e", "\u202eabc\u202c", "مرحبا 123 hello", "\u2066x\u2069",
        "\x00", "a\x00b", "\x01\x02\x03", "\x07bell", "\x1b[31mred\x1b[0m", "\x7f", "\x80\x81", "\x85", "a\x85b", " \x85 ", "\x85's", "a \x85's t", "  \x85x", "\ufeff's", " \ufeff x", "  ٣", "  ½x", "a  Ⅷ", "\x0b\x0c", "\x1c\x1d\x1e\x1f", "a\x1cb",
        "\ufeff", "\ufeffabc", "a\ufeffb", " \ufeff ", "a\u00a0b", "\u00a0", "\u00a0\u00a0a", "a\u200bb", "\u200b", "a\u2028b", "a\u2029b", "\u2003em", "\u3000", "a\u1680b", "\u180e", "a\u2060b", "\u00ad soft", "\ufffd", "\uffff", "\ufffe", "\ue000", "\U0010ffff", "\U000e0001",
        "...", "…", "!!!", "?!?!", "—–-", "“quotes” ‘single’", "«guillemets»", "¡Hola! ¿Qué?", "©®™", "€£¥₿", "∑∫√∞≠≤", "←→↑↓", "░▒▓█", "•◦▪", "†‡§¶", "@#$%^&*()", "()[]{}<>", "~`|\\/", "a.b.c", "a,b,c", "a-b-c", "a_b_c", "_", "__", " _ ", ".\n", "!\n\n", "...\n\n\nabc", " .", " ,", " !", "a .b ,c !", "n 't 's",
        "▁", "▁▁", "a▁b", "▁a", " ▁", "Ġ", "Ġa", "Ċ", "<0x0A>", "<0xE4>", "<unk>", "a<unk>b",
        "<|endoftext|>", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "a<|im_end|>b", " <|im_end|> ", "<|im_end|><|im_end|>", "<|im_end|", "<|im_start", "|im_end|>", "<s>", "</s>", "<s>a</s>", "<s> a </s> b", "[INST] hi [/INST]", "<|begin_of_text|>", "<|begin_of_text|>Hello<|eot_id|>", "<|eot_id|>\n\n", "<think>\n\n</think>\n\n", "a<think>b", "<<|im_end|>>", "<|IM_END|>", "\n<|im_end|>\n", "a\n<|im_end|>", "  <s>  x",
        "a" * 100, "ab" * 100, "the" * 60, "x" * 300, "." * 50, " " * 40, "\n" * 20, "1" * 40, "é" * 30, "日" * 30, "😀" * 10, "a " * 40, "=" * 33, "-" * 80, "abcdefghijklmnopqrstuvwxyz" * 4, "\t" * 9 + "x", " " * 17 + "x", "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    ]
    pools = ["abcdefghij ", "ABCdef 123", " \n\t", "éàüñ ç", "日本語中文 ", "😀👍 a", "'stdmrevl ", ".,!? a1", "\u0301\u0308ae ", "אבגد ", "{}()=;\n  ab"]
    while len(texts) < 300:
        pool = draw.choice(pools) + draw.choice(pools)
        texts.append("".join(draw.choice(pool) for _ in range(draw.randrange(3, 24))))
    words = [" ".join(draw.choice(WORDS) for _ in range(12)) for _ in range(10)]
    return texts + words


def special(token: str) -> AddedToken:
    return AddedToken(token, special=True, normalized=False)


def train_byte_level(corpus, pre_tokenizer, specials, normalizer=None, bos=None, ignore_merges=False, plain=()):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=600, special_tokens=[special(token) for token in specials], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    if ignore_merges:
        # A word of the vocabulary that no merges lead to, which only such a tokenizer finds.
        definition = json.loads(tokenizer.to_str())
        definition["model"]["vocab"]["Ġunmergeable"] = tokenizer.get_vocab_size()
        tokenizer = Tokenizer.from_str(json.dumps(definition))
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in plain])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    if bos is not None:
        template = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, tokenizer.token_to_id(bos))])
        tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    return tokenizer


def byte_level_metadata(tokenizer: Tokenizer, pre: str, bos: str | None, eos: str) -> dict:
    definition = json.loads(tokenizer.to_str())
    tokens = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    types = [1] * len(tokens)
    for added in definition["added_tokens"]:
        types[added["id"]] = 3 if added["special"] else 4
    metadata = {
        "model": "gpt2", "pre": pre, "tokens": tokens, "token_type": types,
        "merges": [merge if isinstance(merge, str) else " ".join(merge) for merge in definition["model"]["merges"]],
        "eos_token_id": tokenizer.token_to_id(eos), "add_bos_token": bos is not None,
    }
    if bos is not None:
        metadata["bos_token_id"] = tokenizer.token_to_id(bos)
    return metadata


def train_sentencepiece(corpus):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_writer=model, model_type="bpe", vocab_size=700, byte_fallback=True,
        character_coverage=0.995, normalization_rule_name="identity", add_dummy_prefix=True,
        remove_extra_whitespaces=False, split_digits=True, minloglevel=2, max_sentencepiece_length=12)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    scores = [processor.get_score(i) for i in range(len(pieces))]
    types = [2 if processor.is_unknown(i) else 3 if processor.is_control(i) else 6 if processor.is_byte(i) else 1
             for i in range(len(pieces))]
    return processor, pieces, scores, types


def sentencepiece_tokenizer(pieces, scores, legacy: bool) -> Tokenizer:
    vocab = {piece: i for i, piece in enumerate(pieces)}
    merges = generate_merges(vocab, dict(zip(pieces, scores)))
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if legacy:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([special(token) for token in ("<unk>", "<s>", "</s>")])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    return tokenizer


def results(tokenizer: Tokenizer, texts: list[str]) -> dict:
    """Ids of each text, and what they decode to where that is not the text itself."""
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    decoded = [tokenizer.decode(row, skip_special_tokens=False) for row in ids]
    skipped = [tokenizer.decode(row, skip_special_tokens=True) for row in ids]
    draw = random.Random(2)
    random_ids = [[draw.randrange(tokenizer.get_vocab_size()) for _ in range(12)] for _ in range(40)]
    return {
        "ids": ids,
        "idsWithSpecialTokens": [tokenizer.encode(text).ids for text in texts[30:50]],
        "decoded": {i: text for i, text in enumerate(decoded) if text != texts[i]},
        "decodedWithoutSpecialTokens": {i: text for i, text in enumerate(skipped) if text != decoded[i]},
        "randomIds": [[row, tokenizer.decode(row, skip_special_tokens=False)] for row in random_ids],
    }


def write(name: str, value) -> None:
    path = FIXTURES / f"{name}.json"
    path.write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")


def write_gguf(path: pathlib.Path, metadata: dict) -> None:
    """A GGUF file of nothing but the tokenizer, with the file's own name in it, by which llama.cpp knows Phi-3."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(path.stem)
    for key, value in {"context_length": 64, "embedding_length": 8, "block_count": 1, "feed_forward_length": 8}.items():
        writer.add_uint32(f"llama.{key}", value)
    writer.add_uint32("llama.attention.head_count", 1)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    for key, value in metadata.items():
        key = f"tokenizer.ggml.{key}"
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        else:
            writer.add_array(key, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--gguf", type=pathlib.Path)
    arguments.add_argument("--smollm2", type=pathlib.Path)
    arguments.add_argument("--tinystories", type=pathlib.Path)
    options = arguments.parse_args()
    FIXTURES.mkdir(parents=True, exist_ok=True)
    corpus, texts = make_corpus(), make_texts()
    write("texts", texts)

    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    without_regex = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    chatml = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

    def by_words(pattern):
        return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), without_regex])

    made = {
        "gpt2": (train_byte_level(corpus, byte_level, ["<|endoftext|>"]), "gpt-2", None, "<|endoftext|>"),
        "smollm": (
            train_byte_level(corpus, pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level]),
                             chatml, plain=["<think>", "</think>"]), "smollm", None, "<|im_end|>"),
        "llama3": (
            train_byte_level(corpus, by_words(LLAMA3_WORDS), ["<|begin_of_text|>", "<|eot_id|>"],
                             bos="<|begin_of_text|>", ignore_merges=True), "llama-bpe", "<|begin_of_text|>", "<|eot_id|>"),
        "qwen2": (
            train_byte_level(corpus, by_words(QWEN2_WORDS), chatml, normalizer=normalizers.NFC()),
            "qwen2", None, "<|im_end|>"),
    }
    metadata = {}
    for name, (tokenizer, pre, bos, eos) in made.items():
        metadata[name] = byte_level_metadata(tokenizer, pre, bos, eos)
        config = {"bos_token": bos, "eos_token": eos}
        write(name, {"tokenizer": json.loads(tokenizer.to_str()), "config": config, "gguf": metadata[name], **results(tokenizer, texts)})

    processor, pieces, scores, types = train_sentencepiece(corpus)
    metadata["llama2"] = {
        "model": "llama", "tokens": pieces, "scores": scores, "token_type": types, "bos_token_id": 1, "eos_token_id": 2,
        "unknown_token_id": 0, "add_bos_token": True,
    }
    config = {"bos_token": {"content": "<s>", "__type": "AddedToken"}, "eos_token": {"content": "</s>"}, "unk_token": "<unk>"}
    for name, legacy in (("llama2", True), ("mistral", False)):
        tokenizer = sentencepiece_tokenizer(pieces, scores, legacy)
        golden = {"tokenizer": json.loads(tokenizer.to_str()), "config": config, **results(tokenizer, texts)}
        if legacy:
            golden["gguf"] = metadata[name]
            native = [processor.encode(text) for text in texts]
            golden["sentencePieceIds"] = {i: row for i, row in enumerate(native) if row != golden["ids"][i]}
            print(len(golden["sentencePieceIds"]), "texts differ between tokenizers and SentencePiece")
        write(name, golden)

    if options.gguf:
        options.gguf.mkdir(parents=True, exist_ok=True)
        for name, values in metadata.items():
            write_gguf(options.gguf / f"{name}.gguf", values)
        write_gguf(options.gguf / "default.gguf", {**metadata["gpt2"], "pre": "default"})
    if options.smollm2:
        tokenizer = AutoTokenizer.from_pretrained(str(options.smollm2.parent), gguf_file=options.smollm2.name)
        write("smollm2-ids", tokenizer(texts, add_special_tokens=False)["input_ids"])
    if options.tinystories:
        reference = Tokenizer.from_file(str(options.tinystories / "tokenizer.json"))
        write("tinystories-656k-ids", [reference.encode(text, add_special_tokens=False).ids for text in texts])
        tokenizer = AutoTokenizer.from_pretrained(str(options.tinystories))
        differing = [i for i, text in enumerate(texts)
                     if tokenizer.encode(text, add_special_tokens=False) != reference.encode(text, add_special_tokens=False).ids]
        print(len(differing), "texts differ between Transformers' LlamaTokenizer and tokenizer.json, such as",
              [texts[i] for i in differing[:8]])


if __name__ == "__main__":
    main()
