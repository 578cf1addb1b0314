-- What planning needs to know of a ground when it plans again (K4, K6).
ALTER TABLE task_grounds
    ADD COLUMN repeat boolean NOT NULL DEFAULT false,   -- it only repeats what was said (K6)
    ADD COLUMN replaced boolean NOT NULL DEFAULT false; -- it goes on in another ground of the task (K4); gone_as_of says since when
-- Query: which signals that moved here were answered on a closed task elsewhere (K4).
CREATE INDEX task_grounds_witnesses ON task_grounds USING gin (witnesses);
