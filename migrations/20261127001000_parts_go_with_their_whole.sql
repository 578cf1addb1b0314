-- A foreign key is looked up for each row that is written: lines of a task's history, grounds, revisions and rows of a delivery took a good tenth of the
-- database's time with it, to learn of an owner that the same transaction had written or locked. What is needed of those keys is that parts go with their
-- whole, and that happens once, when the whole goes. Who writes a part holds the lock of its owner; the function looks after that lock is free.

CREATE FUNCTION parts_of_tasks_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM task_grounds p USING gone WHERE p.task_id = gone.task_id;
    DELETE FROM task_events p USING gone WHERE p.task_id = gone.task_id;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION parts_of_tasks_go IS 'Grounds and history go with their task.';
CREATE TRIGGER parts_go AFTER DELETE ON tasks REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION parts_of_tasks_go();
ALTER TABLE task_grounds DROP CONSTRAINT task_grounds_task_id_fkey;
ALTER TABLE task_events DROP CONSTRAINT task_events_task_id_fkey;

CREATE FUNCTION parts_of_receipts_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM signal_revisions p USING gone WHERE p.signal_id = gone.signal_id;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION parts_of_receipts_go IS 'What was said of a signal goes with its receipt.';
CREATE TRIGGER parts_go AFTER DELETE ON signal_receipts REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION parts_of_receipts_go();
ALTER TABLE signal_revisions DROP CONSTRAINT signal_revisions_signal_id_fkey;

CREATE FUNCTION parts_of_deliveries_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM delivery_rows p USING gone WHERE p.delivery_id = gone.delivery_id;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION parts_of_deliveries_go IS 'What became of rows goes with their delivery.';
CREATE TRIGGER parts_go AFTER DELETE ON deliveries REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION parts_of_deliveries_go();
ALTER TABLE delivery_rows DROP CONSTRAINT delivery_rows_delivery_id_fkey;

COMMENT ON INDEX task_grounds_pkey IS 'query: why a task was raised, and what goes with it (store::tasks, store::judgements)';
COMMENT ON INDEX task_events_task IS 'query: what happened to a task, in order, and what goes with it (store::tasks, store::history)';

-- Few filings move a signal, and each new one was an entry of nothing.
DROP INDEX signal_homes_before;
CREATE INDEX signal_homes_before ON signal_homes (household_before) WHERE household_before IS NOT NULL;
COMMENT ON INDEX signal_homes_before IS 'query: whether anything of a household is left that a signal moved away from (store::erasures), and the foreign key';
