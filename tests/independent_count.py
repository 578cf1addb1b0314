#!/usr/bin/env python3
"""Counts a simulated year by M1 straight from its files, without any of Voorveld's own code.

Usage: independent_count.py FOLDER > counted.json

FOLDER is what `voorveld simulate --out FOLDER` wrote. The answer is JSON: a list of households, each with the rows that speak of it
([file, row] of every version of every signal that counts) and, per calendar month, which of enkelvoudig, meervoudig and
opeenvolgend hold. Whether a row is good is judged here anew; where the ledger (expected.csv) disagrees the script says so and ends with 1.

Written apart on purpose: tables of text instead of types, one pass, Python's standard library alone.
"""

import csv
import datetime
import io
import json
import pathlib
import re
import sys
import xml.etree.ElementTree
import zipfile

# kind -> (type of partner as M1 counts it, least age, greatest age in days; None: not checked)
DEBT = {
    "rent_arrears": ("huur", 30, None),
    "eviction_notice": ("huur", None, None),
    "energy_arrears": ("energie", 30, None),
    "supply_end_notice": ("energie", None, None),
    "water_arrears": ("water", 30, None),
    "health_insurance_arrears": ("zorg", 30, 100),
    "health_insurance_end": ("zorg", None, None),
    "cak_health_insurance_arrears": ("zorg", 180, None),
}
SAFETY = {"reporting_code_report"}
DDAS_KIND = {"Huur": "rent_arrears", "Energie": "energy_arrears", "Water": "water_arrears",
             "Zorg": "health_insurance_arrears", "CAK Zorgverzekeringen": "cak_health_insurance_arrears"}
DUTCH = {"Kenmerk": "reference", "Soort": "kind", "Gemeentecode": "municipality", "Signaaldatum": "signalledOn",
         "Ontstaansdatum": "arisenOn", "Bedrag": "amount", "Crisis": "isCrisis", "Warme overdracht": "warmHandover",
         "Einddatum levering": "supplyEndsOn", "Postcode": "postcode", "Huisnummer": "houseNumber", "Toevoeging": "suffix"}


def rows_of(path):
    """Yields (row number, dict of texts) of a file, whatever it is."""
    raw = path.read_bytes()
    if path.suffix == ".csv":
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("cp1252")
        mark = ";" if text.split("\n", 1)[0].count(";") else ","
        for number, row in enumerate(csv.DictReader(io.StringIO(text), delimiter=mark), 2):
            yield number, {DUTCH.get(name, name): cell for name, cell in row.items()}
    elif path.suffix == ".xlsx":
        yield from sheet_rows(raw)
    elif path.suffix == ".ndjson":
        for number, line in enumerate(raw.decode().splitlines(), 1):
            claim = json.loads(line)
            cents = claim.get("amountCents")
            yield number, {**claim, **claim.get("address", {}), "amount": "" if cents is None else f"{cents}c"}
    else:
        for delivery in json.loads(raw)["leveringen"]:
            for number, signal in enumerate(delivery["vroegsignalen"], 1):
                client = {name.lower(): value for name, value in signal["client"].items()}
                yield number, {
                    "reference": signal["ID"], "kind": DDAS_KIND[signal["signaalpartner"]["type"]],
                    "municipality": delivery["gemeentecode"], "signalledOn": signal["signaaldatum"],
                    "arisenOn": signal.get("ontstaansdatum", ""), "amount": str(signal.get("bedrag", "")),
                    "isCrisis": signal["crisissignaal"], "warmHandover": signal["warmeOverdracht"],
                    "postcode": client.get("postcode", ""), "houseNumber": client.get("huisnummer", ""),
                    "suffix": client.get("huisnummertoevoeging", "")}


def sheet_rows(raw):
    """Rows of the first sheet of a workbook, by its heading; dates become ISO text."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    book = zipfile.ZipFile(io.BytesIO(raw))
    read = lambda name: xml.etree.ElementTree.fromstring(book.read(name))
    shared = ["".join(text.text or "" for text in item.iter(space + "t")) for item in read("xl/sharedStrings.xml")]
    heading = {}
    for row in read("xl/worksheets/sheet1.xml").iter(space + "row"):
        cells = {}
        for cell in row.iter(space + "c"):
            value = cell.findtext(space + "v")
            if value is not None:
                column = re.match("[A-Z]+", cell.get("r")).group()
                cells[column] = shared[int(value)] if cell.get("t") == "s" else value
        if not heading:
            heading = cells
            continue
        found = {DUTCH.get(name, name): cells.get(column, "") for column, name in heading.items()}
        for name in ("signalledOn", "arisenOn", "supplyEndsOn"):
            if re.fullmatch(r"\d+", found[name]):
                found[name] = str(datetime.date(1899, 12, 30) + datetime.timedelta(days=int(found[name])))
        yield int(row.get("r")), found


def day(text):
    """A date, None when there is none, or ValueError."""
    if not text:
        return None
    if re.fullmatch(r"\d\d-\d\d-\d{4}", text):
        text = "-".join(reversed(text.split("-")))
    return datetime.date.fromisoformat(text)


def yes(value):
    return value in (True, "ja", "true")


def is_good(row, served, delivered):
    """Whether the door takes it (S6), judged from the text alone."""
    if not row.get("reference") or row.get("municipality") not in served:
        return False
    if row["kind"] in SAFETY:
        return True
    if row["kind"] not in DEBT:
        return False
    try:
        signalled, arisen = day(row["signalledOn"]), day(row.get("arisenOn"))
    except ValueError:
        return False
    if not re.fullmatch(r"(\d+([.,]\d+)?)?c?", row["amount"]) or signalled > delivered + datetime.timedelta(days=1):
        return False
    _, least, greatest = DEBT[row["kind"]]
    if arisen and not yes(row.get("isCrisis")) and not yes(row.get("warmHandover")):
        age = (signalled - arisen).days
        return (least is None or least <= age) and (greatest is None or age <= greatest)
    return True


def door(row):
    """The front door as one text, or None."""
    if not row.get("postcode") or not row.get("houseNumber"):
        return None
    tail = f'{row["houseNumber"]} {row.get("suffix", "")}'.upper()
    return re.sub(r"\s", "", row["postcode"]).upper() + "/" + "/".join(re.findall(r"\d+|[A-Z]+", tail))


def main(folder):
    partners = {one["id"]: one for one in json.loads((folder / "partners.json").read_text())}
    steps = []
    for path in folder.glob("*/*"):
        partner, date = re.fullmatch(r"(?:voorbeeld-)?(.+)-(\d{4}-\d\d-\d\d)", path.stem).groups()
        steps.append((date, 0, partner, path))
    for row in csv.DictReader((folder / "withdrawals.csv").open()):
        steps.append((row["on"], 1, row["partner"], row["reference"]))

    ledger = {(row["file"], int(row["row"])): row["outcome"] for row in csv.DictReader((folder / "expected.csv").open())}
    signals, rows_seen, disagreements = {}, {}, 0
    for date, is_withdrawal, partner, what in sorted(steps, key=lambda step: (*step[:3], str(step[3]))):
        if is_withdrawal:
            signals.pop((partner, what), None)
            continue
        file = what.relative_to(folder).as_posix()
        for number, row in rows_of(what):
            good = is_good(row, partners[partner]["municipalities"], datetime.date.fromisoformat(date))
            if good == (ledger[file, number] == "refused"):
                disagreements += 1
                print(f"{file} row {number}: the ledger says {ledger[file, number]}", file=sys.stderr)
            if good:
                signals[partner, row["reference"]] = row
                rows_seen.setdefault((partner, row["reference"]), []).append([file, number])

    homes = {}
    for key, row in signals.items():
        if row["kind"] in DEBT and door(row):
            homes.setdefault(door(row), []).append((key, row))
    answer = []
    for at in homes.values():
        types = {}
        for _, row in at:
            signalled = day(row["signalledOn"])
            types.setdefault(signalled.year * 12 + signalled.month - 1, set()).add(DEBT[row["kind"]][0])
        months = {}
        for month, found in types.items():
            holds = ["meervoudig"] * (len(found) > 1) + ["opeenvolgend"] * any(month - back in types for back in range(1, 7))
            months[f"{month // 12}-{month % 12 + 1:02}"] = holds or ["enkelvoudig"]
        answer.append({"rows": sorted(place for key, _ in at for place in rows_seen[key]), "months": months})
    answer.sort(key=lambda home: home["rows"])
    json.dump(answer, sys.stdout, indent=1)
    return 1 if disagreements else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
