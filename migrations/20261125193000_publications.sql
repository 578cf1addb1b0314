-- What was published: bundles of policy files by content, who put them in force and why, what runs beside as a shadow, and backlogs worked off.

CREATE TABLE policy_bundles (
    bundle       text PRIMARY KEY,       -- SHA-256 over names and texts
    files        jsonb NOT NULL,         -- {name: text}
    first_published_at timestamptz NOT NULL
);
COMMENT ON TABLE policy_bundles IS 'Published policy files by content, to be read again as they were. Retention: for ever; nothing personal.';

CREATE TABLE rule_publications (
    publication  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bundle       text NOT NULL REFERENCES policy_bundles,
    rule_set     text NOT NULL REFERENCES rule_sets,
    mode         text NOT NULL CHECK (mode IN ('live', 'shadow')),
    published_by text NOT NULL,          -- who answers for it; `install`: the files of the first start
    published_at timestamptz NOT NULL,
    reason       text NOT NULL
);
COMMENT ON TABLE rule_publications IS 'Who put which bundle in force, live or as a shadow, and why; the last live one is in force. Retention: for ever.';
CREATE INDEX rule_publications_bundle ON rule_publications (bundle);
CREATE INDEX rule_publications_rule_set ON rule_publications (rule_set);

CREATE TABLE shadow_ends (
    publication bigint PRIMARY KEY REFERENCES rule_publications,
    ended_by    text NOT NULL,
    ended_at    timestamptz NOT NULL,
    reason      text NOT NULL
);
COMMENT ON TABLE shadow_ends IS 'Shadows that run no more. Retention: for ever.';

CREATE TABLE rule_backlogs (
    backlog      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule_id      text NOT NULL,
    rule_version integer NOT NULL,
    asked_by     text NOT NULL,
    asked_at     timestamptz NOT NULL,
    reason       text NOT NULL
);
COMMENT ON TABLE rule_backlogs IS 'Rule versions whose backlog somebody had worked off: they raise with what came before them, too. Retention: for ever.';

-- As with rules: the owner of a partition notes from which record on, so that a replay judges as the first time did.
CREATE TABLE backlog_activations (
    topic        text NOT NULL,
    partition    integer NOT NULL,
    backlog      bigint NOT NULL REFERENCES rule_backlogs,
    from_offset  bigint NOT NULL,
    activated_at timestamptz NOT NULL,
    PRIMARY KEY (topic, partition, backlog)
);
COMMENT ON TABLE backlog_activations IS 'From which record on a backlog is worked off in a partition. Retention: for ever.';
CREATE INDEX backlog_activations_backlog ON backlog_activations (backlog);

CREATE TABLE shadow_activations (
    topic        text NOT NULL,
    partition    integer NOT NULL,
    publication  bigint NOT NULL REFERENCES rule_publications,
    from_offset  bigint NOT NULL,
    activated_at timestamptz NOT NULL,
    PRIMARY KEY (topic, partition, publication)
);
COMMENT ON TABLE shadow_activations IS 'From which record on a shadow runs beside the live rules of a partition. Retention: for ever.';
CREATE INDEX shadow_activations_publication ON shadow_activations (publication);

CREATE TABLE shadow_matches (
    publication  bigint NOT NULL REFERENCES rule_publications,
    household_id uuid NOT NULL,
    rule_id      text NOT NULL,
    anchor       text NOT NULL,
    municipality text NOT NULL,
    rule_version integer NOT NULL,
    witnesses    uuid[] NOT NULL,        -- sorted
    evidence     jsonb NOT NULL,
    raises       boolean NOT NULL,       -- beside the tasks as they are, it would have raised one
    PRIMARY KEY (publication, household_id, rule_id, anchor)
);
COMMENT ON TABLE shadow_matches IS 'What a shadow finds (M3); nobody acts on it. Retention: goes with its witnesses, at the latest with its shadow.';
CREATE INDEX shadow_matches_household ON shadow_matches (household_id); -- replaced household by household

-- The same set may come back at the same place in a quiet log: the order of activations is their own, and each says by which bundle.
ALTER TABLE rule_activations
    DROP CONSTRAINT rule_activations_pkey,
    ADD COLUMN activation bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ADD COLUMN bundle text REFERENCES policy_bundles; -- none: judged before anything was published
CREATE INDEX rule_activations_partition ON rule_activations (topic, partition, activation); -- what judged a partition, in order
CREATE INDEX rule_activations_bundle ON rule_activations (bundle);

COMMENT ON TABLE rule_sets IS 'Every rule set that was published or judged, by content. Retention: for ever; a replay judges by it, and it says nothing of anybody.';

-- What was published is not changed, by nobody: what comes next is a row of its own.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END;
$$;
CREATE TRIGGER policy_bundles_stay BEFORE UPDATE OR DELETE ON policy_bundles EXECUTE FUNCTION refuse_change();
CREATE TRIGGER rule_publications_stay BEFORE UPDATE OR DELETE ON rule_publications EXECUTE FUNCTION refuse_change();
CREATE TRIGGER shadow_ends_stay BEFORE UPDATE OR DELETE ON shadow_ends EXECUTE FUNCTION refuse_change();
CREATE TRIGGER rule_backlogs_stay BEFORE UPDATE OR DELETE ON rule_backlogs EXECUTE FUNCTION refuse_change();
