"""Reads the sandbox's Privileged Remote Access or Remote Support interface with bt-cli, a client of other people.

peer_pra.py URL CLIENT_ID SECRET_FILE WORLD
    Users, group policies, their members, vendors, vendor users, security providers and API accounts must equal those of
    WORLD (`sandbox --world`).
"""

import json
import pathlib
import sys

from bt_cli.core.config import PRAConfig
from bt_cli.pra.client.base import PRAClient

url, client_id, secret_file, world_file = sys.argv[1:]
served = json.loads(pathlib.Path(world_file).read_text())
kind = "rs" if "rs" in served else "pra"
world = served[kind]
counts = {}


def same(what, found, expected):
    if found != expected:
        place = next(
            (at for at, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b),
            min(len(found), len(expected)),
        )
        sys.exit(
            f"{what}: {len(found)} rows instead of {len(expected)}, the first difference at {place}: "
            f"{found[place : place + 1]} instead of {expected[place : place + 1]}"
        )
    name = what.split(" of ")[0]
    counts[name] = counts.get(name, 0) + len(found)


secret = pathlib.Path(secret_file).read_text()
with PRAClient(PRAConfig(api_url=url, client_id=client_id, client_secret=secret)) as client:
    same("users", client.list_users(), world["user"])
    policies = client.list_group_policies()
    same("group policies", policies, world["group-policy"])
    for policy in policies:
        members = client.list_group_policy_members(policy["id"])
        same(f"members of {policy['id']}", members, world["group-policy/member"][str(policy["id"])])
    # Single records and filters. The client has no functions for the other lists, only for any path.
    somebody = next(user for user in world["user"][100:] if (user.get("username") or "é").isascii())
    same("single users", [client.get_user(somebody["id"])], [somebody])
    same("users by name", client.list_users(username=somebody["username"].upper()), [somebody])
    provider = world["security-provider"][1]["id"]
    theirs = [user for user in world["user"] if user.get("security_provider_id") == provider]
    same("users by provider", client.list_users(security_provider_id=provider), theirs)
    for path, name in [("security-provider", "security providers"), ("api-account", "API accounts")]:
        same(name, client.get_paginated(f"/{path}"), world[path])
    # Smaller pages must hold the same rows.
    same("users in small pages", client.get_paginated("/user", per_page=7), world["user"])
    if kind == "pra":
        same("single policies", [client.get_group_policy(policies[0]["id"])], policies[:1])
        vendors = client.get_paginated("/vendor")
        same("vendors", vendors, world["vendor"])
        for vendor in vendors:
            people = client.get_paginated(f"/vendor/{vendor['id']}/user")
            same(f"vendor users of {vendor['id']}", people, world["vendor/user"][str(vendor["id"])])

print(f"bt-cli reads {kind} like the world: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
