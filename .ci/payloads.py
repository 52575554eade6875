"""Checks events of every code and payload with validators that others wrote.

- every RFC 5424 header: syslog-rfc5424-parser, which is strict
- OCSF: the JSON schema of the class of each event, for the version that the event names
- CEF: keys, types and lengths of the dictionary of cefevent

payloads.py SENT VERSIONS: a folder of batches for each payload, and batches for older versions of OCSF
"""

import functools
import json
import sys
from pathlib import Path

import jsonschema
from cefevent.extensions import extension_dictionary
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from syslog_rfc5424_parser import SyslogMessage


def frames_of(batches):
    return [json.loads(line) for batch in batches for line in batch.read_text("utf-8").split("\n")[1:-2]]


def check_header(frame):
    header = SyslogMessage.parse(frame)
    assert header.appname == "btrollcall" and header.msgid, frame
    return header.msg


validators = {}


@functools.cache
def schemas(version):
    return OcsfJsonSchemaEmbedded(get_ocsf_schema(version=version))


def check_ocsf(body):
    event = json.loads(body)
    number, version = event["class_uid"], event["metadata"]["version"]
    if (version, number) not in validators:
        known = schemas(version)
        schema = known.get_class_schema(known.lookup_class_name_from_uid(number))
        validators[version, number] = jsonschema.validators.validator_for(schema)(schema)
    faults = [error.message for error in validators[version, number].iter_errors(event)]
    assert not faults, f"{faults}\n{body}"
    # The schema does not contain this arithmetic.
    assert event["type_uid"] == number * 100 + event["activity_id"] and event["category_uid"] == number // 1000, body
    assert event["time"] > 10**12, f"time is not in milliseconds: {body}"


def split(text, at):
    """Splits at a character that no backslash escapes."""
    parts, escaped = [""], False
    for character in text:
        if character == at and not escaped:
            parts.append("")
        else:
            parts[-1] += character
        escaped = character == "\\" and not escaped
    return parts


def check_cef(body):
    assert body.startswith("CEF:0|"), body
    extension = "|".join(split(body, "|")[7:])
    parts = split(extension, "=")
    keys = [parts[0], *(part.rsplit(" ", 1)[1] for part in parts[1:-1])]
    values = [*(part.rsplit(" ", 1)[0] for part in parts[1:-1]), parts[-1]]
    for key, value in zip(keys, values, strict=True):
        # The dictionary of CEF 0.1 has `outcome`; this copy of it does not.
        known = extension_dictionary[key] if key != "outcome" else {"data_type": ["String"], "length": 63}
        assert not known["length"] or len(value) <= known["length"], f"{key} has {len(value)} characters: {body}"
        assert "Integer" not in known["data_type"] or value.isdigit(), f"{key} is no number: {body}"


checks = {"ecs": json.loads, "ocsf": check_ocsf, "cef": check_cef}
for folder in sorted(Path(sys.argv[1]).iterdir()):
    payload = folder.name.split("-", 1)[1]
    if payload in checks:
        # Datagrams and a stream, whose limits of length differ.
        frames = frames_of(sorted(folder.glob("*.jsonl"))[:2])
        for frame in frames:
            checks[payload](check_header(frame))
        print(f"{payload}: {len(frames)} events are valid for validators of others")

frames = frames_of(Path(sys.argv[2]).glob("*.jsonl"))
for frame in frames:
    check_ocsf(check_header(frame))
versions = sorted({version for version, _ in validators})
assert versions == ["1.4.0", "1.5.0", "1.6.0", "1.7.0", "1.8.0"], versions
print(f"ocsf: {len(frames)} events of older versions are valid for validators of others")
