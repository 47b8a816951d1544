"""A dataset of questions with choices as the Hub holds it: nested lists and labels of 64 bits.

    python reference/parquet_choices.py fixtures/evaluation/choices.parquet
"""

import sys

import datasets

rows = [
    {"question": "What is wet?", "choices": {"text": ["Water", "Fire"], "label": ["A", "B"]}, "label": 0},
    {"question": "What is hot?", "choices": {"text": ["Ice", "Fire"], "label": ["A", "B"]}, "label": 1},
]
datasets.Dataset.from_list(rows).to_parquet(sys.argv[1])
