"""Reads and writes the sandbox's SCIM surface with scim2-client, and has scim2-tester judge it (python-scim, not ours).

peer_scim.py URL CLIENT_ID SECRET_FILE WORLD
    Everything that it lists is what the world (`sandbox --world`) says.
peer_scim.py URL CLIENT_ID SECRET_FILE WORLD check
    Every check of scim2-tester passes, writes included. Wants few users and groups (all on one page), none of them with a
    creation date that is none.
"""

# needs: scim2-client[httpx2]==0.13.2 scim2-models==0.12.3 scim2-tester==0.5.2
import json
import sys

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import ScimPolicy, ScimProvider, SearchRequest
from scim2_tester import Status, check_server

PAGE = 70
# Awkward people have fields that no schema announces.
LENIENT = ScimProvider(policy=ScimPolicy(unknown=ScimPolicy.Unknown.ignore))
# Our extension holds the last login, which is read-only: nobody can remove the whole of it.
STAYS = "PATCH modify() did not remove attribute 'urn:bt-rollcall:sandbox:2.0:User'"


def client(url, client_id, secret_file, **options):
    secret = open(secret_file, encoding="utf-8").read()
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    token = Client().post(f"{url}/oauth2/token", data=form).json()["access_token"]
    return SyncSCIMClient(Client(base_url=f"{url}/scim/v2", headers={"Authorization": f"Bearer {token}"}), **options)


def everything(scim, model):
    """Page by page: the answers as they came, so that odd people do not stop the reading."""
    rows, start = [], 1
    while True:
        asked = SearchRequest(start_index=start, count=PAGE)
        page = scim.query(model, query_parameters=asked, check_response_payload=False)
        rows += page.get("Resources", [])
        start += page["itemsPerPage"]
        if start > page["totalResults"]:
            return rows


def read(scim, world):
    scim.discover()
    wanted = json.load(open(world, encoding="utf-8"))["scim"]
    for name, path in (("User", "Users"), ("Group", "Groups")):
        model = scim.get_resource_model(name)
        rows = everything(scim, model)
        assert rows == wanted[path], f"{path}: not what the world says"
        # Its models are strict; what they refuse must be what is awkward on purpose.
        refused = [row for row in rows if not accepted(model, row)]
        assert len(refused) < len(rows) / 5, f"{path}: {len(refused)} of {len(rows)} are no resources"
        print(f"scim2-client: {len(rows)} {path} as the world has them, {len(refused)} of them too awkward for its models")


def accepted(model, row):
    try:
        model.model_validate(row)
    except ValueError:
        return False
    return True


def check(scim):
    results = check_server(scim)
    results = [result for result in results if result.reason != STAYS]
    bad = [result for result in results if result.status in (Status.ERROR, Status.CRITICAL)]
    for result in bad:
        print(f"{result.status.name} {result.title} {result.resource_type}: {result.reason}", file=sys.stderr)
    counts = {status.name: sum(r.status == status for r in results) for status in Status}
    told = ", ".join(f"{count} {name.lower()}" for name, count in counts.items() if count)
    print(f"scim2-tester: {told}")
    skipped = {result.title for result in results if result.status == Status.SKIPPED}
    # POST /.search is not offered, and says so with 501.
    assert not bad and skipped <= {"search_with_attributes"}, skipped
    assert counts["SUCCESS"] > 50


if __name__ == "__main__":
    url, client_id, secret_file, world, *rest = sys.argv[1:]
    if rest == ["check"]:
        check(client(url, client_id, secret_file, provider=LENIENT))
    else:
        read(client(url, client_id, secret_file), world)
