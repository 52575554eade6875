"""Reads events as Vector does, with the program of reports/siem/receivers in the library of its authors.

vector.py SENT: the folder with a folder of batches for each payload
"""

import json
import sys
from pathlib import Path

import vector_vrl

PROGRAM = Path("reports/siem/receivers/vector.vrl").read_text("utf-8")


def unescaped(frame):
    """Returns the fields of a CEF body, read apart from Vector."""
    body = frame[frame.index("CEF:0|") :]
    hidden = body.replace("\\\\", "\0").replace("\\|", "\1").replace("\\=", "\2")
    parts = hidden.split("|", 7)[7].split("=")
    keys = [parts[0], *(part.rsplit(" ", 1)[1] for part in parts[1:-1])]
    values = [*(part.rsplit(" ", 1)[0] for part in parts[1:-1]), parts[-1]]
    # CEF cannot mark spaces around a value, and Vector removes them.
    plain = (value.replace("\0", "\\").replace("\1", "|").replace("\2", "=").strip(" ") for value in values)
    return dict(zip(keys, plain, strict=True))


for folder in sorted(Path(sys.argv[1]).iterdir()):
    payload = folder.name.split("-", 1)[1]
    batches = sorted(folder.glob("*.jsonl"))[:2]
    frames = [json.loads(line) for batch in batches for line in batch.read_text("utf-8").split("\n")[1:-2]]
    result = vector_vrl.execute_vrl(PROGRAM, frames)
    assert len(result) == len(frames)
    for frame, read in zip(frames, result, strict=True):
        assert read["appname"] == "btrollcall", f"{frame}\n{read}"
        # The package returns objects inside of an event as JSON.
        body = json.loads(read.get("body", "null"))
        if payload in ("ecs", "ocsf"):
            assert body == json.loads(frame[frame.index("] {") + 2 :]), f"{frame}\n{read}"
            assert read["msgid"] in frame
        if payload == "cef":
            fields = unescaped(frame)
            assert {key: body.get(key) for key in fields} == fields, f"{frame}\n{body}"
    print(f"{payload}: Vector reads {len(frames)} events as they were sent")
