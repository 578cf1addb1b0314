#!/usr/bin/env python3
"""Compares the engine's matches with those that SQL computes from the same signals, both ways, to the last witness.

Usage: check.py FOLDER, with the signals.csv and matches.csv of `voorveld bench engine --write FOLDER`. Run by scripts/duckdb.sh.
"""

import pathlib
import sys
import time

import duckdb

SIGNALS = {
    "household": "INTEGER", "signal": "VARCHAR", "revision": "INTEGER", "filing": "INTEGER", "counts": "BOOLEAN",
    "partner_type": "VARCHAR", "kind": "VARCHAR", "event_date": "DATE", "amount_cents": "BIGINT", "crisis": "BOOLEAN",
    "supply_ends_on": "DATE", "monthly_rent_thousandths": "BIGINT",
}
MATCHES = {"household": "INTEGER", "rule": "VARCHAR", "anchor": "VARCHAR", "witnesses": "VARCHAR"}


def main() -> int:
    folder = pathlib.Path(sys.argv[1])
    begin = time.monotonic()
    db = duckdb.connect()
    for name, file, columns in (("copies", "signals.csv", SIGNALS), ("found", "matches.csv", MATCHES)):
        db.execute(f"CREATE TABLE {name} AS SELECT * FROM read_csv(?, header = true, columns = {columns})", [str(folder / file)])
    db.execute((pathlib.Path(__file__).parent / "matches.sql").read_text())
    wrong = 0
    for who, ours, theirs in (("only the engine says", "found", "computed"), ("only SQL says", "computed", "found")):
        # EXCEPT ALL: a match that is there twice is a difference, too.
        rows = db.execute(f"SELECT * FROM (SELECT * FROM {ours} EXCEPT ALL SELECT * FROM {theirs}) ORDER BY ALL").fetchall()
        wrong += len(rows)
        for row in rows[:5]:
            print(f"{who}: household {row[0]}, {row[1]} at {row[2]}: {row[3]}")
        if len(rows) > 5:
            print(f"{who}: {len(rows) - 5} more")
    (records,) = db.execute("SELECT count(*) FROM copies").fetchone()
    per_rule = db.execute("SELECT rule, count(*) FROM found GROUP BY rule ORDER BY rule").fetchall()
    told = ", ".join(f"{rule} {count}" for rule, count in per_rule)
    print(f"duckdb {duckdb.__version__}: {records} records, {sum(count for _, count in per_rule)} matches ({told}), "
          f"{wrong} differences, {time.monotonic() - begin:.1f} s")
    # A rule without a match was not compared with anything.
    return 1 if wrong or len(per_rule) < 7 else 0


sys.exit(main())
