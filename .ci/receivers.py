"""Compares the events in batches of the spool with the records of receivers: every event once, in order, unchanged.

receivers.py PORTS SENT STORED: a file with a port and a name in each line, the folder of batches, the folder of records
"""

import json
import re
import sys
import time
from pathlib import Path

ports, sent, stored = map(Path, sys.argv[1:])
names = dict(line.split() for line in ports.read_text().splitlines())
RFC5424 = re.compile(r"<(\d+)>1 (\S+) (\S+) (\S+) (\S+) (\S+) ((?:\[(?:[^\]\\]|\\.)*\])+|-) (.*)", re.DOTALL)


def records_of(name, wanted):
    """Returns the records of a receiver, which may still be writing the last ones."""
    path = stored / name
    for _ in range(300):
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        if len(lines) >= wanted:
            break
        time.sleep(0.1)
    return [json.loads(line) for line in lines]


frames = {}
payloads = sorted(sent.iterdir())
for folder in payloads:
    for batch in sorted(folder.glob("*.jsonl")):
        lines = [json.loads(line) for line in batch.read_text("utf-8").split("\n")[:-1]]
        port = lines[0]["destination"].rsplit(":", 1)[1]
        frames.setdefault(names[port], []).extend(lines[1:-1])

for name, wanted in sorted(frames.items()):
    records = records_of(name, len(wanted))
    assert len(records) == len(wanted), f"{name}: {len(wanted)} sent, {len(records)} stored"
    fields = 0
    for place, (frame, record) in enumerate(zip(wanted, records, strict=True)):
        assert record["raw"] == frame, f"{name}, event {place}:\nsent   {frame!r}\nstored {record['raw']!r}"
        parts = RFC5424.fullmatch(frame)
        if parts is None:
            # RFC 3164 has no fields that receivers agree on.
            continue
        _, moment, host, app, procid, msgid, data, message = parts.groups()
        expected = {"app": app, "procid": procid, "msgid": msgid, "host": host, "msg": message}
        # Only the template of rsyslog has these two. It may write UTC as an offset, and keeps the space before MSG.
        if "sd" in record:
            expected |= {"sd": data, "time": moment}
            record["time"] = record["time"].replace("+00:00", "Z")
            record["msg"] = record["msg"].removeprefix(" ")
        found = {key: record[key] for key in expected}
        different = [key for key in expected if found[key] != expected[key]]
        assert not different, f"{name}, event {place}, {different}:\nsent   {expected}\nstored {found}"
        fields += len(expected)
    print(f"{name}: {len(records)} events stored unchanged; {fields} fields equal")
assert not ({p.name for p in stored.iterdir()} - frames.keys()), "a receiver has records of no sender"
print(f"payloads: {', '.join(folder.name for folder in payloads)}")
