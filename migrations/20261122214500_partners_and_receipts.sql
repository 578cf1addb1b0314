-- Partners and what the gateway promises them.

CREATE TABLE partners (
    partner_id     text PRIMARY KEY,
    name           text NOT NULL,
    municipalities text[] NOT NULL,      -- CBS codes this partner may send for
    kinds          text[] NOT NULL,      -- signal kinds this partner may send
    partner_types  text[] NOT NULL,      -- official types this partner acts as; decides the type where a kind allows several
    rows_per_minute integer NOT NULL,    -- named rate limit: signals a minute over all doors
    natural_key    boolean NOT NULL DEFAULT false, -- S1: a row without reference is known by what it says instead of refused
    created_at     timestamptz NOT NULL,
    disabled_at    timestamptz
);
COMMENT ON TABLE partners IS 'Organisations that may push signals. Retention: as long as the agreement lasts; then disabled, never deleted while a signal names it.';

CREATE TABLE partner_keys (
    key_prefix  text PRIMARY KEY,        -- first part of the key, for lookup; not secret
    partner_id  text NOT NULL REFERENCES partners,
    secret_hash bytea NOT NULL,          -- of the secret part; the key itself is shown once and never stored
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz              -- set by rotation (overlap) and by disabling
);
COMMENT ON TABLE partner_keys IS 'API keys, hashed. Retention: 90 days after expiry.';
CREATE INDEX partner_keys_partner ON partner_keys (partner_id);

CREATE TABLE deliveries (
    delivery_id   uuid PRIMARY KEY,
    partner_id    text NOT NULL REFERENCES partners,
    format        text NOT NULL,
    state         text NOT NULL CHECK (state IN ('receiving', 'interrupted', 'complete')),
    file_digest   bytea,                 -- keyed digest of the whole file, once it was read whole
    same_as       uuid REFERENCES deliveries, -- an earlier complete delivery of the same file
    rows_read     bigint NOT NULL DEFAULT 0,
    rows_accepted bigint NOT NULL DEFAULT 0,
    rows_corrected bigint NOT NULL DEFAULT 0,
    rows_unchanged bigint NOT NULL DEFAULT 0,
    rows_refused  bigint NOT NULL DEFAULT 0,
    not_imported  bigint NOT NULL DEFAULT 0, -- parts of a DDAS document that tell what another system did
    problem       text,                  -- why it was interrupted, as a code
    received_at   timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    completed_at  timestamptz
);
COMMENT ON TABLE deliveries IS 'Delivered files: counts only. Retention: 13 months.';
CREATE INDEX deliveries_partner ON deliveries (partner_id, received_at DESC);
CREATE INDEX deliveries_same_as ON deliveries (same_as);

CREATE TABLE signal_receipts (
    signal_id       uuid PRIMARY KEY,
    municipality    text NOT NULL,
    partner_id      text NOT NULL REFERENCES partners,
    reference_index bytea NOT NULL,      -- keyed index of (municipality, partner, reference); the reference itself is sealed away
    kind            text NOT NULL,
    revision        integer NOT NULL,    -- current, from 1 (S2)
    digest          bytea NOT NULL,      -- keyed digest of the current revision
    state           text NOT NULL CHECK (state IN ('pending', 'acknowledged')),
    withdrawn       text,                -- reason code while withdrawn
    delivery_id     uuid,                -- of the current revision
    first_received_at timestamptz NOT NULL,
    received_at     timestamptz NOT NULL, -- of the current revision
    acknowledged_at timestamptz,
    UNIQUE (partner_id, reference_index)
);
COMMENT ON TABLE signal_receipts IS 'One row per signal: its identity and receipt (S1, I1). Retention: as the signal kind says, then a tombstone.';
CREATE INDEX signal_receipts_pending ON signal_receipts (received_at) WHERE state = 'pending';

CREATE TABLE signal_revisions (
    signal_id   uuid NOT NULL REFERENCES signal_receipts ON DELETE CASCADE,
    revision    integer NOT NULL,
    digest      bytea NOT NULL,
    received_at timestamptz NOT NULL,
    request_id  text NOT NULL,
    PRIMARY KEY (signal_id, revision)
);
COMMENT ON TABLE signal_revisions IS 'Every revision by keyed digest, so that an old file changes nothing (S2). Retention: with the signal.';

CREATE TABLE delivery_rows (
    delivery_id uuid NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    row_number  bigint NOT NULL,         -- as the sender counts: the line of the file, the sheet row, or the position in the document
    outcome     text NOT NULL CHECK (outcome IN ('accepted', 'corrected', 'unchanged', 'refused')),
    signal_id   uuid,
    revision    integer,
    problems    jsonb,                   -- [{column, code, expected}], never a value
    warnings    jsonb,
    PRIMARY KEY (delivery_id, row_number)
);
COMMENT ON TABLE delivery_rows IS 'Result per row of a delivery; no refused row is kept, only where it stood and what was wrong. Retention: 14 days after completion.';

CREATE TABLE intake_counts (
    day          date NOT NULL,
    partner_id   text NOT NULL,
    municipality text NOT NULL,          -- '' where the row named none that could be read
    outcome      text NOT NULL,          -- accepted, corrected, withdrawn, unchanged, refused
    code         text NOT NULL,          -- refusal code, else ''
    signals      bigint NOT NULL,
    PRIMARY KEY (day, partner_id, municipality, outcome, code)
);
COMMENT ON TABLE intake_counts IS 'What came in at the door, per day. Counts only. Retention: 25 months.';
