-- Which privileged accounts are stale, and through which groups do they hold their access?
-- In a snapshot's folder: duckdb < stale-privileged.sql
SELECT f.source,
       f.subject_id                                AS id,
       f.subject_name                              AS username,
       f.evidence ->> 'basis'                      AS last_login,
       CAST(f.evidence ->> 'age_days' AS BIGINT)   AS age_days,
       CAST(f.evidence ->> 'threshold_days' AS BIGINT) AS threshold_days,
       list_sort(list(g.name))                     AS privileged_groups
FROM 'findings.parquet' f
JOIN 'memberships.parquet' m ON m.source = f.source AND m.user_id = f.subject_id
JOIN 'groups.parquet' g ON g.source = m.source AND g.id = m.group_id AND g.privileged
WHERE f.rule = 'stale-login'
GROUP BY ALL
ORDER BY age_days DESC, f.source, id;
