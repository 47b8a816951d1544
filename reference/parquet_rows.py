"""Rows in a Parquet file with several row groups and compressions by pyarrow 26.0.1.

    python reference/parquet_rows.py fixtures/formats/rows.parquet fixtures/formats/rows-parquet.json
"""

import json
import sys

import pyarrow
import pyarrow.parquet

assert pyarrow.__version__ == "26.0.1"

rows = [
    {
        "question": f"What is {i} + {i}? Ünïcode \N{SNOWMAN} {'x' * (i % 5)}",
        "answer": None if i == 3 else str(2 * i),
        "messages": [
            {"role": "user", "content": f"Say {i}."},
            {"role": "assistant", "content": f"{i}\n"},
        ][: 2 if i % 4 else 1],
    }
    for i in range(10)
]
compression = {"question": "SNAPPY", "answer": "GZIP"}
for leaf in ("role", "content"):
    compression[f"messages.list.element.{leaf}"] = "ZSTD"

table = pyarrow.Table.from_pylist(rows)
pyarrow.parquet.write_table(table, sys.argv[1], row_group_size=4, compression=compression)
written = pyarrow.parquet.ParquetFile(sys.argv[1])
assert written.num_row_groups == 3 and written.read().to_pylist() == rows
codecs = {written.metadata.row_group(0).column(i).compression for i in range(4)}
assert codecs == {"SNAPPY", "GZIP", "ZSTD"}, codecs

with open(sys.argv[2], "w") as file:
    json.dump(rows, file, ensure_ascii=False, indent=1)
    file.write("\n")
