"""Runs the SQL blocks of the documents with DuckDB over a snapshot.

documents_sql.py SNAPSHOTS < LIST

LIST is the output of blocks.py. A block that names `snapshots/latest` runs next to the folder of snapshots, any other
one in the newest snapshot. A block below the heading of a rule in docs/rules.md must return the subjects of the rule's
findings.
"""

import os
import pathlib
import sys

import duckdb

snapshots = pathlib.Path(sys.argv[1]).resolve()
blocks = [line.rstrip("\n").split("\t") for line in sys.stdin]
duck = duckdb.connect()
duck.execute("set timezone = 'UTC'")
run = compared = 0
for path, info, document, line, heading in blocks:
    if info != "sql":
        continue
    text = pathlib.Path(path).read_text(encoding="utf-8")
    os.chdir(snapshots.parent if "snapshots/latest" in text else snapshots / "latest")
    try:
        result = duck.execute(text)
        columns = [column[0] for column in result.description]
        rows = result.fetchall()
    except duckdb.Error as error:
        sys.exit(f"{document}:{line}: {error}")
    run += 1
    if document == "docs/rules.md" and columns[:2] == ["source", "id"]:
        wanted = duck.execute(
            "SELECT source, subject_id FROM 'findings.parquet' WHERE rule = ? AND status <> 'resolved'", [heading]
        ).fetchall()
        found = sorted({row[:2] for row in rows})
        assert found == sorted(wanted) and wanted, (document, line, heading, found, wanted)
        compared += 1
assert run > 10 and compared > 8, (run, compared)
print(f"DuckDB runs {run} blocks; {compared} of them return exactly the findings of their rules")
