-- What people write down about a household, or a person in it, that the rules must heed: objection, known client, exclusion.

CREATE TABLE registrations (
    registration_id uuid PRIMARY KEY,    -- made by who fills in the form: sending it twice writes it once
    municipality text NOT NULL,
    household_id uuid NOT NULL,          -- at which it was written down
    debtor_id    uuid,                   -- the person it is about (S7), wherever their signals live; null: the household
    kind         text NOT NULL CHECK (kind IN ('objection', 'known_client', 'exclusion')),
    reason       text NOT NULL,          -- code; no free text about anybody
    file_code    text,                   -- number of a file of the municipality's own
    since        date NOT NULL,          -- for people and for a replay; the rules heed it as soon as it is written down
    until        date,                   -- the last day; null: until it is revoked
    recorded_by  text NOT NULL,          -- user id, or 'cli:<system user>'
    recorded_at  timestamptz NOT NULL,
    revoked_by   text,
    revoked_at   timestamptz,
    revoked_why  text                    -- code
);
COMMENT ON TABLE registrations IS 'Objections, known clients and exclusions, by random ids. Retention: 5 years† after it was revoked or ended.';
-- Queries: what stands about these households, about these persons; and one of each reason at a time.
CREATE UNIQUE INDEX registrations_household ON registrations (household_id, reason) WHERE revoked_at IS NULL AND debtor_id IS NULL;
CREATE UNIQUE INDEX registrations_person ON registrations (debtor_id, reason) WHERE revoked_at IS NULL AND debtor_id IS NOT NULL;
-- Query: the list of the privacy officer, newest first.
CREATE INDEX registrations_recorded ON registrations (municipality, recorded_at DESC, registration_id);

-- Query: at which households signals of a person live, when that person objects (S7); and whether any signal names them still.
CREATE INDEX signals_debtor ON signals (debtor_id) WHERE debtor_id IS NOT NULL;
