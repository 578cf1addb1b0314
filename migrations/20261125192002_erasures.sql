-- The end of a signal: it expires (S4), its household is judged without it, and then everything about it is erased but a tombstone.

CREATE TABLE erasures (
    signal_id  uuid PRIMARY KEY,
    debtor_id  uuid,                     -- whom it named: forgotten when no other signal names the person
    erased_at  timestamptz NOT NULL      -- when it left its timeline, or its place without a household
);
COMMENT ON TABLE erasures IS 'Signals past their retention that were judged so: what else is known of them still has to go. Retention: until it is gone, minutes later.';

-- Query: which households have signals that expired by this day.
CREATE INDEX signals_kind_date ON signals (kind, event_date);

-- A receipt of an erased signal says that it was there and when, and nothing else.
ALTER TABLE signal_receipts ADD COLUMN erased_at timestamptz;
COMMENT ON TABLE signal_receipts IS 'One row per signal: its identity and receipt (S1, I1). Retention: as the signal kind says, then a tombstone for 5 years†.';
-- Query: tombstones whose time is over.
CREATE INDEX signal_receipts_erased ON signal_receipts (erased_at) WHERE erased_at IS NOT NULL;

-- A person whose signals never reached a timeline is forgotten when no signal of that time can be left.
ALTER TABLE debtor_index ADD COLUMN added_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX debtor_index_debtor ON debtor_index (debtor_id);

COMMENT ON TABLE rule_sets IS 'Every rule set that ever judged, by content. Retention: for ever; a replay judges by it, and it says nothing of anybody.';
COMMENT ON TABLE households IS 'Households by random id. Retention: until its last signal is erased and nothing is registered about it any more.';
COMMENT ON TABLE debtor_index IS 'Keyed person to random id (S7). Retention: until the last signal that names the person is erased and nothing is registered about them any more.';

-- Signals that expired where nobody judges them. Without a household: by the event date that was kept to try again with. Lost on their way to a timeline
-- or before: by their receipt, which is never earlier than a day before what they are about. Asked for twice: to erase, and to say what would be.
CREATE FUNCTION expired_elsewhere(kinds text[], lasts date[], other date) RETURNS TABLE (signal_id uuid)
LANGUAGE sql STABLE
AS $$
    WITH ends AS (SELECT l.kind, l.last FROM UNNEST(kinds, lasts) AS l (kind, last)),
    unplaced AS (
        SELECT h.signal_id, h.kind, (h.received_at AT TIME ZONE 'Europe/Amsterdam')::date AS received_on,
               (CASE WHEN h.placed THEN h.record ELSE h.record -> 'again' END #>> '{content,eventDate}')::date AS event_date
        FROM signal_homes h
        WHERE h.household_id IS NULL
          AND NOT EXISTS (SELECT 1 FROM signal_homes later WHERE later.signal_id = h.signal_id
                            AND (later.revision, later.filing) > (h.revision, h.filing)))
    SELECT found.signal_id FROM (
        SELECT u.signal_id FROM unplaced u LEFT JOIN ends USING (kind)
        WHERE coalesce(u.event_date, u.received_on) <= coalesce(ends.last, other)
        UNION
        SELECT r.signal_id FROM signal_receipts r LEFT JOIN ends USING (kind)
        WHERE r.erased_at IS NULL AND (r.received_at AT TIME ZONE 'Europe/Amsterdam')::date <= coalesce(ends.last, other)
          AND NOT EXISTS (SELECT 1 FROM signal_homes h JOIN signals s ON s.household_id = h.household_id AND s.signal_id = h.signal_id
                          WHERE h.signal_id = r.signal_id)) AS found
    WHERE NOT EXISTS (SELECT 1 FROM erasures e WHERE e.signal_id = found.signal_id)
$$;
COMMENT ON FUNCTION expired_elsewhere IS 'Signals past their retention that no timeline holds.';
