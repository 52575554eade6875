-- How many findings that are not resolved had each run, by rule? For what a partial run did not read, they are those of earlier runs.
-- In the folder that holds the snapshots: duckdb < trend.sql
SELECT parse_path(filename)[-2]                                            AS run,
       (SELECT m.completeness FROM read_json('*/manifest.json', filename = true) m
        WHERE parse_path(m.filename)[-2] = parse_path(f.filename)[-2])     AS completeness,
       rule,
       count(*)                                                            AS findings
FROM read_parquet('*/findings.parquet', filename = true) f
WHERE parse_path(filename)[-2] NOT IN ('latest', 'latest-complete') AND status <> 'resolved'
GROUP BY ALL
ORDER BY run, rule;
