"""Provisions a SCIM server of other people, and compares a snapshot of it with what was provisioned.

scim_servers.py provision URL TOKEN_FILE WORLD
    Creates users and groups with POST, PUT, PATCH and DELETE, reads each record by its id, and writes them to WORLD.
scim_servers.py compare WORLD SOURCE SNAPSHOT
    The tables hold exactly these records, and the manifest calls the source complete.
scim_servers.py honest WORLD SOURCE SNAPSHOT
    The same if the manifest calls the source complete. If not, each row is right, and what was not read is unknown.
"""

import csv
import datetime
import json
import pathlib
import sys
import urllib.request
from collections import Counter

CORE = "urn:ietf:params:scim:schemas:core:2.0:"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USERS = 250
GROUPS = (
    "All staff",
    "Vault-Administratoren – Zürich",
    "Database operators",
    "Réseau, accès distant",
    "監査",
    'Say "hello"',
    "=SUM(A1)",
    "Build & release",
    "Help desk",
    "Übergabe",
    "Auditors",
    "Nobody yet",
)
INNER, OUTER, EMPTY = 2, 10, 11
GIVEN = ("Zoë", "Jürgen", "Åsa", "Łukasz", "Noël", "Ana", "太郎", "Δάφνη", "Omar", "D'Arcy")
FAMILY = ("Müller", "O’Neill", "Šimek", "García-López", "Nguyễn", "山田", "Smith", "Öztürk")


class Server:
    """Sends requests to one SCIM server, never through a proxy."""

    def __init__(self, url, token):
        self.url, self.token = url, token
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def send(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/scim+json"}
        request = urllib.request.Request(f"{self.url}/{path}", data, headers, method=method)
        with self.opener.open(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def create(self, kind, body):
        return self.send("POST", f"{kind}s", {"schemas": [CORE + kind], **body})["id"]

    def replace(self, kind, number, body):
        self.send("PUT", f"{kind}s/{number}", {"schemas": [CORE + kind], "id": number, **body})

    def patch(self, path, op, target, value=None):
        operation = {"op": op, "path": target} | ({} if value is None else {"value": value})
        self.send("PATCH", path, {"schemas": [PATCH_OP], "Operations": [operation]})


def person(i):
    """Returns the attributes of a user; each kind of attribute is absent for some users."""
    given, family = GIVEN[i % len(GIVEN)], FAMILY[i % len(FAMILY)]
    user = {"userName": f"{given}.{family}.{i}".lower()}
    # Absent for every fourth user: the state is then unknown.
    if i % 4:
        user["active"] = i % 4 != 1
    if i % 3:
        user["displayName"] = f"{given} {family} ({i})"
    if i % 17:
        user["name"] = {"formatted": f"Dr. {family}"} if i % 5 == 0 else {"givenName": given, "familyName": family}
    work, home = {"value": f"u{i}@work.example", "type": "work"}, {"value": f"u{i}@home.example", "type": "home"}
    choices = ([], [work], [work, home | {"primary": True}], [home | {"primary": True}], [home, work])
    if choices[i % 5]:
        user["emails"] = choices[i % 5]
    if i % 7 == 0:
        user["locale"] = "de-CH"
    return user


def provision(server):
    people = {server.create("User", user): user for user in map(person, range(USERS))}
    ids = list(people)
    server.send("DELETE", f"Users/{server.create('User', {'userName': 'deleted.before.reading'})}")
    server.patch(f"Users/{ids[2]}", "replace", "active", False)
    people[ids[2]]["active"] = False
    server.patch(f"Users/{ids[6]}", "replace", "displayName", "Renamed by PATCH: ñ")
    people[ids[6]]["displayName"] = "Renamed by PATCH: ñ"
    people[ids[9]] = {"userName": "replaced.by.put", "active": True, "emails": [{"value": "put@work.example"}]}
    server.replace("User", ids[9], people[ids[9]])
    groups = provision_groups(server, ids)
    for number, user in people.items():
        user["created"] = read_back_user(server, number, user)
    for number, group in groups.items():
        read_back_group(server, number, group)
    states = Counter(user.get("active") for user in people.values())
    print(f"  {len(people)} users: {states[True]} active, {states[False]} not, {states[None]} without a state")
    return {"users": people, "groups": groups}


def provision_groups(server, ids):
    # More members than rows on a page. The last users are in no group.
    wanted = {0: ids[:230]} | {g: ids[g * 10 : g * 10 + 25 : 2] for g in range(1, OUTER)} | {EMPTY: []}
    # Some users of the inner group are members of the outer group as well.
    wanted[OUTER] = wanted[INNER][:3] + ids[100:105]
    groups = {}
    for place, name in enumerate(GROUPS):
        # A type may be absent (RFC 7643 §4.2).
        members = [{"value": n} | ({"type": "User"} if at % 2 else {}) for at, n in enumerate(wanted[place])]
        number = server.create("Group", {"displayName": name, "members": members[:200]})
        if members[200:]:
            server.patch(f"Groups/{number}", "add", "members", members[200:])
        groups[number] = {"name": name, "users": wanted[place], "groups": []}
    numbers = list(groups)
    inner, outer = numbers[INNER], numbers[OUTER]
    # If users and groups have the same ids, only the type shows that the member is a group.
    bare = not set(ids) & set(groups)
    server.patch(f"Groups/{outer}", "add", "members", [{"value": inner} | ({} if bare else {"type": "Group"})])
    groups[outer]["groups"] = [inner]
    removed = groups[numbers[3]]["users"].pop(1)
    server.patch(f"Groups/{numbers[3]}", "remove", f'members[value eq "{removed}"]')
    groups[numbers[4]]["users"] = ids[5:12]
    members = [{"value": n} for n in ids[5:12]]
    server.replace("Group", numbers[4], {"displayName": GROUPS[4], "members": members})
    print(f"  {len(groups)} groups; the nested group is a member {'without' if bare else 'with'} a type")
    return groups


def read_back_user(server, number, user):
    """Checks that the server holds what was sent, absent attributes included; returns the date of creation."""
    record = server.send("GET", f"Users/{number}")
    for key in ("userName", "active", "displayName", "name", "emails", "locale"):
        assert record.get(key) == user.get(key), f"user {number}: {key} is {record.get(key)}, sent was {user.get(key)}"
    return record["meta"]["created"]


def read_back_group(server, number, group):
    record = server.send("GET", f"Groups/{number}")
    members = sorted(member["value"] for member in record.get("members", []))
    assert record["displayName"] == group["name"] and members == sorted(group["users"] + group["groups"]), record


def display_name(user):
    name = user.get("name", {})
    parts = [name[key] for key in ("givenName", "familyName") if key in name]
    return user.get("displayName") or name.get("formatted") or " ".join(parts)


def email(user):
    emails = user.get("emails", [])
    primary = [entry for entry in emails if entry.get("primary")]
    return (primary + emails)[0]["value"] if emails else ""


def memberships(world):
    """Returns (group, user) -> name of the group between the two, "" for a direct member."""
    groups, pairs = world["groups"], {}
    for number, group in groups.items():
        for inner in group["groups"]:
            assert not groups[inner]["groups"], "one level is provisioned"
            pairs |= {(number, user): groups[inner]["name"] for user in groups[inner]["users"]}
        pairs |= {(number, user): "" for user in group["users"]}
    return pairs


def expected(world):
    """Returns the rows of the three tables by their keys."""
    people, groups, pairs = world["users"], world["groups"], memberships(world)
    state = {None: "", True: "true", False: "false"}
    users = {
        number: {
            "username": user["userName"],
            "display_name": display_name(user),
            "email_address": email(user),
            "enabled": state[user.get("active")],
            "group_memberships": sorted(group for group, member in pairs if member == number),
            "groups_known": "true",
            "last_login_status": "not-reported",
            "created_at": instant(user["created"]),
            "locale": user.get("locale", ""),
        }
        for number, user in people.items()
    }
    listed = {
        number: {
            "name": group["name"],
            "member_count": str(sum(owner == number for owner, _ in pairs)),
            "external_member_count": "0",
        }
        for number, group in groups.items()
    }
    belongs = {
        (group, user): {
            "group_name": groups[group]["name"],
            "username": people[user]["userName"],
            "via": "directory-group" if through else "direct",
            "external_name": through,
        }
        for (group, user), through in pairs.items()
    }
    return {"users": users, "groups": listed, "memberships": belongs}


def instant(text):
    """Returns a date of RFC 3339 in one form; bt-rollcall keeps microseconds."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).isoformat() if text else ""


def read(snapshot, table, source):
    with open(snapshot / f"{table}.csv", encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["source"] == source]


def differences(snapshot, source, world, whole):
    """Yields a line for each row that is missing, unexpected or wrong. `whole`: missing rows count too."""
    pairs = Counter(row["group_id"] for row in read(snapshot, "memberships", source))
    for table, wanted in expected(world).items():
        seen = set()
        for row in read(snapshot, table, source):
            key = (row["group_id"], row["user_id"]) if table == "memberships" else row["id"]
            if key not in wanted or key in seen:
                yield f"{table}: {key} is {'listed twice' if key in seen else 'not on the server'}"
                continue
            seen.add(key)
            if table == "users":
                row["group_memberships"] = sorted(json.loads(row["group_memberships"]))
                row["created_at"] = instant(row["created_at"])
            for name, value in wanted[key].items():
                if row[name] != value and (whole or not is_unknown(name, row, value, pairs)):
                    yield f"{table}: {name} of {key} is {row[name]!r}, expected {value!r}"
        if whole:
            yield from (f"{table}: {key} is missing" for key in wanted if key not in seen)


def is_unknown(name, row, wanted, pairs):
    """Returns whether a cell states less than the server, and nothing false. `pairs`: membership rows by group."""
    if name == "group_memberships":
        return row["groups_known"] == "false" and set(row[name]) <= set(wanted)
    if name == "member_count":
        # A count below the group's own rows in memberships.csv contradicts the snapshot.
        return row[name] == "" or pairs[row["id"]] <= int(row[name]) <= int(wanted)
    return (name, row[name]) in (("groups_known", "false"), ("username", ""))


def false_findings(snapshot, source, world):
    """Yields a line for each finding about memberships that the server's records disprove."""
    pairs = memberships(world)
    members = {user for _, user in pairs}
    filled = {group for group, _ in pairs}
    for row in read(snapshot, "findings", source):
        subject = row["subject_id"]
        wrong = {"no-group": subject in members, "empty-group": subject in filled, "dangling-group": True}
        if wrong.get(row["rule"]):
            yield f"findings: {row['rule']} about {row['subject_id']} ({row['subject_name']}) is false"


def compare(world, source, snapshot, must_be_complete):
    manifest = json.loads((snapshot / "manifest.json").read_text(encoding="utf-8"))
    about = next(entry for entry in manifest["sources"] if entry["name"] == source)
    coverage = {entry["kind"]: entry["coverage"] for entry in about["lists"]}
    stated = [manifest["completeness"], about["status"], coverage.get("users"), coverage.get("groups")]
    whole = must_be_complete or "complete" in stated[:3]
    wrong = list(differences(snapshot, source, world, whole)) + list(false_findings(snapshot, source, world))
    if whole and stated != ["complete"] * 4:
        wrong.append(f"manifest: the run, the source, its users, its groups are {stated}; expected complete")
    for line in wrong[:20]:
        print(f"  {line}", file=sys.stderr)
    if wrong:
        sys.exit(f"  {source}: {len(wrong)} differences")
    rows = {table: len(read(snapshot, table, source)) for table in ("users", "groups", "memberships")}
    print(f"  {source}: {rows}, {'exactly what was provisioned' if whole else 'each right, and called partial'}")


if __name__ == "__main__":
    task, *rest = sys.argv[1:]
    if task == "provision":
        url, token_file, target = rest
        made = provision(Server(url, pathlib.Path(token_file).read_text(encoding="utf-8").strip()))
        pathlib.Path(target).write_text(json.dumps(made), encoding="utf-8")
    else:
        world, source, snapshot = rest
        text = pathlib.Path(world).read_text(encoding="utf-8")
        compare(json.loads(text), source, pathlib.Path(snapshot), must_be_complete=task == "compare")
