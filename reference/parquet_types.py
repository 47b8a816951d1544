"""A Parquet file with columns of many types by pyarrow 26.0.1, and its rows as JSON.

    python reference/parquet_types.py fixtures/formats/types.parquet fixtures/formats/types-parquet.json
"""

import datetime
import decimal
import json
import sys

import pyarrow
import pyarrow.parquet

assert pyarrow.__version__ == "26.0.1"

time = datetime.datetime(2026, 11, 29, 3, 4, 5, 678000)
columns = {
    "text": (pyarrow.string(), ["Grüße", None]),
    "large": (pyarrow.large_string(), ["a", "b"]),
    "choice": (pyarrow.dictionary(pyarrow.int32(), pyarrow.string()), ["yes", "no"]),
    "tiny": (pyarrow.int8(), [-1, 1]),
    "unsigned": (pyarrow.uint32(), [2**32 - 1, 0]),
    "whole": (pyarrow.int64(), [2**53 - 1, -7]),
    "half": (pyarrow.float32(), [0.5, -1.25]),
    "double": (pyarrow.float64(), [0.1, None]),
    "flag": (pyarrow.bool_(), [True, False]),
    "price": (pyarrow.decimal128(10, 2), [decimal.Decimal("0.35"), decimal.Decimal("-1234.56")]),
    "wide": (pyarrow.decimal128(30, 1), [decimal.Decimal("12.3"), None]),
    "day": (pyarrow.date32(), [time.date(), None]),
    "milli": (pyarrow.timestamp("ms"), [time, None]),
    "micro": (pyarrow.timestamp("us", tz="UTC"), [time, time]),
    "nano": (pyarrow.timestamp("ns"), [time, time]),
    "numbers": (pyarrow.list_(pyarrow.int64()), [[1, 2], []]),
    "nested": (pyarrow.list_(pyarrow.struct([("name", pyarrow.string()), ("ids", pyarrow.list_(pyarrow.int64()))])),
               [[{"name": "a", "ids": [1]}], [{"name": "b", "ids": []}]]),
    "huge": (pyarrow.int64(), [2**60 + 1, -(2**60) - 1]),
}
table = pyarrow.table({name: pyarrow.array(values, type) for name, (type, values) in columns.items()})
pyarrow.parquet.write_table(table, sys.argv[1])


def to_json(value):
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    if isinstance(value, datetime.date):
        return f"{value.isoformat()}T00:00:00.000Z"
    return value


rows = [{name: to_json(values[i]) for name, (_, values) in columns.items() if name != "huge"} for i in range(2)]
with open(sys.argv[2], "w") as file:
    json.dump(rows, file, ensure_ascii=False, indent=1)
    file.write("\n")
