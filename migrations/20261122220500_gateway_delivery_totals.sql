-- How far a delivery is, in per cent: the door counts the rows before it takes the first.
ALTER TABLE deliveries ADD COLUMN rows_total bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN deliveries.rows_total IS 'Rows in the file, counted before the first was taken.';
CREATE INDEX deliveries_receiving ON deliveries (updated_at) WHERE state = 'receiving';
