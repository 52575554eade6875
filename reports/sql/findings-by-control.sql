-- How many findings is each control concerned by? A finding is relevant to a control; it does not decide about it.
-- In a snapshot's folder: duckdb < findings-by-control.sql
SELECT control, rule, severity, count(*) AS findings
FROM (SELECT unnest(controls) AS control, rule, severity FROM 'findings.parquet' WHERE status <> 'resolved')
GROUP BY ALL
ORDER BY control, rule, severity;
