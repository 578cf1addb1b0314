-- A result at one household changes what is judged at another to which a signal moved (K4). Of two households no order is kept, so what each judgement
-- saw of the other's results is noted at its own place, where that was news.
CREATE TABLE answered_elsewhere (
    household_id uuid NOT NULL,          -- where it was judged
    turn         bigint NOT NULL DEFAULT nextval('task_events_event_id_seq'), -- one order with task_events.event_id and wake_ups_taken.turn
    came_before  bigint NOT NULL,        -- every record of the household with a lower offset was judged before this
    signal_id    uuid NOT NULL,
    purpose      text NOT NULL,
    answered     boolean NOT NULL,       -- a closed task of another household answered it; false: no longer, that result was taken back
    PRIMARY KEY (household_id, turn)     -- query: what a household knew last, and what a stretch of households came to know, in their order
);
COMMENT ON TABLE answered_elsewhere IS 'What judgements came to know of results at other households, for replay by knowledge time. Retention: with the household.';

-- Two sets of rules may judge at one instant: the same turns say which did. Null: from before this was noted; the instant must do.
ALTER TABLE rule_activations ADD COLUMN turn bigint;
ALTER TABLE rule_activations ALTER COLUMN turn SET DEFAULT nextval('task_events_event_id_seq');
ALTER TABLE backlog_activations ADD COLUMN turn bigint;
ALTER TABLE backlog_activations ALTER COLUMN turn SET DEFAULT nextval('task_events_event_id_seq');
