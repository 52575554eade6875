-- Lists inactive privileged accounts, and where their privilege comes from: their own record or groups.
-- Run it in the folder of a snapshot: duckdb < stale-privileged.sql
SELECT f.source,
       f.subject_id                                AS id,
       f.subject_name                              AS username,
       f.evidence ->> 'basis'                      AS last_login,
       CAST(f.evidence ->> 'age_days' AS BIGINT)   AS age_days,
       CAST(f.evidence ->> 'threshold_days' AS BIGINT) AS threshold_days,
       coalesce(u.is_admin, false)                 AS administrator,
       list_sort(list(g.name) FILTER (g.name IS NOT NULL)) AS privileged_groups
FROM 'findings.parquet' f
JOIN 'users.parquet' u ON u.source = f.source AND u.id = f.subject_id
LEFT JOIN 'memberships.parquet' m ON m.source = f.source AND m.user_id = f.subject_id
LEFT JOIN 'groups.parquet' g ON g.source = m.source AND g.id = m.group_id AND g.privileged
WHERE f.rule = 'stale-login' AND f.status <> 'resolved' AND f.evidence ->> 'privileged' = 'true'
GROUP BY ALL
ORDER BY age_days DESC, f.source, id;
