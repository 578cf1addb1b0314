-- The safety desk's way out of its list (K11, I2): a marker without a household that it has judged. It stays in the queue, for should it find its
-- household yet, that household must be held (I10).
ALTER TABLE signal_homes
    ADD COLUMN judged_at timestamptz,    -- when the safety desk judged this revision; no later filing of the same revision asks again
    ADD COLUMN judged_by uuid,
    ADD COLUMN judged_why text;          -- code
