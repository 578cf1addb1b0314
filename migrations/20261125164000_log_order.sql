-- Filings that are left over after a crash are produced in the order in which they were decided, as they would have been without it (K2). Rows of one
-- batch share their decided_at, and a process's clock may step back: neither orders them.
ALTER TABLE signal_homes ADD COLUMN turn bigint GENERATED ALWAYS AS IDENTITY;
COMMENT ON COLUMN signal_homes.turn IS 'Order of decision; per partition of signals.received also the order of production.';

-- A new version of a rule raises only with a witness that came after it did, and "after" is the order of the log, not a clock: what still waits in
-- the log when a version comes into force was judged by nobody.
ALTER TABLE signals ADD COLUMN came_at bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN signals.came_at IS 'Offset in signals.resolved of the record that brought this copy: its place in the household''s log order (K2). 0: from before this was noted.';

-- A set of rules that comes into force wakes the households of its partition, so that no match stays that a rule no longer says (M3, I5).
ALTER TABLE household_judgements ADD COLUMN partition integer;
COMMENT ON COLUMN household_judgements.partition IS 'Of signals.resolved. Read whole when a rule set comes into force, which needs no index.';
