"""Numbers in a Parquet file by pyarrow 26.0.1, and how Python prints them.

    python reference/parquet_numbers.py fixtures/formats/numbers.parquet fixtures/formats/numbers-parquet.json
"""

import json
import sys

import pyarrow
import pyarrow.parquet

assert pyarrow.__version__ == "26.0.1"

schema = pyarrow.schema(
    [
        ("double", pyarrow.float64()),
        ("single", pyarrow.float32()),
        ("whole", pyarrow.int32()),
        ("long", pyarrow.int64()),
        ("yes", pyarrow.bool_()),
        ("doubles", pyarrow.list_(pyarrow.float64())),
        ("nested", pyarrow.struct([("a", pyarrow.float64()), ("b", pyarrow.int32()), ("c", pyarrow.list_(pyarrow.float32()))])),
        ("structs", pyarrow.list_(pyarrow.struct([("x", pyarrow.float64()), ("y", pyarrow.int32())]))),
    ]
)
rows = [
    {
        "double": double,
        "single": single,
        "whole": i,
        "long": 2**62 + i if i == 1 else i,
        "yes": i == 1,
        "doubles": [double, 2.0, 0.1],
        "nested": {"a": double, "b": i, "c": [1.0, single]},
        "structs": [{"x": 3.0, "y": 3}, {"x": 0.25, "y": i}],
    }
    for i, (double, single) in enumerate([(7.0, 1.5), (1e20, 0.1), (-0.0, 16777216.0), (1e-7, 2.0), (2.5, 1e10)])
]
pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), sys.argv[1], compression="SNAPPY")
read = pyarrow.parquet.ParquetFile(sys.argv[1]).read().to_pylist()
with open(sys.argv[2], "w") as file:
    json.dump([{name: str(value) for name, value in row.items()} for row in read], file, indent=1)
    file.write("\n")
