"""TF-IDF vectors of scikit-learn and the mean cosines between two sets of texts, for src/alignment/lexical.ts.

    python reference/lexical_alignment.py fixtures/miniature fixtures/alignment
"""

import json
import re
import sys
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

source, out = map(Path, sys.argv[1:])
out.mkdir(parents=True, exist_ok=True)


def words(text):
    # The texts have no punctuation or symbols beyond ASCII.
    return re.sub(r"[!-/:-@\[-`{-~]", "", text.lower()).split()


def read(name, count):
    rows = [json.loads(line) for line in (source / f"{name}.jsonl").read_text().splitlines()[:count]]
    return [f"{row['question']}\n{row['answer']}" for row in rows]


def mean_of_others(similarity):
    n = len(similarity)
    return (similarity.sum() - np.trace(similarity)) / (n * (n - 1))


cases = []
for a, b, sizes in [("math-train", "math-held-out", (12, 5)), ("math-train", "computing-held-out", (9, 9)), ("commonsense-train", "math-held-out", (7, 20))]:
    texts = [read(a, sizes[0]), read(b, sizes[1])]
    vectorizer = TfidfVectorizer(analyzer=lambda text: [*(w := words(text)), *(" ".join(pair) for pair in zip(w, w[1:]))])
    vectors = vectorizer.fit_transform(texts[0] + texts[1]).toarray()
    x, y = vectors[: sizes[0]], vectors[sizes[0] :]
    score = (x @ y.T).mean() / np.sqrt(mean_of_others(x @ x.T) * mean_of_others(y @ y.T))
    cases.append({"a": a, "b": b, "sizes": sizes, "score": float(score)})

(out / "lexical.json").write_text(json.dumps(cases, indent=1) + "\n")
