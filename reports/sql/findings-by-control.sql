-- Counts findings by control. A finding is relevant to a control; it does not show that the control failed.
-- Run it in the folder of a snapshot: duckdb < findings-by-control.sql
SELECT control, rule, severity, count(*) AS findings
FROM (SELECT unnest(controls) AS control, rule, severity FROM 'findings.parquet' WHERE status <> 'resolved')
GROUP BY ALL
ORDER BY control, rule, severity;
