-- What people ask of a long ledger: the newest jobs in a state, and those of a node. Without these a
-- state that is rare, or a node without jobs, is looked for in every row (seconds at a million).
-- lateness_ms is there so that late starts are counted and found without the rows.
CREATE INDEX by_state_due ON jobs (state, due, job_id, lateness_ms);
CREATE INDEX by_node_due ON jobs (node, due, job_id);
