-- A replay judges as the first time did (K2), so it needs the place in the household's order of everything that was no record: a judgement without
-- a signal, and what a colleague did. Both take their turn from one sequence, under the household's lock.
CREATE TABLE wake_ups_taken (
    household_id uuid NOT NULL,
    turn         bigint NOT NULL DEFAULT nextval('task_events_event_id_seq'), -- one order with task_events.event_id
    came_before  bigint NOT NULL,        -- every record of the household with a lower offset was judged before this
    due          date NOT NULL,
    reason       text NOT NULL,
    judged_at    timestamptz NOT NULL,   -- says which rules were in force (rule_activations.activated_at)
    PRIMARY KEY (household_id, turn)     -- query: what a stretch of households was woken for, in their order
);
COMMENT ON TABLE wake_ups_taken IS 'Judgements without a signal, for replay by knowledge time; of a new rule set only those that changed a task. Retention: with the household.';

ALTER TABLE task_events ADD COLUMN came_before bigint;
COMMENT ON COLUMN task_events.came_before IS 'Every record of the household with a lower offset in signals.resolved was judged before this. Null: by the system, or from before this was noted.';
