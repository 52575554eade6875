"""Receives events at a webhook. The library of Standard Webhooks verifies signature and age of each request.

webhook.py PROGRAM FOLDER
"""

import base64
import json
import secrets
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from hostile import fill
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

EVENTS = 500
program, folder = sys.argv[1], Path(sys.argv[2])
key, other = ("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
received, refused, requests = [], [], []


class Receiver(BaseHTTPRequestHandler):
    """Accepts what the library verifies."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        try:
            received.extend(Webhook(key).verify(body, dict(self.headers)))
            requests.append((body, dict(self.headers)))
            status = 204
        except WebhookVerificationError as error:
            refused.append(str(error))
            status = 401
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
config, secret = folder / "config.toml", folder / "secret"
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
[[http]]
target = "webhook"
url = "http://127.0.0.1:{server.server_port}/hooks"
signing_key = {{ file = "{secret}" }}
""")
config.chmod(0o600)


def emit_with(signing_key):
    secret.write_text(signing_key)
    secret.chmod(0o600)
    return subprocess.run([program, "emit", "--config", config], capture_output=True, text=True, check=False)


secret.write_text(key)
secret.chmod(0o600)
fill(config, EVENTS)

ended = emit_with(other)
assert ended.returncode == 5 and not received and refused, f"a wrong key: {ended.returncode}\n{ended.stderr}"
assert "signing_key" in ended.stdout + ended.stderr, f"the message does not name signing_key:\n{ended.stderr}"
ended = emit_with(key)
assert ended.returncode == 0, f"{ended.returncode}\n{ended.stderr}"
assert len(received) == len({event["id"] for event in received}) == EVENTS, f"{len(received)} of {EVENTS} events"
for event in received:
    assert event["specversion"] == "1.0" and event["data"]["event"]["id"] == event["id"], event
# Somebody who repeats a request later, or changes it, is refused.
body, headers = requests[0]
names = {name.lower(): value for name, value in headers.items()}
late = str(int((datetime.now(UTC) - timedelta(hours=1)).timestamp()))
for changed_body, changed in [(body, {"webhook-timestamp": late}), (body.replace("eu", "us", 1), {})]:
    try:
        Webhook(key).verify(changed_body, names | changed)
    except WebhookVerificationError:
        continue
    raise AssertionError("a changed request was verified")
print(
    f"webhook: {EVENTS} events in {len(requests)} requests, each verified; a wrong key is refused, and nothing is lost"
)
print(f"content type {names['content-type']}, {json.loads(body)[0]['type']}")
