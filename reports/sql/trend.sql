-- Counts unresolved findings by run and rule. For lists that a partial run did not read, findings of earlier runs are counted.
-- Run it in the folder that contains the snapshots: duckdb < trend.sql
SELECT parse_path(filename)[-2]                                            AS run,
       (SELECT m.completeness FROM read_json('*/manifest.json', filename = true) m
        WHERE parse_path(m.filename)[-2] = parse_path(f.filename)[-2])     AS completeness,
       rule,
       count(*)                                                            AS findings
FROM read_parquet('*/findings.parquet', filename = true) f
WHERE parse_path(filename)[-2] NOT IN ('latest', 'latest-complete') AND status <> 'resolved'
GROUP BY ALL
ORDER BY run, rule;
