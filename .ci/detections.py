"""Runs the program on six days of a small tenant, and the Sigma rules of reports/siem over the events that it sends.

Each rule must find exactly what happened here, and nothing else. pySigma converts the rules; SQLite executes them.
The rules must also be convertible for Splunk, Elasticsearch and Loki. The files of the app for Splunk must be readable.

detections.py PROGRAM FOLDER
"""

import configparser
import json
import sqlite3
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from sigma.backends.elasticsearch import ESQLBackend, LuceneBackend
from sigma.backends.loki import LogQLBackend
from sigma.backends.splunk import SplunkBackend
from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection

program, work = sys.argv[1], Path(sys.argv[2])
ADMINISTRATORS, OPERATORS, EVERYONE = 1, 2, 3
groups = [
    {"id": number, "name": name} for number, name in enumerate(["Administrators", "Operators", "Everyone"], start=1)
]


def account(number, name, *member_of, **other):
    usual = {
        "enabled": True,
        "account_type": "local",
        "last_login": "2026-02-27T08:00:00Z",
        "created_at": "2024-01-01T00:00:00Z",
    }
    address = f"{name}@example.com"
    names = {"id": number, "username": name, "display_name": name, "email_address": address, "locale": "en"}
    return names | usual | {"group_memberships": list(member_of)} | other


fillers = {number: account(number, f"filler-{number}", EVERYONE) for number in range(100, 160)}
first = {
    1: account(1, "ann", ADMINISTRATORS),
    2: account(2, "ben", OPERATORS),
    3: account(3, "cid", enabled=False),
    4: account(4, "dora", ADMINISTRATORS, last_login="2025-10-01T08:00:00Z"),
    5: account(5, "emergency-1", ADMINISTRATORS, last_login="2026-02-25T08:00:00Z"),
    6: account(6, "eve", OPERATORS),
    7: account(7, "gus", OPERATORS, last_login="2025-10-01T08:00:00Z"),
} | fillers
second = first | {
    2: account(2, "ben", OPERATORS, ADMINISTRATORS),
    3: account(3, "cid", EVERYONE),
    5: account(5, "emergency-1", ADMINISTRATORS, last_login="2026-03-02T23:00:00Z"),
    6: account(6, "eve", OPERATORS, EVERYONE),
    7: account(7, "gus", OPERATORS, last_login="2025-10-01T08:00:00Z", enabled=False),
    8: account(8, "nora", ADMINISTRATORS, created_at="2026-03-02T12:00:00Z"),
    9: account(9, "omar", OPERATORS, created_at="2026-03-02T12:00:00Z"),
    10: account(10, "pia", OPERATORS, created_at="2026-03-02T12:00:00Z"),
    11: account(11, "quin", OPERATORS, created_at="2026-03-02T12:00:00Z"),
}
removed = [number for number in fillers if number < 110]
second = {number: row for number, row in second.items() if number not in removed}
cut = {number: row for number, row in second.items() if number < 6}
# New accounts get more rights: one within a week, one later.
third = second | {9: account(9, "omar", OPERATORS, ADMINISTRATORS, created_at="2026-03-02T12:00:00Z")}
fourth = third | {11: account(11, "quin", OPERATORS, ADMINISTRATORS, created_at="2026-03-02T12:00:00Z")}

# Day, accounts (None: the appliance refuses the list), and the exit code: 5 because no receiver takes the events.
days = [(2, first, 5), (3, second, 5), (4, cut, 4), (5, None, 1), (6, third, 5), (12, fourth, 5)]

# The subjects that each rule must find, in any order.
expected = {
    "privileged-member-added": ["ben", "nora", "omar", "quin"],
    "new-account-privileged": ["nora", "omar"],
    "privileged-account-added": ["nora"],
    "account-enabled-again": ["cid"],
    "stale-privileged-account": ["dora"],
    "break-glass-used": ["emergency-1"],
    "disabled-account-in-group": ["gus"],
    "many-accounts-removed": ["appliance"],
    "guard-tripped": ["run.suspect"],
    "run-failed": ["run.failed"],
}


class Appliance(BaseHTTPRequestHandler):
    """The interface of the user management guide, as far as the program needs it."""

    accounts: dict | None = None

    def answer(self, body, status=200):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer({"access_token": "token", "token_type": "Bearer", "expires_in": 3600})

    def do_GET(self):
        target = urlsplit(self.path)
        kind, query = target.path.rsplit("/", 1)[-1], parse_qs(target.query)
        if self.accounts is None:
            return self.answer({"message": "Forbidden"}, 403)
        rows = list(self.accounts.values()) if kind == "users" else groups
        start, count = int(query.get("offset", ["0"])[0]), int(query.get("limit", ["1000"])[0])
        return self.answer({kind: rows[start : start + count], "total": len(rows)})

    def log_message(self, *_):
        pass


def run_all_days():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Appliance)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    secret = work / "secret"
    secret.write_text("s3cret")
    secret.chmod(0o600)
    config = work / "config.toml"
    config.write_text(f"""
state_dir = "{work}/state"
[output]
dir = "{work}/snapshots"
tables = ["csv"]
reports = ["html"]
[policy]
privileged_groups = ["Administrators"]
break_glass = ["glob:emergency-*"]
[[source]]
name = "appliance"
kind = "rest-v3"
url = "http://127.0.0.1:{server.server_port}"
client_id = "id"
client_secret = {{ file = "{secret}" }}
requests_per_second = 1000
[[syslog]]
url = "unix://{work}/nobody-listens"
protocol = "rfc5424"
""")
    for day, accounts, code in days:
        Appliance.accounts = accounts
        command = [program, "run", "--config", str(config), "--as-of", f"2026-03-{day:02}T02:00:00Z"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == code, (
            f"day {day} exited with {ended.returncode}, expected {code}:\n{ended.stdout}{ended.stderr}"
        )
    server.shutdown()


def sent_events():
    for batch in sorted((work / "state/spool").glob("*.jsonl")):
        for frame in batch.read_text().splitlines()[1:-1]:
            yield json.loads(json.loads(frame).partition("] {")[2].join(["{", ""]))


def flat(value, path=""):
    """Returns the fields of an event with the names that Elasticsearch and Splunk give them."""
    if isinstance(value, dict):
        inner = [flat(below, f"{path}.{key}" if path else key) for key, below in value.items()]
        return {name: leaf for fields in inner for name, leaf in fields.items()}
    return {path: value if isinstance(value, (str, int, float)) else json.dumps(value)}


def subject(row):
    # A correlation finds an account by its id, or a source; a rule about a run has no account.
    if "group_keys" in row.keys():
        keys = json.loads(row["group_keys"])
        return fourth[int(keys["user.id"])]["username"] if "user.id" in keys else keys["observer.name"]
    return row["user.name"] or row["event.code"]


run_all_days()
events = [flat(event) for event in sent_events()]
columns = sorted({name for event in events for name in event})
database = sqlite3.connect(":memory:")
database.row_factory = sqlite3.Row
names = ", ".join(f"`{name}`" for name in columns)
database.execute(f"CREATE TABLE logs (timestamp, {names})")
for event in events:
    # The days are simulated: `@timestamp` of all events is now.
    values = [event["btrollcall.run.as_of"], *(event.get(name) for name in columns)]
    database.execute(f"INSERT INTO logs VALUES ({', '.join('?' * len(values))})", values)

files = {path.stem: path for path in Path("reports/siem/sigma").glob("*.yml")}
assert files.keys() == expected.keys(), f"rules without expectations, or the reverse: {files.keys() ^ expected.keys()}"
for name, path in sorted(files.items()):
    rules = SigmaCollection.from_yaml(path.read_text())
    (query,) = sqliteBackend().convert(rules)[-1:]
    found = sorted(subject(row) for row in database.execute(query))
    assert found == sorted(expected[name]), f"{name}: found {found}, expected {expected[name]}"
    for backend in [SplunkBackend, ESQLBackend, LogQLBackend, LuceneBackend]:
        # Lucene has no correlations.
        if len(rules) == 1 or backend is not LuceneBackend:
            assert backend().convert(SigmaCollection.from_yaml(path.read_text())), f"{name}: {backend.__name__}"
    print(f"{name}: found {', '.join(found)}")
print(f"{len(files)} Sigma rules executed over {len(events)} events of {len(days)} days")

for path in sorted(Path("reports/siem/splunk/default").glob("*.conf")):
    # Two equal stanzas or keys are an error.
    stanzas = configparser.ConfigParser(interpolation=None, delimiters=["="], default_section="default")
    stanzas.read_string(path.read_text())
    assert stanzas.sections(), f"{path}: no stanza"
    print(f"{path.name}: {len(stanzas.sections())} stanzas")
