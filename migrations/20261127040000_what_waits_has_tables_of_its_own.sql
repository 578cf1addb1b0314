-- What is pending and what is to be produced were columns of rows that every signal has, so that every signal's receipt and filing were written twice, with
-- all their index entries: a sixth of the database's time. Both belong to what was done together, a request, a chunk, a batch of a partition: now each of those has
-- one row while it waits, and receipts and filings are written once.

CREATE TABLE open_promises (
    promise_id  uuid PRIMARY KEY,
    signals     uuid[] NOT NULL,         -- whose current revision was promised with it
    promised_at timestamptz NOT NULL
);
-- Ids do not get smaller.
ALTER TABLE open_promises ALTER COLUMN signals SET STORAGE EXTERNAL;
COMMENT ON TABLE open_promises IS 'Promises whose records the log is not known to hold (I1), one per request or chunk of a file. Retention: until it holds them, or some hours after none of its signals waits for it any more.';
COMMENT ON INDEX open_promises_pkey IS 'query: whether what a receipt was promised with is still open (store::receipts)';

ALTER TABLE signal_receipts ADD COLUMN promise_id uuid;
COMMENT ON COLUMN signal_receipts.promise_id IS 'With which promise its current revision came in: it is pending while that is open.';
ALTER TABLE signal_receipts DROP CONSTRAINT signal_receipts_state_check;
ALTER TABLE signal_receipts ADD CONSTRAINT signal_receipts_state_check CHECK (state IN ('pending', 'acknowledged', 'promised')) NOT VALID;
COMMENT ON COLUMN signal_receipts.state IS 'promised: see promise_id. The release before wrote pending or acknowledged; to it what is promised is not acknowledged, so that it brings it to the log once more.';
COMMENT ON INDEX signal_receipts_pending IS 'query: receipts of the release before that wait for the log, few at any time (pending_receipts)';

CREATE VIEW pending_receipts AS
    SELECT signal_id, municipality, partner_id, kind, first_received_at, received_at, erased_at FROM signal_receipts WHERE state = 'pending'
    UNION ALL
    SELECT r.signal_id, r.municipality, r.partner_id, r.kind, r.first_received_at, r.received_at, r.erased_at
    FROM open_promises p, UNNEST(p.signals) AS w (signal_id), signal_receipts r
    WHERE r.signal_id = w.signal_id AND r.promise_id = p.promise_id AND r.state = 'promised';
COMMENT ON VIEW pending_receipts IS 'Receipts whose current revision the log is not known to hold (I1).';

CREATE TABLE filings_to_produce (
    turn      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition integer NOT NULL,          -- of signals.received: its owner produces
    signals   uuid[] NOT NULL,           -- which filings: signal, revision and filing, side by side
    revisions integer[] NOT NULL,
    filings   integer[] NOT NULL,
    records   bytea NOT NULL             -- a line for each filing, in order of decision: JSON with requestId and records
);
ALTER TABLE filings_to_produce
    ALTER COLUMN signals SET STORAGE EXTERNAL, ALTER COLUMN revisions SET STORAGE EXTERNAL, ALTER COLUMN filings SET STORAGE EXTERNAL,
    ALTER COLUMN records SET STORAGE EXTERNAL;
COMMENT ON TABLE filings_to_produce IS 'What was decided and is not known to be on the log, one row per batch and partition; turn is the order of decision and of production (K2). Retention: until the log holds it.';
COMMENT ON INDEX filings_to_produce_pkey IS 'query: what a partition is to produce, in order, and its end (store::homes)';
COMMENT ON COLUMN signal_homes.placed IS 'Always true: see filings_to_produce. The release before wrote false for what was to be produced, and the records beside it.';
COMMENT ON COLUMN signal_homes.record IS 'What to try again with while it has no household.';
COMMENT ON INDEX signal_homes_unproduced IS 'query: what the release before decided and did not produce, few at any time (store::homes)';

CREATE VIEW unproduced_filings AS
    SELECT signal_id, revision, filing, municipality, partner_id, kind, received_at, decided_at FROM signal_homes WHERE NOT placed
    UNION ALL
    SELECT h.signal_id, h.revision, h.filing, h.municipality, h.partner_id, h.kind, h.received_at, h.decided_at
    FROM filings_to_produce f, UNNEST(f.signals, f.revisions, f.filings) AS w (signal_id, revision, filing), signal_homes h
    WHERE (h.signal_id, h.revision, h.filing) = (w.signal_id, w.revision, w.filing);
COMMENT ON VIEW unproduced_filings IS 'Filings that were decided and are not known to be on the log.';
