// Serves users and groups with SCIMMY (npm: scimmy, scimmy-routers) below /scim/v2 on a free port of 127.0.0.1, from
// memory. Called by .ci/scim-servers as `node scimmy.mjs TOKEN_FILE`; prints its address once it answers.
//
// SCIMMY parses requests, pages, sorts and formats. This file only stores what it passes in. As SQL-backed providers do,
// it numbers users and groups each from 1, so an id alone does not say which of the two a member is.
import { readFileSync } from "node:fs";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const BASE = "/scim/v2";
const token = readFileSync(process.argv[2], "utf8").trim();

/** Stores the records of one resource type by id. */
class Store {
    #records = new Map();
    #last = 0;

    constructor(format) {
        this.format = format;
    }

    get all() {
        return [...this.#records.values()];
    }

    /** Returns one record, or those that the request's filter matches. */
    egress = (resource) => {
        if (resource.id) return this.format(this.#get(resource.id));
        const found = this.all.map(this.format);
        return resource.filter ? resource.filter.match(found) : found;
    };

    /** Creates a record, or replaces the one that the request names. */
    ingress = (resource, data) => {
        const now = new Date().toISOString();
        const id = resource.id ?? String(++this.#last);
        const created = resource.id ? this.#get(id).meta.created : now;
        this.#records.set(id, { ...JSON.parse(JSON.stringify(data)), id, meta: { created, lastModified: now } });
        return this.format(this.#get(id));
    };

    degress = (resource) => {
        this.#get(resource.id);
        this.#records.delete(resource.id);
    };

    #get(id) {
        const record = this.#records.get(id);
        if (!record) throw new SCIMMY.Types.Error(404, null, `Resource ${id} not found`);
        return record;
    }
}

const isGroup = (member) => member.type === "Group";
const holds = (group, id, asGroup) => (group.members ?? []).some((m) => m.value === id && isGroup(m) === asGroup);
const parents = (id, asGroup) => groups.all.filter((group) => holds(group, id, asGroup));

/** Returns the groups of a user as RFC 7643 section 4.1.2 lists them: direct ones, and those around them. */
function groupsOf(id) {
    const direct = parents(id, false);
    const above = new Set();
    const rise = (group) => {
        for (const parent of parents(group.id, true)) {
            if (!above.has(parent)) {
                above.add(parent);
                rise(parent);
            }
        }
    };
    direct.forEach(rise);
    const entry = (type) => ({ id, displayName }) => ({ value: id, $ref: `${BASE}/Groups/${id}`, display: displayName, type });
    const indirect = [...above].filter((group) => !direct.includes(group));
    return [...direct.map(entry("direct")), ...indirect.map(entry("indirect"))];
}

const users = new Store((user) => ({ ...user, groups: groupsOf(user.id) }));
const groups = new Store((group) => ({
    ...group,
    members: (group.members ?? []).map((m) => ({ ...m, $ref: `${BASE}/${isGroup(m) ? "Groups" : "Users"}/${m.value}` })),
}));

SCIMMY.Resources.declare(SCIMMY.Resources.User).ingress(users.ingress).egress(users.egress).degress(users.degress);
SCIMMY.Resources.declare(SCIMMY.Resources.Group).ingress(groups.ingress).egress(groups.egress).degress(groups.degress);

const app = express();
const handler = (request) => {
    if (request.header("Authorization") !== `Bearer ${token}`) throw new Error("the bearer token is missing or wrong");
    return "auditor";
};
app.use(BASE, new SCIMMYRouters({ type: "bearer", handler }));
const server = app.listen(0, "127.0.0.1", () => {
    console.log(`http://127.0.0.1:${server.address().port}${BASE}`);
});
