r"""What math-verify 0.9.0 makes of pairs of answers and of whole texts.

    python reference/math_answers.py gsm8k/test.jsonl fixtures/math-answers.json

Both answers of a pair are given to it in a box, as `\boxed{answer}`, and the given one is verified against the gold one.
Hand-written pairs come with their variations; sums, products and radicals are drawn at random and rewritten by SymPy, some of
them changed. A text is parsed as it stands, without a box put around it; beside the verdict stands what it took as the answer.
"""

import json
import random
import sys
from importlib.metadata import version
from pathlib import Path

import sympy
from math_verify import parse, verify

assert version("math-verify") == "0.9.0"
generator = random.Random(11)
x, y = sympy.symbols("x y")

numbers = r"""
1/2 | \frac{1}{2}
0.5 | \frac12
.5 | \dfrac{1}{2}
-1/2 | -\frac{1}{2}
\frac{-1}{2} | -\frac{1}{2}
\frac{1}{-2} | -\frac{1}{2}
\tfrac{3}{4} | 0.75
2/4 | 1/2
3\frac{1}{2} | \frac{7}{2}
3 1/2 | 3.5
-3\frac{1}{2} | -3.5
1\dfrac{3}{5} | \frac{8}{5}
0.333333 | \frac{1}{3}
0.33 | \frac{1}{3}
0.3333 | \frac{1}{3}
33.333333 | \frac{100}{3}
3.14 | \pi
3.14159 | \pi
3.141593 | \pi
1.414214 | \sqrt{2}
1.41 | \sqrt{2}
0.1+0.2 | 0.3
0.30000000000000004 | 0.3
33.333333333333336 | 100/3
1,000 | 1000
1{,}000 | 1000
1\,000 | 1000
10\,000\,000 | 10^7
1,234,567 | 1234567
1,234.50 | 1234.5
12345678901234567890 | 12345678901234567891
12345678901234567890 | 12345678901234567890
1000000.5 | 1000000
0.00000001 | 0.00000002
1.5 \times 10^{3} | 1500
1.5\cdot 10^3 | 1500
1.5e3 | 1500
6.02 \times 10^{23} | 6.02e23
2 \times 10^{-3} | 0.002
2^{10} | 1024
2^{-1} | 0.5
2**10 | 1024
10^{100} | 10^{99}
5! | 120
\binom{5}{2} | 10
\dbinom{6}{3} | 20
007 | 7
+7 | 7
-0 | 0
--7 | 7
7. | 7
7.0 | 7
7.00 | 7
\frac{14}{2} | 7
2 + 5 | 7
2 \cdot 5 | 10
2 \times 5 | 10
20 \div 2 | 10
20/2 | 10
10 - 3 | 7
18 | 19
-18 | 18
1.8 | 18
180 | 18
\frac{2}{3} | \frac{3}{2}
0.\overline{3} | \frac{1}{3}
0.1\overline{6} | \frac{1}{6}
3:4 | \frac{3}{4}
6:8 | 3:4
3:4 | 3:4
3:4 | 4:3
\infty | \infty
-\infty | \infty
+\infty | \infty
2516_8 | 2516_8
2516_8 | 2516
1010_2 | 10
3,5 | 3.5
""".strip()

units = r"""
\$18 | 18
18\$ | 18
18 dollars | 18
18\text{ dollars} | 18
18 \text{ cm} | 18
18\mathrm{~cm} | 18
18\text{ cm}^2 | 18
18\text{ cm}^{3} | 18
18 cm^2 | 18
18 km | 18
18 apples | 18
18 \text{ apples per day} | 18
18 miles per hour | 18
18 square units | 18
18^\circ | 18
18^{\circ} | 18
18° | 18
18 degrees | 18
18\text{ degrees} | 18
€18 | 18
£18.50 | 18.5
\$1,250.00 | 1250
25\% | 25
25% | 25
25\% | 0.25
0.25 | 25\%
25 | 25\%
25 percent | 25\%
25\% | \frac{1}{4}
12.5\% | 12.5
12.5\% | 0.125
2500\% | 25
26\% | 25
\text{18} | 18
\mathbf{18} | 18
18\text{ feet} | 18\text{ inches}
3 \text{ hours} | 3
5 \pi \text{ cm} | 5\pi
\frac{3}{4}\text{ cup} | 0.75
18 \text{ eggs} | 19 \text{ eggs}
18m | 18
18 m/s | 18
""".strip()

symbolic = r"""
2x | 2 \cdot x
2x | x + x
x^2 + 2x + 1 | (x+1)^2
(x+1)(x-1) | x^2-1
x^2-1 | x^2+1
(x-1)(x+1) | (x+1)^2
\frac{x^2-1}{x-1} | x+1
x(y+z) | xy+xz
xy | yx
ab | ba
x | y
x | X
2x+1 | 2y+1
\frac{x}{2} | 0.5x
\frac{x}{2} | \frac{1}{2}x
\frac{1}{x} | x^{-1}
\sqrt{x} | x^{1/2}
\sqrt{x^2} | |x|
\sqrt{x^2} | x
\sqrt{8} | 2\sqrt{2}
\sqrt{8} | 2\sqrt2
\sqrt{12} | 2\sqrt{3}
\frac{\sqrt{3}}{3} | \frac{1}{\sqrt{3}}
\frac{1}{2\sqrt{2}} | \frac{\sqrt{2}}{4}
\sqrt{5+2\sqrt{6}} | \sqrt{2}+\sqrt{3}
\sqrt{2}+\sqrt{3} | \sqrt{5}
\sqrt[3]{8} | 2
\sqrt[3]{54} | 3\sqrt[3]{2}
\sqrt 2 | \sqrt{2}
sqrt(2) | \sqrt{2}
\sqrt{-4} | 2i
(1+i)^2 | 2i
3+4i | 4i+3
3+4i | 3-4i
i^2 | -1
e^{i\pi} | -1
2\pi | 6.283185
2\pi | 2 \pi
\frac{\pi}{2} | \frac{1}{2}\pi
\frac{\pi}{2} | 0.5\pi
\frac{\pi}{2} | \frac{\pi}{3}
pi/2 | \frac{\pi}{2}
2π | 2\pi
\log_2 8 | 3
\log_{2}{8} | 3
\log_{10} 100 | 2
\log 100 | 2
\ln e | 1
\ln(e^2) | 2
\ln 4 | 2 \ln 2
\ln(x^2) | 2\ln x
\sin^2 x + \cos^2 x | 1
\sin(2x) | 2\sin x\cos x
\sin 30 | \sin 31
\sin\frac{\pi}{6} | \frac{1}{2}
\cos(\pi/3) | 0.5
\tan x | \frac{\sin x}{\cos x}
\cos 2x | 1 - 2\sin^2 x
\sin^{-1}(1) | \frac{\pi}{2}
\arcsin 1 | \frac{\pi}{2}
e^x | \exp(x)
e^{2x} | (e^x)^2
e^{x} | e^{y}
|{-3}| | 3
|x-2| | |2-x|
\left|x\right| | |x|
\lfloor 3.7 \rfloor | 3
\lceil 3.2 \rceil | 4
x_1 + x_2 | x_2 + x_1
x_{1} | x_1
n! | n(n-1)!
(n+1)! | (n+1) n!
\frac{n(n+1)}{2} | \frac{n^2+n}{2}
2^{n+1} | 2 \cdot 2^n
2^{n} | n^{2}
\alpha+\beta | \beta+\alpha
\theta | \phi
a^2-b^2 | (a-b)(a+b)
\dfrac{a}{b} | a/b
\frac{a+b}{2} | \frac{a}{2}+\frac{b}{2}
\frac{a+b}{2} | a+\frac{b}{2}
\left(\frac{1}{2}\right)^2 | \frac14
{2} | 2
(2) | 2
[2] | 2
\left( x+1 \right) | x+1
x\cdot x | x^2
3x^2y | 3yx^2
-(x-1) | 1-x
1-x | x-1
\frac{1-x}{2} | -\frac{x-1}{2}
""".strip()

relations = r"""
x = 3 | 3
3 | x = 3
x=3 | x = 3
x=3 | y=3
x = 3 | x = 4
3 = x | x = 3
x = \frac{6}{2} = 3 | 3
1 + 2 = 3 | 3
f(x) = 2x | 2x
f(x) = 2x | f(x) = x + x
y = 2x + 1 | 2x + 1
y = 2x + 1 | y - 2x = 1
y = 2x + 1 | 2x - y + 1 = 0
2y = 4x + 2 | y = 2x + 1
y = 2x + 1 | y = 2x - 1
x + y = 3 | 2x + 2y = 6
x^2 + y^2 = 4 | y^2 + x^2 = 4
x > 3 | 3 < x
x > 3 | x \ge 3
x > 3 | x < 3
x \geq 3 | x \ge 3
x >= 3 | x \ge 3
x ≥ 3 | x \geq 3
2x > 6 | x > 3
-x > 3 | x < -3
1 < x < 2 | 2 > x > 1
1 < x < 2 | (1,2)
(1,2) | 1 < x < 2
1 \le x \le 2 | [1,2]
[1,2] | 1 \le x \le 2
x > 3 | (3,\infty)
(3,\infty) | x > 3
x \in [1,2] | [1,2]
x \in [1,2] | 1 \leq x \leq 2
x \neq 0 | x \ne 0
x \neq 0 | x \neq 1
x < 1 or x > 5 | (-\infty,1) \cup (5,\infty)
x \in (-\infty,1) \cup (5,\infty) | (-\infty,1)\cup(5,\infty)
""".strip()

collections = r"""
\{1,2,3\} | \{3,2,1\}
\{1,2\} | \{1,2,3\}
\{1,2\} | 1,2
1,2 | 2,1
1,2 | 1,3
1, 2 | \{2, 1\}
1 and 2 | 1, 2
1 \text{ and } 2 | 1,2
1 or 2 | 1,2
x = 1, x = 2 | 1, 2
x = 1 \text{ or } x = 2 | \{1,2\}
x = 1, 2 | 1, 2
x_1 = 1, x_2 = 2 | 1, 2
\pm 2 | 2, -2
\pm 2 | -2, 2
x = \pm 2 | -2, 2
1 \pm \sqrt{2} | 1+\sqrt{2}, 1-\sqrt{2}
1 \pm \sqrt{2} | 1 \mp \sqrt{2}
\frac{-1 \pm \sqrt{5}}{2} | \frac{-1+\sqrt5}{2}, \frac{-1-\sqrt5}{2}
\pm 2 | 2
\{0.5, 2\} | \{2, \frac{1}{2}\}
\{\sqrt{8}\} | \{2\sqrt{2}\}
\{1\} | 1
\{2,2\} | \{2\}
\emptyset | \varnothing
\{\} | \emptyset
\{0\} | \emptyset
(1,2) | (1,2)
(1,2) | (2,1)
(1, 2) | \left(1,2\right)
(1,2) | (1,2,3)
(0.5, 2) | (\frac12, 2)
(1,2) | 1,2
(2,1) | 1,2
(1,2) | [1,2]
(1,2) | \{1,2\}
(-1, \frac{3}{4}) | (-1, 0.75)
(x, y) = (1, 2) | (1,2)
x=1,y=2 | (1,2)
(1,2),(3,4) | (3,4),(1,2)
(1,2),(3,4) | (1,2),(4,3)
(1,2), (3,4) | \{(1,2),(3,4)\}
[0,1) | [0,1)
[0,1) | [0,1]
[0,1) | (0,1)
[0,1) | \left[0, 1\right)
(0,100) | (0,100)
(-\infty, 2] | (-\infty,2]
(-\infty, 2] | (-\infty,2)
(-\infty, 2] | (-oo,2]
(-\infty, \infty) | \mathbb{R}
(-\infty,1)\cup(5,\infty) | (5,\infty)\cup(-\infty,1)
(-\infty,1)\cup(5,\infty) | (-\infty,1)\cup(6,\infty)
(-\infty,1)\cup(5,\infty) | (-\infty,1]\cup[5,\infty)
[1,2] \cup \{3\} | \{3\} \cup [1,2]
\begin{pmatrix}1&2\\3&4\end{pmatrix} | \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}
\begin{pmatrix}1&2\\3&4\end{pmatrix} | \begin{bmatrix}1&2\\3&4\end{bmatrix}
\begin{pmatrix}1&2\\3&4\end{pmatrix} | \begin{pmatrix}1&3\\2&4\end{pmatrix}
\begin{pmatrix}\frac12\\0\end{pmatrix} | \begin{pmatrix}0.5\\0\end{pmatrix}
\begin{pmatrix}1\\2\end{pmatrix} | \begin{pmatrix}1&2\end{pmatrix}
\begin{pmatrix}2&4\\6&8\end{pmatrix} | 2\begin{pmatrix}1&2\\3&4\end{pmatrix}
\begin{pmatrix}x+x\\y\end{pmatrix} | \begin{pmatrix}2x\\y\end{pmatrix}
\begin{pmatrix}1\\2\end{pmatrix} | (1,2)
""".strip()

words = r"""
\text{blue} | blue
\text{Blue} | \text{blue}
\text{blue} | \text{red}
\text{(A)} | A
(A) | A
\text{A} | A
A | B
B | b
\text{Monday} | Monday
\text{no solution} | \text{no solutions}
\text{June 20} | \text{June 20}
\text{June 20} | \text{June 21}
\text{odd} | \text{even}
\text{yes} | \text{no}
\text{True} | \text{true}
\text{Margaret} | \text{Margaret and Evelyn}
10:30 | 10:30
10:30 | 10:31
""".strip()


def vary_number(gold):
    """Ways to write a gold answer of GSM8K, and what is not equal to it."""
    number = float(gold.replace(",", ""))
    plain = f"{number:g}" if number % 1 else f"{int(number)}"
    with_separators = f"{number:,.2f}"
    same = [
        plain, with_separators, f"\\${with_separators}", f"{plain} dollars", f"{plain}.0" if number % 1 == 0 else plain + "0",
        f"\\text{{{plain}}}", f"\\frac{{{plain}}}{{1}}", f"{plain}\\text{{ miles}}", f"x = {plain}", f"{plain}\\%", f" {plain} .",
        f"\\frac{{{int(number * 6)}}}{{6}}" if number % 1 == 0 else f"{plain}+0", f"{plain} \\times 1", f"{plain}^1",
        with_separators.replace(",", "{,}"), f"{plain} \\text{{ clips in total}}", f"\\left({plain}\\right)", f"\\mathbf{{{plain}}}",
        f"{number / 1000:.12g} \\times 10^3", f"{number:.6e}", f"{plain} hours", f"\\${plain}",
    ]  # fmt: skip
    other = [
        f"{number + 1:g}" if number < 1e5 else f"{int(number) + 1}", f"-{plain}", f"{plain}0", f"{plain}.5", f"1{plain}",
        f"\\frac{{{plain}}}{{2}}", f"{plain}+2", f"\\sqrt{{{plain}}}" if number != 1 else "2", f"x = {plain}1", f"{plain} \\times 10",
    ]  # fmt: skip
    return generator.sample(same, 4) + generator.sample(other, 2)


def draw_polynomials(count):
    for i in range(count):
        factors = [generator.randint(1, 3) * generator.choice([x, y]) + generator.randint(-4, 4) for _ in range(2)]
        product = sympy.Mul(*factors, evaluate=False)
        change = generator.choice([1, x, sympy.Rational(1, 2)]) if i % 3 == 0 else 0
        yield sympy.latex(product), sympy.latex(sympy.expand(product) + change)


def draw_radicals(count):
    for i in range(count):
        under = generator.choice([2, 3, 5, 6, 7])
        a, b = generator.randint(1, 9), generator.randint(2, 9)
        unsimplified = f"\\frac{{{a}}}{{{b} \\sqrt{{{under}}}}}"
        change = generator.choice([sympy.Rational(1, 3), sympy.sqrt(2) / 10]) if i % 3 == 0 else 0
        yield unsimplified, sympy.latex(sympy.radsimp(sympy.Integer(a) / (b * sympy.sqrt(under))) + change)


def draw_fractions(count):
    for i in range(count):
        fraction = sympy.Rational(generator.randint(-40, 40), generator.randint(2, 25))
        factor = generator.randint(2, 9)
        given = f"\\dfrac{{{fraction.p * factor}}}{{{fraction.q * factor + (i % 3 == 0)}}}"
        yield given, sympy.latex(fraction)


def draw_sets(count):
    for i in range(count):
        elements = [sympy.Rational(number, 4) for number in generator.sample(range(-20, 20), 3)]
        shuffled = generator.sample(elements, 3)
        if i % 3 == 0:
            shuffled[0] += 10
        given = ", ".join(f"{float(element):g}" for element in shuffled)
        yield "\\{" + given + "\\}", "\\left\\{" + ", ".join(sympy.latex(element) for element in elements) + "\\right\\}"


def draw_intervals(count):
    for i in range(count):
        low, width = generator.randint(-9, 9), generator.randint(1, 9)
        left, right = generator.choice("(["), generator.choice(")]")
        high = f"{(low + width) * 2}/2" if i % 3 else f"{low + width + 1}"
        yield f"{left}{low}, {high}{right}", f"\\left{left}{low},{low + width}\\right{right}"


def judge(given, gold):
    return verify(parse(f"\\boxed{{{gold}}}"), parse(f"\\boxed{{{given}}}"))


written = [line.split(" | ") for part in [numbers, units, symbolic, relations, collections, words] for line in part.split("\n")]
answers = [json.loads(line)["answer"].split("#### ")[1] for line in open(sys.argv[1], encoding="utf-8")]
varied = [[given, gold] for gold in generator.sample(answers, 50) for given in vary_number(gold)]
drawn = [
    list(pair)
    for draw, count in [(draw_polynomials, 45), (draw_radicals, 36), (draw_fractions, 36), (draw_sets, 24), (draw_intervals, 24)]
    for pair in draw(count)
]
pairs = [[given, gold, judge(given, gold)] for given, gold in written + varied + drawn]

texts = [
    (r"So the sum is $\boxed{42}$.", "42"),
    (r"First \boxed{1}, no: the sum is then \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
    (r"We get \boxed{\{1, \{2\}\}}", r"\{1,\{2\}\}"),
    (r"Thus $x=\boxed{3}$ and nothing else.", "3"),
    (r"$\boxed{x = 3}$", "3"),
    (r"\fbox{7}", "7"),
    (r"$\boxed 7$ apples", "7"),
    (r"\boxed{5", "5"),
    (r"The answer is 4. But \boxed{5} was asked.", "5"),
    (r"\boxed{5} Hence the answer is 4.", "5"),
    (r"The solutions are \boxed{1} and \boxed{2}.", "1, 2"),
    (r"\boxed{\text{(B)}}", "B"),
    (r"\boxed{\begin{pmatrix} 1 \\ 2 \end{pmatrix}}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
    (r"\[ \boxed{\dfrac{3}{4}} \]", r"\frac34"),
    ("The answer is 18.", "18"),
    ("The answer is 18", "18"),
    ("The answer is: 18.", "18"),
    ("The answer is $18.", "18"),
    ("The answer is $18.50.", "18.5"),
    ("The answer is $1,250 in total.", "1250"),
    ("The answer is 1,250 dollars.", "1250"),
    ("The answer is 25%.", "25"),
    ("The answer is -3.", "-3"),
    ("The answer is 3/4.", "3/4"),
    ("The answer is 3/4 of a cup.", "3/4"),
    ("The answer is **18**.", "18"),
    ("**Answer:** 18", "18"),
    ("Answer: 18", "18"),
    ("Answer: $x + 1$", "x+1"),
    ("Final answer: 18 apples, since 20 - 2 = 18.", "18"),
    ("The final answer is $\\frac{1}{2}$. I hope it is correct.", "1/2"),
    ("The final answer is: $\\sqrt{2}$", r"\sqrt2"),
    ("The answer is $5$ dollars for 3 days.", "5"),
    ("The answer is 5 because 2 + 3 = 5.", "5"),
    ("The answer is 2. The answer is 3.", "3"),
    ("The answer is x = 5.", "5"),
    ("The answer is therefore 18.", "18"),
    ("The answer is that Tom has 18 pens.", "18"),
    ("the answer is 2\\pi", "2\\pi"),
    ("The answer is (1, 2).", "(1,2)"),
    ("The answer is $(1, 2)$.", "(1,2)"),
    ("The answer is 1.5 x 10^3.", "1500"),
    ("16 - 3 - 4 = 9\n9 * 2 = 18\n#### 18", "18"),
    ("#### 1,250", "1250"),
    ("#### $18", "18"),
    ("#### 18\n\nQ: What is 3 + 4?\nA: 3 + 4 = 7\n#### 7", "18"),
    ("So it is 18.\n#### 18 dollars", "18"),
    ("#### -5", "-5"),
    ("She earns 9 * 2 = $18.", "18"),
    ("She earns $18 every day", "18"),
    ("She has 3 pens and 4 books, so 7 things.", "7"),
    ("It takes 2.5 hours", "2.5"),
    ("It takes .5 hours", "0.5"),
    ("The total is 1,250.", "1250"),
    ("x = 5-3", "2"),
    ("That is 25% of them", "25"),
    ("The probability is $\\frac{3}{4}$.", "3/4"),
    ("The probability is 3/4", "3/4"),
    ("Then $x = 7$ follows.", "7"),
    ("We have \\(x^2 + 1\\).", "x^2+1"),
    ("between 10 and 20", "20"),
    ("from -3 to -5", "-5"),
    ("No numbers here.", "18"),
    ("", "18"),
    ("It is eighteen.", "18"),
    ("2024-05-17", "17"),
    ("<think>1 or 2?</think> It is \\boxed{2}.", "2"),
    ("Answer:\n\n18", "18"),
    ("The answer is:\n$$18$$", "18"),
    ("The answer is:\n\\[ x = \\frac{1}{2} \\]", "1/2"),
]  # fmt: skip


def judge_text(text, gold):
    parsed = parse(text)
    return [text, gold, verify(parse(f"\\boxed{{{gold}}}"), parsed), parsed[-1] if parsed else None]


golden = {"pairs": pairs, "texts": [judge_text(text, gold) for text, gold in texts]}
Path(sys.argv[2]).write_text(json.dumps(golden, ensure_ascii=False, indent=0) + "\n")
print(len(pairs), "pairs,", sum(equal for _, _, equal in pairs), "equal,", len(texts), "texts")
