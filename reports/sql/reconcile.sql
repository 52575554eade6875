-- Do the tables of a snapshot agree with each other? Every line should say 0.
-- In a snapshot's folder: duckdb < reconcile.sql
SELECT 'users that stand twice' AS question,
       (SELECT count(*) - count(DISTINCT (source, id)) FROM 'users.parquet') AS rows
UNION ALL
SELECT 'groups that stand twice',
       (SELECT count(*) - count(DISTINCT (source, id)) FROM 'groups.parquet')
UNION ALL
SELECT 'memberships of a user that is not there, and no finding says so',
       (SELECT count(*) FROM 'memberships.parquet' m
        WHERE m.user_id IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM 'users.parquet' u WHERE u.source = m.source AND u.id = m.user_id)
          AND NOT EXISTS (SELECT 1 FROM 'findings.parquet' f
                          WHERE f.source = m.source AND f.rule = 'dangling-group'
                            AND f.subject_kind = 'group' AND f.subject_id = m.group_id))
UNION ALL
SELECT 'groups whose member count is not their memberships',
       (SELECT count(*) FROM 'groups.parquet' g
        WHERE g.member_count <> (SELECT count(*) FROM 'memberships.parquet' m
                                 JOIN 'users.parquet' u ON u.source = m.source AND u.id = m.user_id
                                 WHERE m.source = g.source AND m.group_id = g.id))
UNION ALL
SELECT 'new or reopened findings about a user that is not there',
       (SELECT count(*) FROM 'findings.parquet' f
        -- Only what this run found: the subject of an older finding may have been removed since.
        WHERE f.subject_kind = 'user' AND f.status IN ('new', 'reopened')
          AND NOT EXISTS (SELECT 1 FROM 'users.parquet' u WHERE u.source = f.source AND u.id = f.subject_id))
UNION ALL
SELECT 'rows that CSV and Parquet of users do not share',
       (SELECT count(*) FROM (
            (SELECT source, id FROM 'users.parquet' EXCEPT ALL
             SELECT source, id FROM read_csv('users.csv', header = true, all_varchar = true))
            UNION ALL
            (SELECT source, id FROM read_csv('users.csv', header = true, all_varchar = true) EXCEPT ALL
             SELECT source, id FROM 'users.parquet')));
