-- How far each feed is complete, as its partner says: what an absence may be concluded from, and nothing else (design §4).

CREATE TABLE feed_marks (
    mark_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality     text NOT NULL,
    partner_id       text NOT NULL REFERENCES partners,
    kind             text NOT NULL,
    complete_through date NOT NULL,      -- every signal of this kind dated on this day or before is delivered
    delivery_id      uuid REFERENCES deliveries ON DELETE SET NULL, -- with which it was said; null: without one
    given_by         text NOT NULL CHECK (given_by IN ('partner', 'office')),
    given_at         timestamptz NOT NULL,
    effective_at     timestamptz,        -- since when the rules go by it: all that came before it was in its place by then (S5)
    effective_turn   bigint UNIQUE,      -- in which order they took effect. Query: whether any did since the last look
    lapsed_at        timestamptz,        -- its delivery broke off: it was never true
    CHECK (effective_at IS NULL OR lapsed_at IS NULL)
);
CREATE SEQUENCE feed_marks_turns OWNED BY feed_marks.effective_turn;
COMMENT ON TABLE feed_marks IS 'Through which day each partner has delivered everything of a kind. About nobody. Retention: as long as the partner is registered; a replay goes by it.';
-- Query: how far a feed is complete, as the rules, its partner and operations read it.
CREATE INDEX feed_marks_feed ON feed_marks (municipality, partner_id, kind, complete_through DESC);
-- Query: which marks wait to take effect.
CREATE INDEX feed_marks_waiting ON feed_marks (given_at) WHERE effective_at IS NULL AND lapsed_at IS NULL;
-- Query: what was said with a delivery, and the deletion of deliveries whose time is over.
CREATE INDEX feed_marks_delivery ON feed_marks (delivery_id) WHERE delivery_id IS NOT NULL;
-- Query: the reference to partners.
CREATE INDEX feed_marks_partner ON feed_marks (partner_id);

-- Query: whether everything that came in of a feed these last days has found its place.
CREATE INDEX signal_receipts_feed ON signal_receipts (partner_id, kind, received_at);

-- Within how many days this partner means to deliver something, if that was agreed: longer silence than one and a half times that wants
-- somebody to call (ops.partner_silence).
ALTER TABLE partners ADD COLUMN delivers_every_days integer CHECK (delivers_every_days > 0);

-- An absence of this household waits for a feed: a mark that takes effect wakes it.
ALTER TABLE household_judgements ADD COLUMN awaits_feeds boolean NOT NULL DEFAULT false;
-- Query: whom to wake in a municipality when a mark takes effect.
CREATE INDEX household_judgements_awaits_feeds ON household_judgements (municipality) WHERE awaits_feeds;
