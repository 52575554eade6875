-- Lists the population of an access review: every member of every group, with what a reviewer needs to decide.
-- A membership whose confirmed_at is older than the as_of of the snapshot was not read by this run. It is the last known state.
-- Run it in the folder of a snapshot: duckdb < review-population.sql
SELECT m.source,
       coalesce(g.name, m.group_id)                AS "group",
       coalesce(g.privileged, false)               AS privileged,
       m.via,
       -- Name in a directory that the membership comes from. Without a user it stands for people who are not known.
       m.external_name,
       m.user_id                                   AS id,
       u.username,
       u.display_name,
       u.kind,
       u.enabled,
       u.account_type,
       u.last_login_status,
       u.last_login,
       m.confirmed_at,
       list_sort(list(DISTINCT f.rule) FILTER (f.rule IS NOT NULL)) AS findings
FROM 'memberships.parquet' m
LEFT JOIN 'groups.parquet' g ON g.source = m.source AND g.id = m.group_id
LEFT JOIN 'users.parquet' u ON u.source = m.source AND u.id = m.user_id
LEFT JOIN 'findings.parquet' f ON f.source = m.source AND f.subject_kind = 'user' AND f.subject_id = m.user_id
                              AND f.status <> 'resolved'
GROUP BY ALL
ORDER BY privileged DESC, m.source, "group", username;
