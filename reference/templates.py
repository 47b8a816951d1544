"""What Jinja2 makes of expressions over Python's values, as Transformers and as lm-evaluation-harness set it up.

    python reference/templates.py fixtures/templates/expressions.json

jinja2 3.1.6, transformers 5.24.0, lm_eval 0.4.12. Errors are null. The variables are JSON, of which Python keeps the numbers apart.
"""

import json
import sys
from pathlib import Path

from lm_eval.utils import apply_template
from transformers.utils.chat_template_utils import render_jinja_template

VARIABLES = """{"seven": 7.0, "half": 2.5, "tenth": 0.1, "large": 12345678901234567890, "edge": 9007199254740993, "e20": 1e20, "e16": 1e16,
"e15": 1e15, "small": 1e-07, "zero": 0.0, "minus": -0.0, "nothing": -0, "hundred": 1.0E+2, "over": 1e400, "n": 3, "neg": -7, "yes": true, "no": false, "none_": null,
"text": "7.0 and 1e5: \\"8.0\\"", "names": ["b", "A", "c", "a"], "floats": [3.0, 1.5, 2, 10], "empty": [], "e": "",
"tool": {"name": "pay", "parameters": {"max": 100.0, "min": 0, "step": 1e-09, "big": 123456789012345678901234567890, "items": [1.0, 2, 2.50, true, null]}},
"people": [{"name": "Bo", "age": 7.0}, {"name": "al", "age": 30}, {"name": "Cy", "age": 7}], "html": "<a href='x'>&</a>", "accents": "é😀\\u007f",
"lines": "a\\n\\n  b\\r\\nc\\u2028d\\n", "words": " one  two\\tthree ", "path": "a/b/c", "astral": "a😀b"}"""

NUMBERS = [
    *"seven half tenth large edge e20 e16 e15 small zero minus nothing hundred over floats tool text people".split(),
    "[seven, large, small]", "{'a': seven}", "(seven,)", "seven ~ '|' ~ large", "seven | string", "floats | join(', ')", "large | string",
    "7.0", "7.50", "100000000000000000000.0", "0.0000001", "12345678901234567890", "-12345678901234567890", "9007199254740993 + 0", "1000000000000000",
    "seven | tojson", "tool | tojson", "floats | tojson", "[e20, small, large, minus, none_, yes] | tojson", "over | tojson",
    "1 / 2", "4 / 2", "7 // 2", "-7 // 2", "7.0 // 2", "neg // 2.0", "7 % 3", "neg % 3", "7.5 % 2", "neg % 2.5", "7 % -3.0", "2 ** 10", "2 ** 100", "2 ** -1", "2 ** 0.5",
    "2.0 ** 3", "1.0 * 2", "seven * 2", "seven + n", "n - seven", "n * n", "large + 1", "large * large", "large // 7", "large % 1000", "large / 10", "edge + 1", "edge - 1",
    "9007199254740991 + 1", "9007199254740991 * 9007199254740991", "0.1 + 0.2", "1e5" , "yes + yes", "yes * 2.5", "-yes", "-seven", "-large", "+n", "-minus", "-nothing", "1 / 0", "1 // 0.0", "1 % 0",
    "10 ** 22", "1e22", "1E-7", "2.5e+3", "1_000", "1_0.2_5", "0x1f", "0b101", "0o17", "[1e3, -2e-3]", "7 if 1e3 else 1", "1e3|int", "10.0 ** 22", "10 ** 22 / 1", "3 * 1.1", "n / 3", "1 / 3", "100 * 1.1", "0.1 * 3", "1.5e300 * 1e300", "seven == 7", "7 == 7.0", "large == 12345678901234567890", "edge == 9007199254740992",
    "edge > 9007199254740992", "large < e20", "seven < 7.5", "yes == 1.0", "seven is integer", "seven is float", "n is integer", "n is float", "yes is integer", "yes is number", "large is number",
    "seven in floats", "3 in floats", "'3' in floats", "seven | int", "half | int", "neg | int", "-2.7 | int", "'7.9' | int", "' 12 ' | int", "'1_000' | int", "'abc' | int", "'abc' | int(5)", "'0x1A' | int(0, 16)",
    "'ff' | int(0, 16)", "'101' | int(base=2)", "none_ | int", "e20 | int", "large | int", "'12345678901234567890' | int", "'1e3' | int", "n | float", "'2.50' | float", "'x' | float", "'x' | float(1.5)", "'1e-7' | float",
    "large | float", "yes | float", "'inf' | float", "'-.5' | float", "'5.' | float", "2.5 | round", "3.5 | round", "-2.5 | round", "0.5 | round", "2.675 | round(2)", "1.005 | round(2)", "2.125 | round(2)", "7 | round", "large | round",
    "3.14159 | round(3)", "42.55 | round(1, 'floor')", "42.55 | round(1, 'ceil')", "42.55 | round(method='ceil')", "1234.5 | round(-2)", "1250 | round(-2)", "1350 | round(-2)", "seven | round | int", "-7 | abs", "-7.0 | abs", "floats | sum", "floats | sum(start=0.5)",
    "[1, 2] | sum", "[0.1, 0.2, 0.3] | sum", "floats | min", "floats | max", "floats | sort", "floats | sort(reverse=true)", "[1, 1.0, 2, true] | unique | list", "range(3) | list", "range(5, 0, -2) | list", "n * 'ab'", "[1, 2] * 2",
    "floats[1]", "floats[-1] * seven", "12 is divisibleby" , "[3, 4] | select('odd') | list", "[3, 4, 6] | select('divisibleby', 3) | list", "1 if seven else 0", "1 if zero else 0", "not minus", "n is odd", "7.0 is odd",
    "people | map(attribute='age') | list", "people | sum(attribute='age')", "people | sort(attribute='age') | map(attribute='name') | join(',')", "loop_ is defined", "1 < 2.0", "seven >= 7", "0.1 + 0.2 == 0.3",
]

VALUES = [
    "names | sort", "names | sort(case_sensitive=true)", "names | reverse | list", "names | first", "names | last", "names | unique | list", "names | map('upper') | list", "names | map('upper') | join('-')",
    "names | select('in', ['a', 'b']) | list", "names | reject('equalto', 'a') | list", "people | selectattr('age', 'equalto', 7) | list", "people | rejectattr('name', 'in', ['Bo']) | map(attribute='name') | list", "people | map(attribute='absent', default='-') | list",
    "names | min", "names | max", "names | length", "astral | length", "astral[1]", "astral[::-1]", "astral | list", "astral | reverse", "astral[1:]", "names[::-1]", "names[1:3]", "names[-2:]", "names[5:]", "names[::2]", "(1, 2, 3)[1:]",
    "tool.name", "tool['name']", "tool.get('absent', 4.0)", "tool | items | list", "tool.parameters | dictsort", "tool.parameters.keys() | list", "tool.parameters.values() | list", "{'b': 1, 'a': 2} | dictsort", "{'b': 1, 'a': 2} | dictsort(by='value', reverse=true)",
    "html | tojson", "accents | tojson", "{'b': 1, 'a': [1, {}]} | tojson", "{'b': 1, 'a': [1.0, {}, []]} | tojson(indent=2)", "[] | tojson(indent=4)", "(1, 'a') | tojson", "undefined_ | tojson",
    "lines | indent", "lines | indent(2)", "lines | indent(2, true)", "lines | indent(2, true, true)", "lines | indent('> ')", "lines.splitlines()", "words.split()", "words.split(none, 1)", "words.rsplit(none, 1)", "path.split('/', 1)", "path.rsplit('/', 1)", "path.split('x')", "'a b '.split(none, 1)", "' a b'.rsplit(none, 1)", "'a b c'.split(none, 2)", "'a  b'.split(' ')", "''.split()", "''.split(',')", "'a,b,'.rsplit(',', 1)",
    "path.partition('/')", "path.rpartition('/')", "path.partition('x')", "path.replace('/', '.')", "path.replace('/', '.', 1)", "path.replace('', '-')", "path | replace('/', '.', 1)", "astral.replace('', '-', 2)", "path.find('b')", "astral.find('b')", "path.find('x')", "path.rfind('/')", "path.index('x')",
    "path.count('/')", "astral.count('')", "path.startswith('a')", "path.startswith(('x', 'a'))", "path.endswith('c')", "'-'.join(names)", "path.removeprefix('a/')", "path.removesuffix('/c')", "'7'.zfill(3)", "'-7'.zfill(4)", "'a'.ljust(3) ~ '|'", "'a'.rjust(3, '.')",
    "'12'.isdigit()", "'²'.isdigit()", "'1.5'.isdigit()", "'ab'.isalpha()", "''.isalpha()", "'aB'.isupper()", "'A1'.isupper()", "'1'.isupper()", "'a1'.islower()", "' \\t'.isspace()", "'a1'.isalnum()", "'½'.isnumeric()", "'ǆ'.title()", "'o\\'neil'.title()", "'ß'.upper()", "'ΑΣ'.lower()", "'ﬁx' | capitalize",
    "words | wordcount", "5 | upper", "none_ | upper", "'a' in 'cat'", "'a' not in names", "1 in [true]", "'name' in tool", "names is sequence", "names is iterable", "tool is mapping", "tool is sequence", "'x' is string", "1 is string", "none_ is none", "undefined_ is undefined", "'a' is lower", "'A' is upper", "'1' is upper",
    "range is callable", "namespace(a=1).a", "dict(a=1, b=seven)", "{'a': 1}['b'] is defined", "{1: 'a'}[1]", "[1, 2] + [3]", "(1,) + (2,)", "[1] + (2,)", "'a' < 'b'", "'a' < 1", "[1] == (1,)", "names.index('c')", "names.count('a')", "names.append('d')", "e or 'x'", "0 or ''", "none_ and 1", "seven and 'y'",
    "'a' if e else 'b'", "'a' if e", "undefined_ ~ 'x'", "undefined_ + 'x'", "undefined_ | default('d')", "e | default('d')", "e | default('d', true)", "e | d('d', boolean=true)", "undefined_.x", "none_.x", "tool.absent.x", "tool['items'] is defined", "tool.parameters['items']", "[[1, 2], [3]] | sum(start=[])",
    "'%s' | length", "'a' 'b'", "\"it's\" ~ '\"'", "['it\\'s', '\"']", "accents", "[accents]", "html | safe", "names | map('length') | sum", "[[1, 'a'], [2, 'b']] | map('first') | list", "'abc' | first", "'abc' | last", "[] | first | default('none')", "'a,b' | trim(',b')", "3 | list", "undefined_ | list", "undefined_ | length", "undefined_ | join", "undefined_ == none_", "undefined_ | upper", "undefined_ | int", "undefined_ is none", "[undefined_] | string",
]

STATEMENTS = [
    "{% for x in floats %}{{ loop.index }}:{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% for k, v in tool.parameters.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in tool %}{{ k }},{% endfor %}", "{% for c in astral %}[{{ c }}]{% endfor %}",
    "{% for x in floats if x > 2 %}{{ x }}:{{ loop.length }} {% endfor %}", "{% for x in names %}{{ loop.previtem | default('-') }}{{ x }}{{ loop.nextitem | default('-') }} {% endfor %}", "{% for x in names %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in 3 %}{% endfor %}", "{% for x in none_ %}{% endfor %}",
    "{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}", "{% for i in [1, 2] %}{{ y | default('-') }}{% set y = i %}{% endfor %}{{ y | default('-') }}", "{% if yes %}{% set z = 2.0 %}{% endif %}{{ z }}",
    "{% set ns = namespace(total=0.0) %}{% for x in floats %}{% set ns.total = ns.total + x %}{% endfor %}{{ ns.total }}", "{% set a, b = 1, 2.0 %}{{ b }}{{ a }}", "{% set t %}a{{ seven }}{% endset %}{{ t | length }}{{ t }}", "{% set t | upper %}ab{{ n }}{% endset %}{{ t }}",
    "{% macro m(a, b=2.0) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=1, a=seven) }} {{ m() }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(c=2) }}", "{% set q = 1 %}{% macro m() %}{{ q }}{% endmacro %}{% for q in [5] %}{{ m() }}{% endfor %}",
    "{% macro m(a) %}<{{ caller(a) }}>{% endmacro %}{% call(x) m(seven) %}{{ x }}!{% endcall %}", "{% filter upper %}a{{ 'b' }}{% endfilter %}", "{% for a, b in [[1, 2.0], (3, 4)] %}{{ a }}{{ b }}{% endfor %}", "{% for a, b in [[1]] %}{% endfor %}",
    "{% macro m() %}{{ [1, 2.0] }}{% endmacro %}{{ m() | trim }}", "{{ m }}", "{% set d = {'a': 1.0} %}{% for k in d | dictsort %}{{ k }}{% endfor %}", "{% if floats == [3, 1.5, 2.0, 10.0] %}equal{% endif %}", "{% for x in range(3) %}{% for y in range(2) %}{{ loop.index0 + loop.depth0 }}{% endfor %}{% endfor %}",
]

JSON_OPTIONS = ["indent=2", "indent=0", "indent='\\t'", "separators=(',', ':')", "sort_keys=true", "ensure_ascii=true", "ensure_ascii=true, indent=1, sort_keys=true"]


def in_transformers(template, variables):
    [text], _ = render_jinja_template([[]], chat_template=template, **variables)
    return text


def rendered(render, template):
    try:
        return render(template, json.loads(VARIABLES))
    except Exception:
        return None


def main() -> None:
    options = [f"[tool, accents, people, {{}}] | tojson({options})" for options in JSON_OPTIONS]
    templates = [*(f"{{{{ {expression} }}}}" for expression in [*NUMBERS, *VALUES, *options]), *STATEMENTS]
    cases = [[template, rendered(in_transformers, template), rendered(apply_template, template)] for template in templates]
    golden = {"variables": VARIABLES, "cases": cases}
    Path(sys.argv[1]).write_text(json.dumps(golden, separators=(",", ":")) + "\n")


main()
