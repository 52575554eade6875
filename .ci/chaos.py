"""Delivers 20,000 events to a receiver that is killed and started again, by a sender that is killed, too.

rsyslog writes each record before it confirms it (queues of type Direct). The HTTP receivers are processes of this file.

chaos.py TRANSPORT PROGRAM FOLDER CERTIFICATE: the certificate is CERTIFICATE.pem with the key CERTIFICATE.key
"""

import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from hostile import fill

EVENTS = 20_000
# After these kills both are left alone, so that the delivery can end.
KILLS = 12
transport, program, folder, certificate = sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4]
stored = folder / "stored"
is_http = transport in ("splunk-hec", "elastic-bulk")


def body_of(envelope, name):
    """Returns the text of the last member of a JSON object."""
    return envelope.split(f',"{name}":', 1)[1][:-1]


class Collector(BaseHTTPRequestHandler):
    """A receiver of HTTP: it writes events to the disk before it answers."""

    protocol_version = "HTTP/1.1"
    known: ClassVar[set] = set()
    numbers = itertools.count()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path.startswith("/services/collector/ack"):
            # A number is given after the sync, so its events are stored even if this process did not give it.
            self.answer({"acks": {str(number): True for number in json.loads(body)["acks"]}})
            return
        lines = [line for line in body.replace("}{", "}\n{").split("\n") if line]
        if transport == "elastic-bulk":
            ids = [json.loads(line)["create"]["_id"] for line in lines[::2]]
            pairs = list(zip(ids, lines[1::2], strict=True))
            self.store(line for name, line in pairs if name not in self.known)
            items = [{"create": {"_id": name, "status": 409 if name in self.known else 201}} for name in ids]
            self.known.update(ids)
            answer = {"errors": any(item["create"]["status"] == 409 for item in items), "items": items}
        else:
            self.store(body_of(line, "event") for line in lines)
            answer = {"text": "Success", "code": 0, "ackId": next(self.numbers)}
        self.answer(answer)

    def answer(self, answer):
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def store(self, lines):
        with stored.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())

    def log_message(self, *_):
        pass


def serve(port):
    lines = stored.read_text("utf-8").split("\n") if transport == "elastic-bulk" and stored.exists() else []
    Collector.known = {json.loads(line)["event"]["id"] for line in lines if line}
    ThreadingHTTPServer(("127.0.0.1", port), Collector).serve_forever()


if len(sys.argv) > 5:
    serve(int(sys.argv[5]))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


port = free_port()


def remove_part():
    """Removes the part of a record that a kill in the middle of a write left. Its event was not confirmed.

    The next record would follow it in the same line, and both would be unreadable.
    """
    content = stored.read_bytes() if stored.exists() else b""
    if not content.endswith(b"\n"):
        stored.write_bytes(content[: content.rfind(b"\n") + 1])


def start_receiver():
    remove_part()
    if is_http:
        command = [sys.executable, __file__, *sys.argv[1:5], str(port)]
    else:
        command = ["rsyslogd", "-n", "-f", folder / "rsyslog.conf", "-i", folder / "rsyslog.pid"]
        (folder / "rsyslog.pid").unlink(missing_ok=True)
    receiver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return receiver
        time.sleep(0.02)
    raise AssertionError(f"{transport}: the receiver does not listen")


def write_files():
    kinds = {"relp": "imrelp", "tcp": "imtcp", "tls": "imtcp"}
    tls = ' streamDriver.mode="1" streamDriver.name="ossl" streamDriver.authMode="anon"' if transport == "tls" else ""
    if not is_http:
        (folder / "rsyslog.conf").write_text(f"""
global(workDirectory="{folder}" defaultNetstreamDriverCAFile="{certificate}.pem"
       defaultNetstreamDriverCertFile="{certificate}.pem" defaultNetstreamDriverKeyFile="{certificate}.key")
main_queue(queue.type="Direct")
module(load="{kinds[transport]}")
template(name="raw" type="string" string="%rawmsg%\\n")
ruleset(name="all" queue.type="Direct") {{ action(type="omfile" file="{stored}" template="raw") }}
input(type="{kinds[transport]}" port="{port}" ruleset="all"{tls})
""")
    urls = {"relp": f"relp://127.0.0.1:{port}", "tcp": f"tcp://127.0.0.1:{port}", "tls": f"tls://localhost:{port}"}
    secret = folder / "secret"
    secret.write_text("s3cret")
    secret.chmod(0o600)
    if is_http:
        index = '\nindex = "btrollcall"' if transport == "elastic-bulk" else ""
        address = f'"http://127.0.0.1:{port}"'
        destination = f'[[http]]\ntarget = "{transport}"\nurl = {address}\ntoken = {{ file = "{secret}" }}{index}'
    else:
        trust = f'\nca_file = "{certificate}.pem"' if transport == "tls" else ""
        destination = f'[[syslog]]\nurl = "{urls[transport]}"{trust}'
    config = folder / "config.toml"
    config.write_text(f"""
state_dir = "{folder}/state"
[output]
dir = "{folder}/snapshots"
[[source]]
name = "eu"
kind = "rest-v3"
url = "http://127.0.0.1:9"
client_id = "id"
client_secret = {{ file = "{secret}" }}
{destination}
""")
    config.chmod(0o600)
    return config


def queued():
    """Returns the events in the spool."""
    batches = sorted((folder / "state/spool").glob("*.jsonl"))
    return [json.loads(line) for batch in batches for line in batch.read_text("utf-8").split("\n")[1:-2]]


def size():
    return stored.stat().st_size if stored.exists() else 0


def deliver(config, chance, octets):
    """Sends until everything is delivered, with kills after random parts of it. Returns the number of kills."""
    kills = 0
    receiver = start_receiver()
    while True:
        sender = subprocess.Popen(
            [program, "emit", "-qq", "--config", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        if kills < KILLS:
            wanted = size() + chance.randrange(octets // 5)
            while size() < wanted and sender.poll() is None:
                time.sleep(0.001)
            for process in chance.choice([[receiver], [sender], [receiver, sender]]):
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    kills += 1
        code = sender.wait(timeout=120)
        if receiver.poll() is not None:
            receiver = start_receiver()
        if code == 0:
            receiver.kill()
            receiver.wait()
            remove_part()
            return kills


config = write_files()
fill(config, EVENTS)
sent = queued()
assert len(sent) == EVENTS
seed = int(os.environ.get("CHAOS_SEED", random.randrange(10_000)))
kills = deliver(config, random.Random(seed), sum(len(frame.encode()) for frame in sent))
arrived = Counter(line for line in stored.read_text("utf-8").split("\n") if line)
# The envelope of each event depends on the target.
wanted = {body_of(frame, "data") if is_http else frame for frame in sent}
lost, strange = wanted - arrived.keys(), arrived.keys() - wanted
assert not lost, f"{transport}: {len(lost)} of {EVENTS} events are lost (CHAOS_SEED={seed}): {min(lost)}"
# A connection that broke leaves a part of its last record, where the framing does not show its end.
parts = [record for record in strange if not any(frame.startswith(record) for frame in wanted)] if strange else []
assert not parts, f"{transport}: {len(parts)} records are no event that was sent (CHAOS_SEED={seed}): {min(parts)}"
repeats = arrived.total() - len(arrived)
if transport == "elastic-bulk":
    assert repeats == 0, f"{repeats} events are stored twice (CHAOS_SEED={seed})"
if transport == "relp":
    # What a killed process had not confirmed or not recorded is at most one window.
    assert repeats <= kills * 128, f"{repeats} events are stored twice (CHAOS_SEED={seed})"
print(
    f"{transport}: all {EVENTS} events arrived through {kills} kills; {repeats} repeated with equal bytes (seed {seed})"
)
