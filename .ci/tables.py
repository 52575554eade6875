"""Reads all tables of a snapshot with PyArrow and DuckDB. Compares columns, types, metadata and cells with the CSV.

tables.py SNAPSHOT
"""

import csv
import datetime
import json
import os
import pathlib
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

snapshot = sys.argv[1]
csv.field_size_limit(1 << 24)
UTF8, BOOL, INT, LIST = pa.string(), pa.bool_(), pa.int64(), pa.list_(pa.string())
TIME = pa.timestamp("us", tz="UTC")


def columns(text):
    types = {"b": BOOL, "i": INT, "l": LIST, "t": TIME}
    pairs = (column.partition(":") for column in text.split())
    return {name: types.get(kind, UTF8) for name, _, kind in pairs}


TABLES = {
    "users": columns(
        "source id username display_name email_address enabled:b account_type kind group_memberships:l groups_known:b "
        "public_key last_login:t last_login_status created_at:t locale is_admin:b mfa:b expires_at:t "
        "is_privileged:b group_names:l person blocked signs_in_by inferred_type groups_confirmed_at:t "
        "enabled_since:t first_seen:t confirmed_at:t unconfirmed_since:t extra"
    ),
    "groups": columns(
        "source id name description privileged:b member_count:i external_member_count:i owner members_confirmed_at:t "
        "first_seen:t confirmed_at:t extra"
    ),
    "memberships": columns(
        "source group_id group_name user_id username via external_name email_address enabled:b last_login:t "
        "first_seen:t confirmed_at:t"
    ),
    "findings": columns(
        "source fingerprint rule severity status subject_kind subject_id subject_name subject_display_name "
        "subject_email title evidence action controls:l first_seen:t last_seen:t exception"
    ),
    "changes": columns("source event_id kind subject_kind subject_id subject_name field before after base_run"),
}


def cell(value):
    """Returns a Parquet value in the form that the CSV has."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, datetime.datetime):
        text = value.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
        return (text if value.year >= 1000 else text.zfill(len(text) + 4 - len(str(value.year)))) + "Z"
    return str(value)


manifest = json.load(open(f"{snapshot}/manifest.json", encoding="utf-8"))
files = {entry["path"]: entry for entry in manifest["files"]}
duck = duckdb.connect()
duck.execute("set timezone = 'UTC'")
for table, wanted in TABLES.items():
    path = f"{snapshot}/{table}.parquet"
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    assert schema.names == list(wanted), (table, schema.names)
    for name, kind in wanted.items():
        found = schema.field(name).type
        same = found == kind or (pa.types.is_list(kind) and pa.types.is_list(found) and found.value_type == UTF8)
        assert same, (table, name, found, kind)
    about = {key.decode(): value.decode() for key, value in file.metadata.metadata.items()}
    assert about["bt_rollcall.run_id"] == manifest["run_id"]
    assert about["bt_rollcall.schema_version"] == "1"
    assert about["bt_rollcall.completeness"] == manifest["completeness"]
    for group in range(file.metadata.num_row_groups):
        for column in range(file.metadata.num_columns):
            assert file.metadata.row_group(group).column(column).compression == "ZSTD"
    rows = [[cell(row[name]) for name in wanted] for row in file.read().to_pylist()]
    with open(f"{snapshot}/{table}.csv", encoding="utf-8", newline="") as text:
        written = list(csv.reader(text))
    assert written[0] == list(wanted), (table, written[0])
    for place, (one, other) in enumerate(zip(rows, written[1:], strict=True)):
        for name, parquet, plain in zip(wanted, one, other, strict=True):
            same = json.loads(parquet) == json.loads(plain) if wanted[name] == LIST and parquet else parquet == plain
            assert same, (table, place, name, parquet, plain)
    assert len(rows) == len(written) - 1 == files[f"{table}.parquet"]["rows"] == files[f"{table}.csv"]["rows"]
    # DuckDB reads the same rows with the expected types.
    kinds = {UTF8: "VARCHAR", BOOL: "BOOLEAN", INT: "BIGINT", LIST: "VARCHAR[]", TIME: "TIMESTAMP WITH TIME ZONE"}
    described = duck.execute(f"describe select * from read_parquet('{path}')").fetchall()
    assert [(name, kind) for name, kind, *_ in described] == [(n, kinds[k]) for n, k in wanted.items()], described
    assert duck.execute(f"select count(*) from read_parquet('{path}')").fetchone()[0] == len(rows)
    times = [name for name, kind in wanted.items() if kind == TIME]
    texts = ", ".join(f'"{name}"::varchar' if name in times else f'"{name}"' for name in wanted)
    read = duck.execute(f"select {texts} from read_parquet('{path}')").fetchall()
    for place, (one, other) in enumerate(zip(rows, read, strict=True)):
        for name, arrow, duckdb_value in zip(wanted, one, other, strict=True):
            if name not in times:
                assert arrow == cell(duckdb_value), (table, place, name, arrow, duckdb_value)
    print(f"{table}: {len(rows)} rows, equal in CSV, PyArrow and DuckDB")

# The next run needs the resolved findings. They have no CSV.
resolved = pq.ParquetFile(f"{snapshot}/resolved.parquet")
wanted = columns(
    "source fingerprint rule subject_kind subject_id subject_name first_seen:t last_seen:t times_seen:i resolved_at:t"
)
schema = resolved.schema_arrow
assert {name: schema.field(name).type for name in schema.names} == wanted, schema
assert resolved.metadata.num_rows == files["resolved.parquet"]["rows"]
print(f"resolved: {resolved.metadata.num_rows} rows")

# The population of an access review has a row for each membership. What it repeats is what the tables hold.
with open(f"{snapshot}/review.csv", encoding="utf-8", newline="") as text:
    review = list(csv.DictReader(text))
with open(f"{snapshot}/memberships.csv", encoding="utf-8", newline="") as text:
    memberships = list(csv.DictReader(text))
assert len(review) == files["review.csv"]["rows"] == len({row["row_key"] for row in review})
shared = "source group_id group_name user_id username email_address enabled last_login confirmed_at".split()
for place, (row, membership) in enumerate(zip(review, memberships, strict=True)):
    assert [row[name] for name in shared] == [membership[name] for name in shared], (place, row)
    assert not (row["decision"] or row["decided_by"] or row["decided_on"] or row["comment"]), (place, row)
print(f"review.csv: {len(review)} rows, as in memberships.csv")

# The queries in reports/sql run as their comments describe. Their results are computed again from the CSV.
queries = pathlib.Path("reports/sql").resolve()


def ask(name, folder):
    os.chdir(folder)
    result = duck.execute((queries / f"{name}.sql").read_text(encoding="utf-8"))
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def table(name):
    with open(f"{folder}/{name}.csv", encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


folder = pathlib.Path(snapshot).resolve()
findings = [row for row in table("findings") if row["status"] != "resolved"]
reconciled = ask("reconcile", folder)
assert reconciled and all(row["rows"] == 0 for row in reconciled), reconciled
by_control = ask("findings-by-control", folder)
controls = sum(len(json.loads(row["controls"])) for row in findings)
assert sum(row["findings"] for row in by_control) == controls > 0
population = ask("review-population", folder)
assert len(population) == len(table("memberships")), (len(population), len(table("memberships")))
stale = [row for row in findings if row["rule"] == "stale-login" and json.loads(row["evidence"])["privileged"]]
assert {row["id"] for row in ask("stale-privileged", folder)} == {row["subject_id"] for row in stale} != set()
trend = [row for row in ask("trend", folder.parent) if row["run"] == manifest["run_id"]]
assert sum(row["findings"] for row in trend) == len(findings), trend
assert {row["completeness"] for row in trend} == {manifest["completeness"]}
print("the queries in reports/sql return in DuckDB what the CSV holds")
