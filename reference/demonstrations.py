"""How demonstrations are chosen: BM25 by bm25s 0.3.16, determinantal point processes and LMS3 by NumPy 2.4.6, from their formulas.

    python reference/demonstrations.py fixtures

Writes `demonstrations.json`: BM25 scores; kernels with the greedy sets by their determinants, the Cholesky factor and, of the small ones,
the best set of all; LMS3's quantities of random projections in several layouts of heads, and of such with biases and norms.
"""

import itertools
import json
import sys
from pathlib import Path

import bm25s
import numpy as np

TEXTS = [
    "Tom has 3 pens and buys 4 pens. How many pens has Tom?",
    "A train goes 160 miles in 2 hours. How fast is the train?",
    "Ann eats 2 of 5 plums. How many plums are left?",
    "A baker bakes 12 loaves an hour. How many loaves are baked in 3 hours?",
    "How many?",
    "The train is late by 2 hours, and the next train by 3 hours.",
]
QUERIES = ["How fast is a train that goes 90 miles in 2 hours?", "pens pens plums", "nothing of it"]


def words(text: str) -> list[str]:
    return "".join(c for c in text.lower() if c.isalnum() or c.isspace()).split()


def bm25() -> dict:
    index = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
    index.index([words(text) for text in TEXTS], show_progress=False)
    # bm25s leaves out the factor k1 + 1, as Lucene does.
    scores = [(2.5 * index.get_scores(words(query)).astype(float)).tolist() for query in QUERIES]
    return dict(texts=TEXTS, queries=QUERIES, scores=scores)


def dpp(seed: int, n: int, rank: int, k: int, is_small: bool) -> dict:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(n, rank))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    quality = np.exp(random.uniform(-1, 1, size=n))
    kernel = quality[:, None] * (1 + vectors @ vectors.T) / 2 * quality

    def det(places) -> float:
        return float(np.linalg.det(kernel[np.ix_(places, places)]))

    greedy: list[int] = []
    for _ in range(k):
        greedy.append(max((i for i in range(n) if i not in greedy), key=lambda i: det(greedy + [i])))
    factor = np.linalg.cholesky(kernel[np.ix_(greedy, greedy)])
    case = dict(kernel=kernel.tolist(), k=k, greedy=greedy, gains=(np.diag(factor) ** 2).tolist())
    if is_small:
        best = max(itertools.combinations(range(n), k), key=det)
        case |= dict(best=list(best), bestDeterminant=det(best))
    return case


def lms3(seed: int, heads: int, groups: int, width: int, hidden: int, extras: str = "", offset: float = 0.0) -> dict:
    random = np.random.default_rng(seed)

    def draw(*shape):
        return random.normal(size=shape).astype(np.float32).astype(float)

    q, k, v = draw(heads * width, hidden), draw(groups * width, hidden), draw(groups * width, hidden)
    pool, tests = draw(7, hidden), draw(2, hidden)
    parts: dict = {}
    eps = 1e-6
    queries, values, keys = pool @ q.T, pool @ v.T, k
    if "bias" in extras:
        parts |= dict(queryBias=draw(heads * width), valueBias=draw(groups * width))
        queries, values = queries + parts["queryBias"], values + parts["valueBias"]
    if "norm" in extras:
        size = width if extras.endswith("heads") else None
        parts |= dict(queryNorm=draw(size or heads * width), keyNorm=draw(size or groups * width))
        rows = queries.reshape(len(pool), -1, size or heads * width)
        rows = rows / np.sqrt((rows**2).mean(-1, keepdims=True) + eps) * (parts["queryNorm"] + offset)
        queries = rows.reshape(len(pool), -1)
        keys = (np.tile(parts["keyNorm"], groups * width // len(parts["keyNorm"])) + offset)[:, None] * k
    # Head h of the queries belongs to group h // (heads // groups).
    repeated = np.concatenate([keys[h // (heads // groups) * width :][:width] for h in range(heads)])
    images = queries @ repeated
    stability = np.linalg.norm(values, axis=1) / np.sqrt(hidden)
    similarity = np.linalg.norm(tests[:, None] - images[None], axis=2)
    case = dict(
        config=dict(
            numAttentionHeads=heads,
            numKeyValueHeads=groups,
            headDim=width,
            hiddenSize=hidden,
            rmsNormEps=eps,
            normOffset=offset,
        ),
        projections=dict(query=q, key=k, value=v, **parts),
        pool=pool,
        tests=tests,
        similarity=similarity,
        stability=stability,
    )
    if heads * width == hidden:
        released = queries @ repeated.T
        case["releasedSimilarity"] = np.linalg.norm(tests[:, None] - released[None], axis=2)
    return case


def plain(value):
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


golden = dict(
    bm25=bm25(),
    dpp=[dpp(seed, 6, 4, k, True) for seed, k in enumerate([1, 2, 3, 4])] + [dpp(9, 24, 8, 6, False)],
    lms3=[
        lms3(0, heads=4, groups=4, width=4, hidden=16),
        lms3(1, heads=4, groups=2, width=4, hidden=16),
        lms3(2, heads=6, groups=1, width=4, hidden=16),
        lms3(3, heads=4, groups=2, width=4, hidden=16, extras="bias"),
        lms3(4, heads=4, groups=2, width=4, hidden=16, extras="norm heads", offset=1.0),
        lms3(5, heads=4, groups=2, width=4, hidden=16, extras="norm all"),
    ],
)
(Path(sys.argv[1]) / "demonstrations.json").write_text(json.dumps(plain(golden), separators=(",", ":")) + "\n")
