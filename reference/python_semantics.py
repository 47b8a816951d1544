"""What CPython 3.11 does to texts, with random numbers, regular expressions and literals.

    python reference/python_semantics.py fixtures/evaluation/python.json
"""

import ast
import json
import random
import re
import string
import sys
from pathlib import Path

texts = [
    "", "a", "ßX", "ﬁX", "ǆAB", "ǅAB", "ΑΣ", "ΑΣ ΣΑΣ.", "ΣΑΣ", "ὈΔΥΣΣΕΎΣ", "ᾳΑ", "ᾼΑ", "ᾲΑ", "აბ", "İI", "ıI",
    "ŉA", "ΐA", "և", "𐐨𐐀", "hello WORLD", "  a  ", "\u00850\u0085", "\u001ca\u001f", "\ufeffa\ufeff",
    "\u2028a\u2029", "\u180ea\u200b", "\u3000a\u00a0", "a\u0085b  c\r\nd", " ", "a\U0001f9f6 b", "\0a\0",
]

# Around the sizes at which CPython draws in another way.
samples = [(8, 5), (5, 5), (21, 5), (22, 5), (86, 6), (85, 6), (86, 8), (7473, 5), (10042, 6), (1, 1), (300, 25)]

patterns = [
    r"#### (\-?[0-9\.\,]+)", r"(-?[$0-9.,]{2,})|(-?[0-9]+)", r"The answer is (\-?[0-9\.\,]+).", r"(?s).*#### ",
    r"\.$", r",", r"\$", r"a*", r"\s+", r"\w+", r"\d+", r"\bx\b", r"^.", r"(?m)^.", r"(?m).$", r"(?i)ß|ANSWER", r".$",
    r"(?P<quote>['\"]).*?(?P=quote)", r"[]a]", r"[^]a]+", r"\Ax", r"x\Z", r"{x}", r"x{,2}", r"(x)|(y)(z)?", r"[\w.]+",
    r"\u0041", r"\\", r"[\]\-]", r"(?:x)(?=y)", r"\xe9", r"[\S]", r"[^\W\d]+", r"[\W.]+", r"[^\S\n]+", r"x{,}", r"(?#a comment)x", r"(?u)x", r"(?im)^X", r"(?<!x)y", r"\0|x",
]
# What JavaScript reads and Python does not, and what neither reads.
refused_patterns = [
    "(", "(?<n>a)", r"(?<n>a)\k<n>", "(?P<n>a)(?P<n>b)", "(?P<n>a)|(?P<n>b)", r"\q", "*", "a**", r"\p{L}", r"\u{61}", r"\cA", "[a", "(?P<1n>a)", "(?P=n)", "a(?i)", r"\x6", "(?Q)", "a{2}{3}", "[b-a]", ")", r"\2(a)",
]
subjects = [
    "", "#### 18", "So #### -1,234.5 and\n#### 7.\n", "The answer is 18", "The answer is 8", "The answer is 18.",
    "The answer is $5.00. Or 7", "x is 18", "$1,000.00", "1.", "-5", "a.\n", "a.\n\n", "baac", "é𝟗٣ x-x_y",
    "\r\u2028\u0085x\ny", "'it' \"is\" ''", "]a-]", "{x} xxx", "xyz yz", "Answer: ẞSS", "A\\B é", "xy",
]  # fmt: skip

# Numbers that JavaScript takes for others, and those around them.
json_texts = [
    "7.0", "7", "-0", "-0.0", "1e5", "1E+2", "1e16", "1e15", "123456789012345.0", "1e-5", "0.0001", "1e22", "1.7976931348623157e308", "5e-324", "9007199254740991", "9007199254740993", "-12345678901234567890",
    "123456789012345678901234567890", "0.1", "0.30000000000000004", "100.0", "2.50", "1e400", "-1e400", "[]", "{}", "[[], {}]", '{"b": 1.0, "a": [2, 3.0, "4.0", "x \\"5.0\\" 1e5"]}', '"\\u00e9\\ud83d\\ude00\\u007f\\u001f\\/"',
    '[true, false, null, "", "\\\\", "\\\\\\""]', ' [ 1.0 ,\n\t2.0 ] ', '{"1.0": 1.0, "number": "1.0"}',
]  # fmt: skip

literals = [
    "['a', 'b']", '["it\'s", \'"q"\']', "[]", "['a',]", "('a',)", "('a')", "[1, -2, 3.5, True, None]", "'\\n\\x41\\u00e9\\U0001f9f6\\\\'",
    "['a' 'b']", "[['a'], 'b']", "['\\d', '\\101']", "['a', b]", "['a'", "a", "['a' 1]", "", " ['x'] ", "[,]", "'a\nb'",
]  # fmt: skip


def findall(pattern, text):
    groups = re.compile(pattern).groups
    return [list(match) if groups > 1 else [match] for match in re.findall(pattern, text)]


def compiles(pattern):
    try:
        return re.compile(pattern) is not None
    except re.error:
        return False


def literal(text):
    try:
        return {"value": ast.literal_eval(text.strip())}
    except (SyntaxError, ValueError):
        return {}


def capitals():
    """The characters that `capitalize` changes, with what it makes of them. In later Unicode there are more."""
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    changed = [character for character in characters if character.capitalize() != character]
    return ["".join(changed), [character.capitalize() for character in changed]]


def draw(size, count, seed=1234):
    generator = random.Random(seed)
    return [generator.sample(range(size), count) for _ in range(4)]


generator = random.Random(1234)
golden = {
    "texts": [
        {
            "text": text,
            "capitalized": text.capitalize(),
            "stripped": text.strip(),
            "words": len(re.split(r"\s+", text)),
            "length": len(text),
        }
        for text in texts
    ],
    "capitals": capitals(),
    "spaces": [code for code in range(0x110000) if chr(code).isspace()],
    "punctuation": string.punctuation,
    "uint32": [generator.getrandbits(32) for _ in range(1000)][-4:],
    "samples": [
        {"seed": seed, "size": size, "count": count, "draws": draw(size, count, seed)}
        for size, count in samples
        for seed in (1234, 0, 2**40 + 5)
    ],
    "patterns": [
        {
            "pattern": pattern,
            "found": [findall(pattern, text) for text in subjects],
            "removed": [re.sub(pattern, "", text) for text in subjects],
        }
        for pattern in patterns
    ],
    "refusedPatterns": [pattern for pattern in refused_patterns if not compiles(pattern)],
    "subjects": subjects,
    "json": [
        {
            "text": text,
            "dumped": json.dumps(json.loads(text), ensure_ascii=False),
            "indented": json.dumps(json.loads(text), indent=2, sort_keys=True),
            "printed": str(json.loads(text)),
        }
        for text in json_texts
    ],
    "literals": [{"text": text, **literal(text)} for text in literals],
}
Path(sys.argv[1]).write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n")
