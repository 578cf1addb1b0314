-- What it costs to partition `signals` by time (docs/adr/0025): the same invented rows in one table and in a table by month of receipt, read and
-- written in batches as the correlator does. Makes and drops a schema of its own.
--
--   psql "$(scripts/postgres.sh start)" -f scripts/measure/signals_by_time.sql

\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = notice;
DROP SCHEMA IF EXISTS by_time CASCADE;
CREATE SCHEMA by_time;
SET search_path = by_time;

CREATE TABLE whole (
    household_id uuid NOT NULL,
    signal_id uuid NOT NULL,
    first_received_at timestamptz NOT NULL,
    rest text NOT NULL,
    PRIMARY KEY (household_id, signal_id)
);
CREATE TABLE months (
    household_id uuid NOT NULL,
    signal_id uuid NOT NULL,
    first_received_at timestamptz NOT NULL,
    rest text NOT NULL,
    PRIMARY KEY (household_id, signal_id, first_received_at)
) PARTITION BY RANGE (first_received_at);
DO $$
BEGIN
    FOR month IN 0..24 LOOP
        EXECUTE format('CREATE TABLE months_%s PARTITION OF months FOR VALUES FROM (%L) TO (%L)', month,
            timestamptz '2024-01-01' + make_interval(months => month), timestamptz '2024-01-01' + make_interval(months => month + 1));
    END LOOP;
END $$;

-- Two signals a household and year, over two years; the rest is as wide as what else a row has.
CREATE TABLE households AS SELECT gen_random_uuid() AS id, n FROM generate_series(1, 250000) AS n;
CREATE UNIQUE INDEX ON households (n);
CREATE TABLE drawn AS
SELECT h.id AS household_id, gen_random_uuid() AS signal_id,
       timestamptz '2024-01-01' + random() * interval '730 days' AS first_received_at, repeat('x', 180) AS rest
FROM households h, generate_series(1, 4);
INSERT INTO whole SELECT * FROM drawn ORDER BY first_received_at;
INSERT INTO months SELECT * FROM drawn ORDER BY first_received_at;
ANALYZE whole;
ANALYZE months;
CHECKPOINT;

-- Batches of the correlator: who is asked for is known to PostgreSQL only as an array.
CREATE FUNCTION some_households(count int) RETURNS uuid[] LANGUAGE sql AS $$
    SELECT array_agg(id) FROM households WHERE n = ANY (ARRAY(SELECT 1 + floor(random() * 250000)::int FROM generate_series(1, count)))
$$;
CREATE PROCEDURE reads(size int) LANGUAGE plpgsql AS $$
DECLARE
    asked uuid[];
    began timestamptz;
    of_whole interval := '0';
    of_months interval := '0';
    sum_whole bigint := 0;
    sum_months bigint := 0;
    seen bigint;
BEGIN
    FOR batch IN 1..60 LOOP
        asked := some_households(size);
        began := clock_timestamp();
        SELECT count(rest) INTO seen FROM whole WHERE household_id = ANY (asked);
        of_whole := of_whole + (clock_timestamp() - began);
        sum_whole := sum_whole + seen;
        began := clock_timestamp();
        SELECT count(rest) INTO seen FROM months WHERE household_id = ANY (asked);
        of_months := of_months + (clock_timestamp() - began);
        sum_months := sum_months + seen;
    END LOOP;
    ASSERT sum_whole = sum_months;
    RAISE NOTICE '60 batches of % households read: whole % ms, by month % ms', size,
        round(extract(epoch FROM of_whole) * 1000), round(extract(epoch FROM of_months) * 1000);
END $$;
CREATE PROCEDURE writes(size int) LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz;
    of_whole interval := '0';
    of_months interval := '0';
BEGIN
    FOR batch IN 1..60 LOOP
        CREATE TEMP TABLE fresh AS
            SELECT id AS household_id, gen_random_uuid() AS signal_id, timestamptz '2025-12-31 12:00+00' AS first_received_at, repeat('x', 180) AS rest
            FROM unnest(some_households(size)) AS id;
        began := clock_timestamp();
        INSERT INTO whole SELECT * FROM fresh;
        of_whole := of_whole + (clock_timestamp() - began);
        began := clock_timestamp();
        INSERT INTO months SELECT * FROM fresh;
        of_months := of_months + (clock_timestamp() - began);
        DROP TABLE fresh;
        COMMIT;
    END LOOP;
    RAISE NOTICE '60 batches of % signals written: whole % ms, by month % ms', size,
        round(extract(epoch FROM of_whole) * 1000), round(extract(epoch FROM of_months) * 1000);
END $$;
CREATE PROCEDURE ends() LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz;
    of_whole interval;
BEGIN
    began := clock_timestamp();
    DELETE FROM whole WHERE first_received_at < '2024-02-01';
    of_whole := clock_timestamp() - began;
    began := clock_timestamp();
    DROP TABLE months_0;
    RAISE NOTICE 'a month let go of: whole % ms, by month % ms', round(extract(epoch FROM of_whole) * 1000),
        round(extract(epoch FROM clock_timestamp() - began) * 1000);
END $$;

CALL reads(50);
CALL reads(2500);
CALL writes(50);
CALL writes(2500);
CALL ends();
DROP SCHEMA by_time CASCADE;
