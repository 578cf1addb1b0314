-- The correlator: timelines, matches, tasks. All written in the transaction that moves the position (I3).

CREATE TABLE signals (
    household_id  uuid NOT NULL,
    signal_id     uuid NOT NULL,
    municipality  text NOT NULL,
    revision      integer NOT NULL,
    filing        integer NOT NULL,
    lives_here    boolean NOT NULL,      -- false: a tombstone, so that a late lower copy stays beaten (S3)
    standing      text NOT NULL,         -- counted, withdrawn, objected, expired (S4)
    partner_id    text NOT NULL,
    partner_type  text NOT NULL,
    kind          text NOT NULL,
    domain        text NOT NULL,
    event_date    date NOT NULL,         -- T1
    first_received_at timestamptz NOT NULL,
    received_at   timestamptz NOT NULL,  -- knowledge time of this revision
    amount_cents  integer,
    crisis        boolean NOT NULL,
    warm_handover boolean NOT NULL,
    supply_ends_on date,
    age_unknown   boolean NOT NULL DEFAULT false, -- S6
    debtor_id     uuid,                  -- S7
    area_id       text,
    fields        jsonb,
    request_id    text,
    PRIMARY KEY (household_id, signal_id)
);
COMMENT ON TABLE signals IS 'Timelines: a household''s signals, greatest copy each. Retention: as the signal kind says.';

CREATE TABLE household_judgements (
    household_id uuid PRIMARY KEY,
    municipality text NOT NULL,
    as_of        date NOT NULL,          -- never goes back (T2)
    next_look    date
);
COMMENT ON TABLE household_judgements IS 'How far each household was judged. Retention: with the household.';

CREATE TABLE matches (
    household_id uuid NOT NULL,
    rule_id      text NOT NULL,
    anchor       text NOT NULL,          -- 2025-01 or a signal id (M2)
    municipality text NOT NULL,
    rule_version integer NOT NULL,
    rule_set     text NOT NULL,
    witnesses    uuid[] NOT NULL,        -- sorted
    evidence     jsonb NOT NULL,
    PRIMARY KEY (household_id, rule_id, anchor)
);
COMMENT ON TABLE matches IS 'What is true now (M3). Retention: goes with its witnesses.';

CREATE TABLE suppressions (
    household_id uuid NOT NULL,
    rule_id      text NOT NULL,
    anchor       text NOT NULL,
    municipality text NOT NULL,
    reason       text NOT NULL,          -- threshold, repeat, cooldown, not_older_than, hold, answered …
    as_of        date NOT NULL,
    PRIMARY KEY (household_id, rule_id, anchor)
);
COMMENT ON TABLE suppressions IS 'Matches that raise nothing, and why: muted is never silent. Retention: with the match.';

CREATE TABLE tasks (
    task_id      uuid PRIMARY KEY,
    municipality text NOT NULL,
    household_id uuid NOT NULL,
    purpose      text NOT NULL,
    state        text NOT NULL CHECK (state IN ('open', 'claimed', 'closed', 'withdrawn', 'merged')),
    urgency      text NOT NULL,
    ladder_step  integer NOT NULL,       -- K7
    due_on       date NOT NULL,          -- the earliest of its grounds (T5)
    team_id      text NOT NULL,
    area_id      text NOT NULL,
    raised_as_of date NOT NULL,          -- knowledge date
    raised_at    timestamptz NOT NULL,
    claimed_by   uuid,
    claimed_at   timestamptz,
    outcome      text,
    closed_as_of date,
    closed_at    timestamptz,
    closed_by    uuid,
    flagged      boolean NOT NULL DEFAULT false, -- lost its grounds while somebody had it: a person decides (K10)
    annotated    boolean NOT NULL DEFAULT false, -- some grounds are gone (K10)
    version      integer NOT NULL DEFAULT 1,     -- rises with each change; pages and API send it back
    request_id   text                    -- of the signal that raised it
);
COMMENT ON TABLE tasks IS 'What was raised: a fact, never deleted before its retention. Retention: 5 years† after closing.';
CREATE UNIQUE INDEX tasks_one_open_per_purpose ON tasks (household_id, purpose) WHERE state IN ('open', 'claimed'); -- I8
CREATE INDEX tasks_worklist ON tasks (team_id, due_on) WHERE state IN ('open', 'claimed');
CREATE INDEX tasks_household ON tasks (household_id);

CREATE TABLE task_grounds (
    task_id      uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
    rule_id      text NOT NULL,
    anchor       text NOT NULL,
    rule_version integer NOT NULL,
    rule_set     text NOT NULL,
    witnesses    uuid[] NOT NULL,
    evidence     jsonb NOT NULL,         -- values and thresholds as they were
    words        text NOT NULL,          -- the same in plain Dutch
    due_on       date NOT NULL,
    added_as_of  date NOT NULL,
    gone_as_of   date,                   -- the match is no longer true (I5)
    PRIMARY KEY (task_id, rule_id, anchor)
);
COMMENT ON TABLE task_grounds IS 'Why a task was raised, copied when it was (M3). Retention: with the task.';

CREATE TABLE task_events (
    event_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id    uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
    happened_at timestamptz NOT NULL,
    actor      uuid,                     -- null: the system
    event      text NOT NULL,            -- raised, joined, annotated, flagged, withdrawn, claimed, released, contact, closed, reopened, held, lifted
    detail     jsonb NOT NULL
);
COMMENT ON TABLE task_events IS 'History of each task. Retention: with the task.';
CREATE INDEX task_events_task ON task_events (task_id, event_id);

CREATE TABLE contact_attempts (
    attempt_id uuid PRIMARY KEY,
    task_id    uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
    tried_on   date NOT NULL,
    channel    text NOT NULL,
    day_part   text NOT NULL,
    reached    boolean NOT NULL,
    recorded_by uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE contact_attempts IS 'Contact attempts by the official lists. Retention: with the task.';
CREATE INDEX contact_attempts_task ON contact_attempts (task_id, recorded_at);

CREATE TABLE holds (
    hold_id      uuid PRIMARY KEY,
    municipality text NOT NULL,
    household_id uuid NOT NULL,
    reason       text NOT NULL,          -- shown on the safety desk only (K11)
    signal_id    uuid,                   -- the marker
    raised_at    timestamptz NOT NULL,
    lifted_at    timestamptz,
    lifted_by    uuid,
    lifted_why   text
);
COMMENT ON TABLE holds IS 'No outreach at this household now (I10). Retention: 5 years† after lifting.';
CREATE UNIQUE INDEX holds_active ON holds (household_id, reason) WHERE lifted_at IS NULL;

CREATE TABLE wake_ups (
    topic        text NOT NULL,
    partition    integer NOT NULL,       -- of signals.resolved: its owner judges
    household_id uuid NOT NULL,
    due          date NOT NULL,
    reason       text NOT NULL,
    PRIMARY KEY (topic, partition, household_id, due, reason)
);
COMMENT ON TABLE wake_ups IS 'What changes a judgement without a signal. Retention: until taken.';
CREATE INDEX wake_ups_due ON wake_ups (topic, partition, due);

CREATE TABLE rule_sets (
    rule_set   text PRIMARY KEY,         -- content hash
    content    jsonb NOT NULL,           -- the canonical form that was hashed
    first_seen_at timestamptz NOT NULL
);
COMMENT ON TABLE rule_sets IS 'Every rule set that ever judged, by content. Retention: as long as a task names it.';

CREATE TABLE rule_activations (
    topic       text NOT NULL,
    partition   integer NOT NULL,
    from_offset bigint NOT NULL,
    rule_set    text NOT NULL REFERENCES rule_sets,
    activated_at timestamptz NOT NULL,
    PRIMARY KEY (topic, partition, from_offset, rule_set)
);
COMMENT ON TABLE rule_activations IS 'Which rule set judged from which record on, so that a replay judges as the first time did. Retention: for ever.';
CREATE INDEX rule_activations_rule_set ON rule_activations (rule_set);
