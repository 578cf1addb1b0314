-- What is registered, and a feed that is complete, change judgements too; a replay goes by their turns and by no clock.

-- Its turn among acts and judgements without a record when it took effect. Null: not yet, or from before this was noted; the instant must do.
ALTER TABLE feed_marks ADD COLUMN turn bigint;

CREATE TABLE registration_places (
    registration_id uuid NOT NULL REFERENCES registrations ON DELETE CASCADE,
    household_id uuid NOT NULL,          -- which it touched
    turn         bigint NOT NULL DEFAULT nextval('task_events_event_id_seq'), -- one order with task_events.event_id
    came_before  bigint NOT NULL,        -- every record of the household with a lower offset was judged before this
    stands       boolean NOT NULL,       -- it was written down; false: revoked
    PRIMARY KEY (household_id, turn)     -- query: what began and ceased to stand in a stretch of households, in their order
);
COMMENT ON TABLE registration_places IS 'Where in a household''s order something registered began and ceased to stand, for replay by knowledge time. Retention: with the registration.';
CREATE INDEX registration_places_registration ON registration_places (registration_id);
