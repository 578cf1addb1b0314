#!/usr/bin/env bash
# Everything that must hold, on a real PostgreSQL and a real Apache Kafka: what `make test` and CI run.
#
#   VOORVELD_TEST_KAFKA=host:port     use this Kafka instead of starting one
#   VOORVELD_TEST_POSTGRES=url        use this PostgreSQL (its user may create databases) instead of starting one
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

started_kafka=
started_postgres=
finish() {
    local code=$?
    trap - EXIT INT TERM
    if [[ -n $started_kafka ]]; then scripts/kafka.sh stop; fi
    if [[ -n $started_postgres ]]; then scripts/postgres.sh stop; fi
    if [[ $code == 0 ]]; then echo "── all good, in $SECONDS s"; else echo "── failed after $SECONDS s"; fi
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step() { echo "── $* (at $SECONDS s)"; }

export SQLX_OFFLINE=true
export RUST_BACKTRACE=${RUST_BACKTRACE:-0}

step "what is needed"
scripts/install.sh test

step "format"
cargo fmt --all --check

step "a PostgreSQL and a Kafka for the tests"
if [[ -z ${VOORVELD_TEST_POSTGRES:-} ]]; then
    scripts/postgres.sh status >/dev/null || started_postgres=yes
    VOORVELD_TEST_POSTGRES=$(scripts/postgres.sh start)
fi
export DATABASE_URL=$VOORVELD_TEST_POSTGRES
if [[ -z ${VOORVELD_TEST_KAFKA:-} ]]; then
    scripts/kafka.sh status >/dev/null || started_kafka=yes
    VOORVELD_TEST_KAFKA=$(scripts/kafka.sh start)
fi
export VOORVELD_TEST_KAFKA
echo "   $DATABASE_URL, Kafka at $VOORVELD_TEST_KAFKA"

step "the checked queries are those of the code and the migrations"
scripts/sqlx.sh check

step "lints"
cargo clippy --quiet --locked --workspace --all-targets -- -D warnings

step "domain, calendar and detect stand alone"
cargo check --quiet --locked -p voorveld-domain
cargo check --quiet --locked -p voorveld-calendar
cargo check --quiet --locked -p voorveld-detect

step "build"
cargo build --quiet --locked -p voorveld
cargo test --quiet --locked --workspace --no-run

step "tests"
cargo test --quiet --locked --workspace --no-fail-fast
