-- What the rows of `signals` and each of its indexes cost (docs/benchmarks.md): a million invented rows copied in parts of 5,000 by one connection, as the
-- correlator does, into tables with more and fewer indexes, and into one with codes where there are words. Makes and drops a schema of its own, and
-- leaves a file `measured.copy` of some 1 MB in the server's folder.
--
--   psql "$(scripts/postgres.sh start)" -f scripts/measure/indexes_of_signals.sql

\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = notice;
DROP SCHEMA IF EXISTS indexed CASCADE;
CREATE SCHEMA indexed;
SET search_path = indexed;

-- Two signals a household, in the order of their events over a year; nine in ten with a person.
CREATE UNLOGGED TABLE drawn AS
SELECT md5('household ' || (random() * 500000)::int)::uuid AS household_id,
       (lpad(to_hex(1764000000000 + n), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5('rest ' || n), 1, 15))::uuid AS signal_id,
       'GM0000' AS municipality, 1 AS revision, 1 AS filing, true AS lives_here, 'certain' AS standing, 'corporatie-' || n % 7 AS partner_id,
       'housing_corporation' AS partner_type,
       (ARRAY['rent_arrears', 'energy_arrears', 'school_absence', 'health_premium_arrears', 'police_report', 'water_arrears'])[1 + n % 6] AS kind,
       'debt' AS domain, date '2025-01-01' + n / 2740 AS event_date, now() AS first_received_at, now() AS received_at, n % 100000 AS amount_cents,
       false AS crisis, false AS warm_handover, NULL::date AS supply_ends_on, false AS age_unknown,
       CASE WHEN n % 10 < 9 THEN md5('person ' || n % 400000)::uuid END AS debtor_id, 'BU00000001' AS area_id, NULL::jsonb AS fields,
       md5('request ' || n / 1000) AS request_id, n::bigint AS came_at, n / 5000 AS part
FROM generate_series(0, 999999) AS n;
CREATE UNLOGGED TABLE coded AS
SELECT household_id, signal_id, debtor_id, first_received_at, received_at, came_at, event_date, amount_cents, 1::int2 AS municipality, 1::int2 AS revision,
       1::int2 AS filing, 1::int2 AS standing, 1::int2 AS partner, 1::int2 AS area, (n.number)::int2 AS kind, 1::int2 AS flags, part
FROM drawn JOIN (SELECT kind, row_number() OVER () AS number FROM (SELECT DISTINCT kind FROM drawn) AS kinds) AS n USING (kind);

CREATE PROCEDURE copied(what text, source text, indexes text[]) LANGUAGE plpgsql AS $$
DECLARE
    columns text := (SELECT string_agg(column_name, ', ' ORDER BY ordinal_position) FROM information_schema.columns
                     WHERE table_schema = 'indexed' AND table_name = source AND column_name <> 'part');
    one text;
    began timestamptz;
    took interval[] := '{}';
    bytes float8;
BEGIN
    FOR run IN 1..3 LOOP
        DROP TABLE IF EXISTS stored;
        EXECUTE format('CREATE TABLE stored AS SELECT %s FROM %I LIMIT 0', columns, source);
        FOREACH one IN ARRAY indexes LOOP
            EXECUTE one;
        END LOOP;
        COMMIT;
        took := took || interval '0';
        FOR part IN 0..199 LOOP
            EXECUTE format('COPY (SELECT %s FROM %I WHERE part = %s ORDER BY household_id, signal_id) TO %L (FORMAT binary)', columns, source, part,
                current_setting('data_directory') || '/measured.copy');
            began := clock_timestamp();
            EXECUTE format('COPY stored FROM %L (FORMAT binary)', current_setting('data_directory') || '/measured.copy');
            COMMIT;
            took[run] := took[run] + (clock_timestamp() - began);
        END LOOP;
    END LOOP;
    EXECUTE format('SELECT avg(pg_column_size(stored.*)) FROM stored') INTO bytes;
    took := ARRAY(SELECT t FROM unnest(took) AS t ORDER BY t);
    RAISE NOTICE '%, % bytes a row: % rows/s (% to %)', what, round(bytes), round(1000000 / extract(epoch FROM took[2])),
        round(1000000 / extract(epoch FROM took[3])), round(1000000 / extract(epoch FROM took[1]));
END $$;
CREATE INDEX ON drawn (part);
CREATE INDEX ON coded (part);
ANALYZE drawn;
ANALYZE coded;
CHECKPOINT;

\set key '\'ALTER TABLE stored ADD PRIMARY KEY (household_id, signal_id)\''
\set debtor '\'CREATE INDEX ON stored (debtor_id) WHERE debtor_id IS NOT NULL\''
\set date '\'CREATE INDEX ON stored (kind, event_date)\''
CALL copied('no index', 'drawn', ARRAY[]::text[]);
CALL copied('the key', 'drawn', ARRAY[:key]);
CALL copied('the key, kind and date', 'drawn', ARRAY[:key, :date]);
CALL copied('the key, debtor', 'drawn', ARRAY[:key, :debtor]);
CALL copied('as signals is: the key, debtor, kind and date', 'drawn', ARRAY[:key, :debtor, :date]);
CALL copied('codes, no index', 'coded', ARRAY[]::text[]);
CALL copied('codes, the key, debtor, kind and date', 'coded', ARRAY[:key, :debtor, :date]);
DROP SCHEMA indexed CASCADE;
