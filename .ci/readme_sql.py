"""Runs the queries of README.txt in the folder of a snapshot, as a reader pastes them into DuckDB.

readme_sql.py SNAPSHOT
"""

import json
import os
import pathlib
import sys

import duckdb

os.chdir(sys.argv[1])
manifest = json.loads(pathlib.Path("manifest.json").read_text(encoding="utf-8"))
text = pathlib.Path("README.txt").read_text(encoding="utf-8")
section = text.split("Recompute without bt-rollcall")[1].split("\nColumns\n")[0]
lines = [line for line in section.splitlines() if line.startswith("    ")]
# A semicolon at the end of a line ends a query; another one is the separator of a CSV file.
queries = [query for query in "\n".join(lines).split(";\n") if query.strip()]
duck = duckdb.connect()
counts, by_rule, stale = [duck.execute(query).fetchall() for query in queries]
assert len(counts) == 3 and all(listed == recomputed for _, listed, recomputed in counts), counts
assert dict(by_rule) == manifest["counts"]["findings"], by_rule
assert stale and all(recomputed == age_days >= threshold for *_, recomputed, age_days, threshold in stale), stale
print(f"README.txt: {len(queries)} queries return what {manifest['run_id']} says")
