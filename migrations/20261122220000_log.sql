-- The log, where no broker is configured (crates/bus). Offsets are dense per partition: an appender holds the partition's row until it
-- commits, so no record is readable before all lower ones are.

CREATE TABLE log_topics (
    topic             text PRIMARY KEY,
    topic_id          uuid NOT NULL,          -- tells this topic from another of the same name, made anew
    partitions        integer NOT NULL CHECK (partitions > 0), -- fixed at install
    retention_seconds bigint NOT NULL CHECK (retention_seconds > 0), -- how long a record is kept
    created_at        timestamptz NOT NULL
);
COMMENT ON TABLE log_topics IS 'Topics of the PostgreSQL log. Retention: for ever; one row per topic.';

CREATE TABLE log_partitions (
    topic        text NOT NULL REFERENCES log_topics,
    partition    integer NOT NULL,
    first_offset bigint NOT NULL,             -- oldest offset still there
    next_offset  bigint NOT NULL,             -- what the next record gets
    PRIMARY KEY (topic, partition),
    CHECK (0 <= first_offset AND first_offset <= next_offset)
);
COMMENT ON TABLE log_partitions IS 'Ends of each partition; its row is the appenders'' lock. Retention: for ever; one row per partition.';

CREATE TABLE log_records (
    topic         text NOT NULL,
    partition     integer NOT NULL,
    record_offset bigint NOT NULL,
    record_key    bytea NOT NULL,             -- never personal (I9)
    record_value  bytea NOT NULL,             -- identity in it is sealed (I9)
    request_id    text,                       -- the request that caused it
    appended_at   timestamptz NOT NULL,       -- the database's clock, under the partition's lock
    PRIMARY KEY (topic, partition, record_offset) -- no foreign key: the appender holds the partition's row anyway
);
COMMENT ON TABLE log_records IS 'What the stages tell each other. Retention: retention_seconds of its topic, at most 14 days.';

CREATE TABLE log_members (
    member     uuid PRIMARY KEY,              -- one subscription of one process
    topic      text NOT NULL REFERENCES log_topics,
    group_name text NOT NULL,
    expires_at timestamptz NOT NULL           -- the lease, by the database's clock
);
COMMENT ON TABLE log_members IS 'Readers alive now. Retention: seconds; an expired one is deleted by the next reader of its group.';
CREATE INDEX log_members_group ON log_members (topic, group_name);

CREATE TABLE log_assignments (
    topic        text NOT NULL REFERENCES log_topics,
    group_name   text NOT NULL,
    partition    integer NOT NULL,
    member       uuid REFERENCES log_members ON DELETE SET NULL, -- who reads it; nobody when null
    noted_offset bigint,                      -- how far its reader says it is; a courtesy to dashboards, nothing resumes from it
    PRIMARY KEY (topic, group_name, partition)
);
COMMENT ON TABLE log_assignments IS 'Who reads which partition. Retention: for ever; one row per group and partition.';
CREATE INDEX log_assignments_member ON log_assignments (member);
