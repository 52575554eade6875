"""Reads the sandbox's Password Safe interface with the vendor's own library (beyondtrust-bips-library).

peer_password_safe.py URL CLIENT_ID SECRET_FILE WORLD
    Users, user groups and the users of each group must equal those of WORLD (`sandbox --world`).
    They are read once with an API account and once with a key.
"""

import json
import sys

from secrets_safe_library import authentication, usergroups, users

url, client_id, secret_file, world = sys.argv[1:]
client_secret = open(secret_file, encoding="utf-8").read()
api_key, run_as = "sandbox-key-canary-must-not-leak".ljust(128, "0"), "DOMAIN\\rollcall"
wanted = json.load(open(world, encoding="utf-8"))["password-safe"]
base = f"{url}/BeyondTrust/api/public/v3"


def by_account():
    # The library demands ids and secrets as long as those of a real appliance. Those of the sandbox are shorter.
    login = authentication.Authentication(api_url=base, client_id="x" * 36, client_secret="x" * 36)
    login._client_id, login._client_secret = client_id, client_secret
    return login


def by_key():
    return authentication.Authentication(api_url=base, api_key=f"{api_key}; runas={run_as};")


for name, login in (("an API account", by_account()), ("a key", by_key())):
    signed_in = login.get_api_access()
    assert signed_in.status_code == 200, signed_in.text
    people = users.User(login)
    groups = usergroups.Usergroups(login)
    everybody = people.get_users(include_inactive=True)
    assert everybody == wanted["Users"], "users differ from the world"
    active = [user for user in wanted["Users"] if user.get("IsActive") is not False]
    assert people.get_users() == active and len(active) < len(everybody), "inactive users are listed only on request"
    listed = groups.get_usergroups()
    assert listed == wanted["UserGroups"], "user groups differ from the world"
    members = {str(group["GroupID"]): people.get_users_by_usergroup_id(group["GroupID"]) for group in listed}
    assert members == wanted["UserGroups/Users"], "members differ from the world"
    assert people.get_user_by_id(everybody[0]["UserID"]) == everybody[0]
    assert login.sign_app_out() is True
    try:
        people.get_users()
        raise SystemExit("a signed out session still gets users")
    except Exception as refused:
        assert "401" in str(refused) or "not authorized" in str(refused), refused
    rows = sum(map(len, members.values()))
    print(f"beyondtrust-bips-library, by {name}: {len(everybody)} users, {len(listed)} groups, {rows} memberships")
