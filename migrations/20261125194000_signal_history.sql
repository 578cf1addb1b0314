-- What was known on a day: `signals` keeps the greatest copy of each signal only, and a replay by knowledge time needs those before it, too.
CREATE TABLE signal_history (
    household_id  uuid NOT NULL,
    signal_id     uuid NOT NULL,
    municipality  text NOT NULL,
    revision      integer NOT NULL,
    filing        integer NOT NULL,
    lives_here    boolean NOT NULL,
    standing      text NOT NULL,
    partner_id    text NOT NULL,
    partner_type  text NOT NULL,
    kind          text NOT NULL,
    domain        text NOT NULL,
    event_date    date NOT NULL,
    first_received_at timestamptz NOT NULL,
    received_at   timestamptz NOT NULL,
    amount_cents  integer,
    crisis        boolean NOT NULL,
    warm_handover boolean NOT NULL,
    supply_ends_on date,
    age_unknown   boolean NOT NULL,
    debtor_id     uuid,
    area_id       text,
    fields        jsonb,
    request_id    text,
    came_at       bigint NOT NULL,       -- its place in the household's log order; the copy that superseded it has a higher one
    PRIMARY KEY (household_id, signal_id, came_at) -- query: the copies of a stretch of households, in their order
);
COMMENT ON TABLE signal_history IS 'Copies of signals that a greater one superseded, for replay by knowledge time. Retention: with the signal.';
