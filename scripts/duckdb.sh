#!/usr/bin/env bash
# Computes the matches of a load a second time, in SQL by DuckDB, and compares them with the engine's both ways. For tests and benches only.
#
#   voorveld bench engine --write FOLDER    writes signals.csv and matches.csv
#   scripts/duckdb.sh check FOLDER          compares; exits 1 with the first differences when there are any
#   scripts/duckdb.sh install               installs DuckDB and says where, or exits 3 when it cannot be had
#
# DuckDB comes from PyPI into .voorveld/duckdb (or $VOORVELD_DUCKDB_DIR); nothing else is installed. Needs python3 with venv.
set -euo pipefail

version=2.0.1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${VOORVELD_DUCKDB_DIR:-$here/../.voorveld/duckdb}
python=$home/venv-$version/bin/python

say() { echo "duckdb: $*" >&2; }

install() {
    if "$python" -c 'import duckdb' 2>/dev/null; then return; fi
    mkdir -p "$home"
    say "installing DuckDB $version from PyPI into $home"
    if ! python3 -m venv "$home/venv-$version" >"$home/install.log" 2>&1; then
        say "python3 has no venv here (on Debian: apt-get install python3-venv)"
        exit 3
    fi
    if ! "$python" -m pip install --quiet --disable-pip-version-check --only-binary :all: "duckdb==$version" >>"$home/install.log" 2>&1; then
        say "DuckDB cannot be had from PyPI here; $home/install.log says why"
        exit 3
    fi
}

case ${1:-} in
install)
    install
    echo "$python"
    ;;
check)
    install
    exec "$python" "$here/../tests/duckdb/check.py" "${2:?scripts/duckdb.sh check FOLDER}"
    ;;
*)
    sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
