"""The rounds of `.ci/kills`: kill at one system call, look, run again, look again.

kills.py PROGRAM URL FOLDER LIBRARY NUMBER

strace counts the calls of one undisturbed round first. Each of them is a place to kill at: before the call happens, and
so after the one before it. Each round is a day later, so that retention removes snapshots, and changes one user of the
simulated appliance, so that there is a change to lose. libfaketime reads the time of the program from a file.
"""

import collections
import csv
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import urllib.parse
import urllib.request

PROGRAM, URL, FOLDER, LIBRARY, NUMBER = (
    sys.argv[1],
    sys.argv[2],
    pathlib.Path(sys.argv[3]),
    sys.argv[4],
    int(sys.argv[5]),
)
RIG, METRICS = FOLDER / "rig", FOLDER / "metrics"
CONFIG, SNAPSHOTS, STATE, CLOCK = RIG / "bt-rollcall.toml", RIG / "snapshots", RIG / "state", FOLDER / "clock"
# The same without retention, for a run before `prune`.
KEEPING = RIG / "keeping.toml"
CALLS = (
    "rename renameat renameat2 fsync fdatasync unlink unlinkat rmdir mkdir mkdirat symlink symlinkat link linkat "
    "write writev pwrite64 ftruncate flock"
)
# What is killed, and whether the receiver listens meanwhile.
COMMANDS = [("run", True), ("run", False), ("emit", True), ("prune", True)]
RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")


class Receiver:
    """A syslog receiver with octet counting. It can be switched off: then connections are refused."""

    def __init__(self):
        # Run id -> event id -> frames: one, unless a repetition differs.
        self.runs = collections.defaultdict(lambda: collections.defaultdict(set))
        self.received = 0
        self.port, self.listener, self.thread = 0, None, None
        self.switch(True)

    def switch(self, on):
        if self.listener and not on:
            # Wakes the thread up; closing alone does not.
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.thread.join()
            self.listener = None
        elif on and not self.listener:
            self.listener = socket.create_server(("127.0.0.1", self.port), backlog=16)
            self.port = self.listener.getsockname()[1]
            self.thread = threading.Thread(target=self.serve, args=[self.listener], daemon=True)
            self.thread.start()

    def serve(self, listener):
        while True:
            try:
                session = listener.accept()[0]
            except OSError:
                return
            with session, session.makefile("rb") as stream:
                try:
                    self.read(stream)
                except (OSError, ValueError):
                    pass  # a killed sender

    def read(self, stream):
        while digits := read_until_space(stream):
            frame = stream.read(int(digits))
            if len(frame) < int(digits):
                return
            self.received += 1
            body = json.loads(frame[frame.index(b"{") :])
            self.runs[body["btrollcall"]["run"]["id"]][body["event"]["id"]].add(frame)


def read_until_space(stream):
    digits = b""
    while (octet := stream.read(1)) not in (b" ", b""):
        digits += octet
    return digits


class Appliance:
    """Users of the simulated appliance, which each round enables or disables one of."""

    def __init__(self):
        secret = (RIG / "sandbox-secret").read_text(encoding="utf-8")
        form = {"grant_type": "client_credentials", "client_id": "rollcall", "client_secret": secret}
        self.form = urllib.parse.urlencode(form).encode()
        users = self.ask("GET", "Users?count=40")["Resources"]
        self.users = [user["id"] for user in users if user.get("active") is True][:10]
        self.active = dict.fromkeys(self.users, True)

    def ask(self, method, path, body=None):
        token = json.load(urllib.request.urlopen(f"{URL}/oauth2/token", self.form))["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}
        data = body and json.dumps(body).encode()
        request = urllib.request.Request(f"{URL}/scim/v2/{path}", data, headers, method=method)
        text = urllib.request.urlopen(request).read()
        return json.loads(text) if text else None

    def change(self, round):
        user = self.users[round % len(self.users)]
        self.active[user] = not self.active[user]
        operation = {"op": "replace", "path": "active", "value": self.active[user]}
        schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
        self.ask("PATCH", f"Users/{user}", {"schemas": [schema], "Operations": [operation]})


def forget_killed():
    """Removes what libfaketime leaves in shared memory for killed processes: a new one with the same number fails."""
    for left in pathlib.Path("/dev/shm").glob("*faketime_s*_*"):
        if not pathlib.Path("/proc", left.name.rsplit("_", 1)[1]).exists():
            left.unlink(missing_ok=True)


def call(*arguments, before=()):
    forget_killed()
    # Python and strace themselves stay outside of libfaketime.
    command = [*before, "env", f"LD_PRELOAD={LIBRARY}", PROGRAM, "-qq", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def configured(command, before=()):
    return call(command, "--config", str(CONFIG), before=before)


def must(result, *codes):
    wanted = result.returncode in codes
    assert wanted, f"{result.args}: exit {result.returncode}, expected {codes}\n{result.stdout}{result.stderr}"


class Rounds:
    def __init__(self):
        self.receiver, self.appliance = Receiver(), Appliance()
        self.seen, self.changes, self.number, self.day = set(), {}, 0, 0
        text = CONFIG.read_text(encoding="utf-8")
        text = f'metrics_file = "{METRICS}/bt.prom"\n' + text
        text += f'\n[[syslog]]\nurl = "tcp://127.0.0.1:{self.receiver.port}"\nsend = "all"\n'
        for config, keep_runs in ((CONFIG, 3), (KEEPING, 100)):
            kept = text.replace("[output]\n", f"[output]\nkeep_days = 1\nkeep_runs = {keep_runs}\n")
            config.write_text(kept, encoding="utf-8")
        # From here on, each new snapshot replaces an old one.
        for _ in range(4):
            self.next_day()
            must(configured("run"), 0)
        self.look()

    def prepare(self, command, listens):
        """Makes what the command that is killed works on: a change, queued events, or an old snapshot."""
        self.next_day()
        self.appliance.change(self.number)
        self.number += 1
        if command == "emit":
            self.receiver.switch(False)
            must(configured("run"), 5)
        if command == "prune":
            must(call("run", "--config", str(KEEPING)), 0)
        self.look()
        self.receiver.switch(listens)

    def next_day(self):
        self.day += 1
        CLOCK.write_text(f"+{self.day}d\n", encoding="utf-8")

    def count(self, command, listens):
        """Returns the number of calls of each kind in an undisturbed round."""
        self.prepare(command, listens)
        trace = FOLDER / "trace"
        strace = ["strace", "-f", "-qq", "-o", trace, "-e", f"trace={CALLS.replace(' ', ',')}"]
        must(configured(command, before=strace), 0 if listens else 5)
        found = re.findall(r"^\d+ +(\w+)\(", trace.read_text(encoding="utf-8"), re.MULTILINE)
        self.settle()
        return collections.Counter(found)

    def kill(self, command, listens, name, at):
        """Kills a command before a call. Returns whether the call was reached."""
        self.prepare(command, listens)
        inject = ["-e", f"trace={name}", "-e", f"inject={name}:signal=SIGKILL:when={at}"]
        result = configured(command, before=["strace", "-f", "-qq", "-o", "/dev/null", *inject])
        self.verify()
        self.settle()
        return result.returncode in (-9, 137)

    def settle(self):
        """Runs once more, and looks at what is there then."""
        self.receiver.switch(True)
        before = set(snapshots())
        must(configured("run"), 0)
        self.verify()
        self.check_left_overs()
        self.look()
        switched = [row for row in self.changes.values() if row["kind"] in ("user.enabled", "user.disabled")]
        assert len(switched) == self.number, f"{self.number} users were switched, {len(switched)} changes are published"
        for run_id in set(snapshots()) - before:
            must(call("verify", str(SNAPSHOTS / run_id)), 0)

    def verify(self):
        must(call("verify", "--chain", str(SNAPSHOTS)), 0)

    def look(self):
        """Checks that the events of each published snapshot have arrived, if none is queued."""
        if os.listdir(STATE / "spool"):
            return
        for run_id in set(snapshots()) - self.seen:
            self.seen.add(run_id)
            received = self.receiver.runs[run_id]
            for id, frames in received.items():
                assert len(frames) == 1, f"{id} was sent with different bytes"
            completed = [frame for (frame,) in received.values() if b" run.completed " in frame]
            assert len(completed) == 1, f"{run_id}: {len(completed)} run.completed"
            emitted = json.loads(completed[0][completed[0].index(b"{") :])["btrollcall"]["run"]["emitted"]
            assert len(received) == emitted, f"{run_id}: {emitted} events emitted, {len(received)} arrived"
            with open(SNAPSHOTS / run_id / "changes.csv", encoding="utf-8", newline="") as table:
                for row in csv.DictReader(table):
                    assert row["event_id"] in received, f"{run_id}: the event of {row} did not arrive"
                    assert row["event_id"] not in self.changes, f"{row} is in two snapshots"
                    self.changes[row["event_id"]] = row

    def check_left_overs(self):
        left = [name for name in os.listdir(SNAPSHOTS) if not RUN_ID.fullmatch(name)]
        left = set(left) - {".lock", "latest", "latest-complete", "pruned.jsonl"}
        left |= set(os.listdir(STATE)) - {"lock", "spool"} | set(os.listdir(STATE / "spool"))
        left |= set(os.listdir(METRICS)) - {"bt.prom", "bt-attempt.prom"}
        assert not left, f"left over: {sorted(left)}"


def snapshots():
    names = [name for name in os.listdir(SNAPSHOTS) if RUN_ID.fullmatch(name)]
    return [name for name in names if (SNAPSHOTS / name / "manifest.json").exists()]


def main():
    rounds = Rounds()
    places = []
    for command, listens in COMMANDS:
        counts = rounds.count(command, listens)
        print(f"{command}, receiver {'on' if listens else 'off'}: {sum(counts.values())} calls", flush=True)
        places += [(command, listens, name, at) for name, n in sorted(counts.items()) for at in range(1, n + 1)]
    kinds, missed = collections.Counter(), 0
    for number in range(NUMBER):
        # Fewer kills than places are spread over all places; more kills take the places again.
        of_round = number if len(places) <= NUMBER else int(number * len(places) / NUMBER)
        place = places[of_round % len(places)]
        try:
            if rounds.kill(*place):
                kinds[place[2]] += 1
            else:
                missed += 1
        except AssertionError as error:
            listens = "listens" if place[1] else "does not listen"
            sys.exit(f"kill {number} of {place[0]} at {place[2]} number {place[3]}, the receiver {listens}: {error}")
    killed = sum(kinds.values())
    assert killed > NUMBER * 0.9, f"only {kinds} of {NUMBER} kills happened"
    events = sum(len(received) for received in rounds.receiver.runs.values())
    print(f"{killed} kills at {len(places)} places: {', '.join(f'{n} {name}' for name, n in kinds.most_common())}")
    print(f"{missed} calls were not reached; {len(rounds.seen)} snapshots verified")
    print(f"{rounds.receiver.received} frames with {events} events arrived; none was lost, and nothing was left over")


main()
