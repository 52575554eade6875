"""Compares spooled events with those that a syslog daemon stored: every event once, each field equal.

Also checks that every event about an account says whether the account is privileged.

events.py SPOOL RECORDS
"""

import json
import re
import sys

spool, records = sys.argv[1:]
lines = [json.loads(line) for line in open(spool, encoding="ascii")]
head, frames, foot = lines[0], lines[1:-1], lines[-1]
assert foot["frames"] == len(frames), (foot, len(frames))
stored = [json.loads(line) for line in open(records, encoding="utf-8")]
assert len(stored) == len(frames), f"{len(frames)} sent, {len(stored)} stored"

RFC5424 = re.compile(r"<(\d+)>1 (\S+) (\S+) (\S+) (\S+) (\S+) ((?:\[(?:[^\]\\]|\\.)*\])+|-) (.*)", re.DOTALL)
for place, (frame, record) in enumerate(zip(frames, stored, strict=True)):
    priority, time, host, app, procid, msgid, data, message = RFC5424.fullmatch(frame).groups()
    sent = {"app": app, "procid": procid, "msgid": msgid, "sd": data, "host": host, "time": time, "msg": message}
    # rsyslog writes UTC as an offset, and keeps the space before MSG.
    record["time"] = record["time"].replace("+00:00", "Z")
    record["msg"] = record["msg"].removeprefix(" ")
    assert record == sent, f"event {place}:\nsent   {sent}\nstored {record}"
    body = json.loads(message)
    if "user" in body:
        account = body["btrollcall"]["account"]
        known = {"privileged": True, "ordinary": False, "unknown": None}
        assert known[account["sensitivity"]] is account.get("privileged"), f"event {place}: {account}"
assert stored[-1]["msgid"] == "run.completed"
print(f"{head['destination']}: {len(frames)} events stored unchanged, run.completed last")
