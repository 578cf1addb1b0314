-- Colleagues: accounts, sessions, and what they opened.

CREATE TABLE users (
    user_id      uuid PRIMARY KEY,
    municipality text NOT NULL,
    login        text NOT NULL UNIQUE,
    display_name text NOT NULL,
    password_hash text NOT NULL,         -- argon2id, PHC string
    roles        text[] NOT NULL,
    teams        text[] NOT NULL,
    created_at   timestamptz NOT NULL,
    disabled_at  timestamptz,
    must_change  boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE users IS 'Accounts of colleagues. Retention: 2 years† after disabling; what they did stays under their id.';

CREATE TABLE sessions (
    token_hash bytea PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES users,
    csrf_hash  bytea NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE sessions IS 'Server-side sessions. Retention: until expiry.';
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE sign_in_failures (
    login      text NOT NULL,
    failed_at  timestamptz NOT NULL
);
COMMENT ON TABLE sign_in_failures IS 'Wrong passwords, for throttling. Retention: 1 day.';
CREATE INDEX sign_in_failures_login ON sign_in_failures (login, failed_at);

CREATE TABLE audit_events (
    audit_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at timestamptz NOT NULL,
    municipality text,
    actor      text NOT NULL,            -- user id, or 'cli:<system user>'
    action     text NOT NULL,            -- identity.opened, hold.lifted, user.added, partner.rotated, queue.discarded …
    subject_kind text NOT NULL,          -- task, household, signal, user, partner, dead_letter
    subject_id text NOT NULL,            -- an id of ours; never a name
    reason     text NOT NULL,
    request_id text
);
COMMENT ON TABLE audit_events IS 'Who opened or changed what, when, why. Retention: 5 years†.';
CREATE INDEX audit_events_subject ON audit_events (subject_kind, subject_id);
CREATE INDEX audit_events_when ON audit_events (happened_at);
