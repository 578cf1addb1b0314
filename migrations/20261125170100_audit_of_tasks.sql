-- In which task and at which household something was done: who opened a signal is found again by the task in which it was opened.
ALTER TABLE audit_events
    ADD COLUMN task_id uuid,
    ADD COLUMN household_id uuid;
CREATE INDEX audit_events_task ON audit_events (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX audit_events_household ON audit_events (household_id) WHERE household_id IS NOT NULL;
-- Until now the reason of an opening named the task.
UPDATE audit_events SET task_id = substring(reason FROM '; task ([0-9a-f-]{36})$')::uuid
WHERE action = 'identity.opened' AND reason ~ '; task [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
UPDATE audit_events e SET household_id = t.household_id FROM tasks t WHERE t.task_id = e.task_id;
