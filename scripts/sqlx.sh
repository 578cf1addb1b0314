#!/usr/bin/env bash
# The checked queries of `store` and `bus` as files, so that a build needs no database.
#
#   scripts/sqlx.sh prepare   writes .sqlx anew from the queries and the migrations (after changing either)
#   scripts/sqlx.sh check     fails when .sqlx is not what prepare would write
#
# Needs a PostgreSQL whose user may create databases: DATABASE_URL, else scripts/postgres.sh starts one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

what=${1:-}
[[ $what == prepare || $what == check ]] || { sed -n '2,8p' "$0"; exit 2; }

url=${DATABASE_URL:-$(scripts/postgres.sh start)}
name=voorveld_sqlx_$$
# The database's name is the last part of the path; what follows a question mark stays.
query=${url#*\?}
if [[ $query == "$url" ]]; then query=; else query="?$query"; fi
base=${url%%\?*}
scratch="${base%/*}/$name$query"

fresh=$(mktemp -d)
finish() {
    psql -q -X "$url" -c "DROP DATABASE IF EXISTS $name WITH (FORCE)" || true
    rm -rf "$fresh"
}
trap finish EXIT
psql -q -X "$url" -c "CREATE DATABASE $name"
for migration in migrations/*.sql; do
    psql -q -X -v ON_ERROR_STOP=1 -1 "$scratch" -f "$migration"
done

# The macros write what they checked; only a crate that is compiled anew runs them.
touch crates/store/src/lib.rs crates/bus/src/lib.rs
SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$fresh" DATABASE_URL="$scratch" \
    cargo check --quiet --all-targets -p voorveld-store -p voorveld-bus

if [[ $what == prepare ]]; then
    rm -rf .sqlx
    mkdir .sqlx
    cp "$fresh"/query-*.json .sqlx/
    echo "wrote $(ls .sqlx | wc -l) queries to .sqlx"
elif ! diff -rq "$fresh" .sqlx; then
    echo ".sqlx is not what the queries say: run scripts/sqlx.sh prepare and commit .sqlx" >&2
    exit 1
fi
