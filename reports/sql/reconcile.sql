-- Checks that the tables of a snapshot agree with each other. Every line should be 0.
-- Run it in the folder of a snapshot: duckdb < reconcile.sql
SELECT 'duplicate users' AS question,
       (SELECT count(*) - count(DISTINCT (source, id)) FROM 'users.parquet') AS rows
UNION ALL
SELECT 'duplicate groups',
       (SELECT count(*) - count(DISTINCT (source, id)) FROM 'groups.parquet')
UNION ALL
SELECT 'memberships without a user record and without a finding',
       (SELECT count(*) FROM 'memberships.parquet' m
        WHERE m.user_id IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM 'users.parquet' u WHERE u.source = m.source AND u.id = m.user_id)
          AND NOT EXISTS (SELECT 1 FROM 'findings.parquet' f
                          WHERE f.source = m.source AND f.rule = 'dangling-group'
                            AND f.subject_kind = 'group' AND f.subject_id = m.group_id))
UNION ALL
SELECT 'groups whose member count differs from their memberships',
       (SELECT count(*) FROM 'groups.parquet' g
        WHERE g.member_count <> (SELECT count(*) FROM 'memberships.parquet' m
                                 JOIN 'users.parquet' u ON u.source = m.source AND u.id = m.user_id
                                 WHERE m.source = g.source AND m.group_id = g.id))
UNION ALL
SELECT 'new or reopened findings without a user record',
       (SELECT count(*) FROM 'findings.parquet' f
        -- Only findings of this run: the subject of an older finding may have been removed since.
        WHERE f.subject_kind = 'user' AND f.status IN ('new', 'reopened')
          AND NOT EXISTS (SELECT 1 FROM 'users.parquet' u WHERE u.source = f.source AND u.id = f.subject_id))
UNION ALL
SELECT 'users that are in only one of CSV and Parquet',
       (SELECT count(*) FROM (
            (SELECT source, id FROM 'users.parquet' EXCEPT ALL
             SELECT source, id FROM read_csv('users.csv', header = true, all_varchar = true))
            UNION ALL
            (SELECT source, id FROM read_csv('users.csv', header = true, all_varchar = true) EXCEPT ALL
             SELECT source, id FROM 'users.parquet')));
