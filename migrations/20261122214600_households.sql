-- The resolver: whose signal is this?

CREATE TABLE partition_positions (
    stage       text NOT NULL,           -- resolver, correlator
    topic       text NOT NULL,
    partition   integer NOT NULL,
    topic_id    text NOT NULL,           -- the log's own id of the topic; another id means another log
    next_offset bigint NOT NULL,
    epoch       bigint NOT NULL,         -- bumped on assignment; a zombie's commit moves no row
    owner       text NOT NULL,           -- which process, for people
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (stage, topic, partition)
);
COMMENT ON TABLE partition_positions IS 'Where each stage is in the log (I3). Retention: for ever; one row per partition and stage.';

CREATE TABLE households (
    household_id uuid PRIMARY KEY,       -- random; says nothing
    municipality text NOT NULL,
    first_seen_at timestamptz NOT NULL
);
COMMENT ON TABLE households IS 'Households by random id. Retention: until its last signal is erased.';

CREATE TABLE address_index (
    municipality       text NOT NULL,
    key_id             text NOT NULL,
    normaliser_version integer NOT NULL,
    address_key        bytea NOT NULL,   -- keyed hash of the normalised address (and of the person, at an excluded address: K14)
    household_id       uuid NOT NULL REFERENCES households,
    PRIMARY KEY (municipality, key_id, normaliser_version, address_key)
);
COMMENT ON TABLE address_index IS 'Keyed address to household; the resolver''s own. Retention: with the household.';
CREATE INDEX address_index_household ON address_index (household_id);

CREATE TABLE excluded_addresses (
    municipality text NOT NULL,
    key_id       text NOT NULL,
    normaliser_version integer NOT NULL,
    address_key  bytea NOT NULL,
    reason       text NOT NULL,          -- institution, shelter, too_many_residents
    added_at     timestamptz NOT NULL,
    PRIMARY KEY (municipality, key_id, normaliser_version, address_key)
);
COMMENT ON TABLE excluded_addresses IS 'Addresses where nothing is joined across persons (K14, Wet BRP 2.40). Retention: until taken off.';

CREATE TABLE debtor_index (
    municipality text NOT NULL,
    key_id       text NOT NULL,
    normaliser_version integer NOT NULL,
    person_key   bytea NOT NULL,
    debtor_id    uuid NOT NULL,
    PRIMARY KEY (municipality, key_id, normaliser_version, person_key)
);
COMMENT ON TABLE debtor_index IS 'Keyed person to random id (S7). Retention: until the last signal that names the person is erased.';

CREATE TABLE sealed_identities (
    signal_id  uuid NOT NULL,
    revision   integer NOT NULL,
    envelope   bytea NOT NULL,           -- opened only in the resolver and for a named colleague with a reason (I9)
    received_at timestamptz NOT NULL,
    PRIMARY KEY (signal_id, revision)
);
COMMENT ON TABLE sealed_identities IS 'Sealed name, birth date, BSN, address. Retention: with the signal; erasing here is erasing.';

CREATE TABLE signal_homes (
    signal_id        uuid NOT NULL,
    revision         integer NOT NULL,
    filing           integer NOT NULL,
    municipality     text NOT NULL,
    partner_id       text NOT NULL,
    kind             text NOT NULL,
    household_id     uuid REFERENCES households, -- null: unplaced
    household_before uuid REFERENCES households, -- set when this filing moves the signal
    unplaced_reason  text,               -- no_address, bad_address, excluded_address, unreadable_envelope
    withdrawn        boolean NOT NULL,
    discarded        boolean NOT NULL DEFAULT false, -- a person took it out of the queue
    record           jsonb,              -- what is still to be produced; dropped once placed
    partition        integer NOT NULL,   -- of signals.received: its owner produces
    placed           boolean NOT NULL,
    received_at      timestamptz NOT NULL,
    decided_at       timestamptz NOT NULL,
    PRIMARY KEY (signal_id, revision, filing)
);
COMMENT ON TABLE signal_homes IS 'Every filing of every signal (S3); the greatest is where it is (S5). Retention: with the signal.';
CREATE INDEX signal_homes_unproduced ON signal_homes (partition) WHERE NOT placed;
CREATE INDEX signal_homes_unplaced ON signal_homes (decided_at) WHERE household_id IS NULL;
CREATE INDEX signal_homes_household ON signal_homes (household_id);
CREATE INDEX signal_homes_before ON signal_homes (household_before);

CREATE TABLE dead_letters (
    dead_letter_id uuid PRIMARY KEY,
    stage       text NOT NULL,
    topic       text NOT NULL,
    partition   integer NOT NULL,
    record_offset bigint NOT NULL,
    record_key  bytea NOT NULL,
    payload     bytea NOT NULL,          -- as read; may hold a sealed envelope, never a bare identity
    request_id  text,
    reason      text NOT NULL,           -- code
    withdrawal  boolean NOT NULL,        -- a withdrawal that does not arrive raises an alarm
    state       text NOT NULL CHECK (state IN ('waiting', 'retried', 'discarded')),
    died_at     timestamptz NOT NULL,
    decided_at  timestamptz,
    decided_by  text,
    decided_why text,
    UNIQUE (stage, topic, partition, record_offset)
);
COMMENT ON TABLE dead_letters IS 'Records that could not be read, with the reason and a way out (I2). Retention: 14 days after the decision.';
CREATE INDEX dead_letters_waiting ON dead_letters (died_at) WHERE state = 'waiting';
