//! Delivered files: every format, every row its result, and what happens when it breaks off.

use std::io::{Cursor, Write};
use std::path::Path;
use std::time::Duration;

use axum::http::StatusCode;
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use serde_json::{Value, json};
use sqlx::PgPool;
use voorveld_bus::Log;
use voorveld_gateway::config::CHUNK_ROWS;
use voorveld_gateway::deliveries::receive::PROCESS_STOPPED;
use voorveld_wire::signal_v1::FieldValue;

use crate::world::{Answer, World, partner, signal};

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Delivers a file and waits until it has settled.
async fn deliver(
    world: &World,
    media: &str,
    body: impl Into<axum::body::Body>,
) -> (Value, Vec<Value>) {
    deliver_to(world, "/v1/deliveries", media, body).await
}

async fn deliver_to(
    world: &World,
    path: &str,
    media: &str,
    body: impl Into<axum::body::Body>,
) -> (Value, Vec<Value>) {
    let answer = world.send("POST", path, media, body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    settle(world, &answer).await
}

async fn settle(world: &World, answer: &Answer) -> (Value, Vec<Value>) {
    let place = answer.headers["location"].to_str().unwrap();
    let delivery = loop {
        let delivery = world.get(place).await.json();
        if delivery["state"] != "receiving" {
            break delivery;
        }
        tokio::task::yield_now().await;
    };
    let results = world.get(&format!("{place}/results")).await.json();
    (delivery, results["results"].as_array().unwrap().clone())
}

/// `row outcome column:code,…` of each result.
fn told(results: &[Value]) -> Vec<String> {
    results
        .iter()
        .map(|result| {
            let problems: Vec<String> = result["problems"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|problem| {
                    let word = |name: &str| problem[name].as_str().unwrap().to_owned();
                    assert!(!word("whatToDo").is_empty());
                    format!("{}:{}", word("column"), word("code"))
                })
                .collect();
            let outcome = result["outcome"].as_str().unwrap();
            format!("{} {outcome} {}", result["row"], problems.join(","))
                .trim_end()
                .to_owned()
        })
        .collect()
}

fn windows_1252(text: &str) -> Vec<u8> {
    text.chars()
        .map(|letter| match letter {
            '€' => 0x80,
            other => u8::try_from(u32::from(other)).unwrap(),
        })
        .collect()
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_spreadsheet_export_with_dutch_settings_comes_in_row_by_row(pool: PgPool) {
    let world = World::new(pool).await;
    let file = "Kenmerk;Soort;Gemeentecode;Signaaldatum;Ontstaansdatum;Bedrag;Crisis;Achternaam;Geboortedatum;Postcode;Huisnummer;Toevoeging\r\n\
        A-1;rent_arrears;0518;2-2-2026;1-12-2025;1.234,50;nee;Brûlée;15-6-1985;1234 AB;10;A\r\n\
        \r\n\
        A-2;rent_arrears;0518;2-2-2026;1-12-2025;€ 450;nee;\"Voorbeeld; jr.\";15-6-1985;1234AB;11;\r\n\
        A-3;rent_arrears;0518;31-2-2026;1-12-2025;veel;misschien;=HYPERLINK(1);;1234AB;12;\r\n\
        A-4;made_up;0518;2-2-2026;1-12-2025;1;nee;Voorbeeld;;1234AB;12;\r\n\
        A-5;rent_arrears;0518\r\n\
        A-6;rent_arrears;0518;2-2-2026;20-1-2026;1;nee;\"Voorbeeld;;1234AB;12;\r\n\
        A-7;rent_arrears;0518;2-2-2026;20-1-2026;1;ja;Voorbeeld;;1234AB;12;\r\n\
        A-8;rent_arrears;0518;2-2-2026;20-1-2026;1;nee;Voorbeeld;;1234AB;12;\r\n\
        ;;;;;;;;;;;\r\n";
    let (delivery, results) = deliver(&world, "text/csv", windows_1252(file)).await;
    assert_eq!(
        told(&results),
        [
            "2 accepted",
            "4 accepted",
            "5 refused Signaaldatum:date_format,Bedrag:amount_format,Crisis:boolean_format,Achternaam:formula",
            "6 refused Soort:kind_unknown",
            "7 refused :cell_count",
            "8 refused :quote_unclosed",
            "9 accepted",
            "10 refused Ontstaansdatum:arrears_too_young",
        ]
    );
    assert_eq!(
        (delivery["state"].as_str(), &delivery["rows"]),
        (
            Some("complete"),
            &json!({"total": 8, "read": 8, "accepted": 3, "corrected": 0, "unchanged": 0, "refused": 5})
        )
    );
    let mut produced = world.produced().await;
    produced.sort_by_key(|record| record.content.as_ref().unwrap().amount_cents);
    let amounts: Vec<_> = produced
        .iter()
        .map(|record| record.content.as_ref().unwrap().amount_cents)
        .collect();
    assert_eq!(amounts, [Some(100), Some(45_000), Some(123_450)]);
    let opened = world.open(&produced[2]);
    assert_eq!(
        (opened.surname.as_deref(), opened.suffix.as_deref()),
        (Some("Brûlée"), Some("A"))
    );

    let (again, results) = deliver(&world, "text/csv", windows_1252(file)).await;
    assert_eq!(again["sameAs"], delivery["id"]);
    assert_eq!(again["rows"]["unchanged"], 3);
    assert!(results.iter().all(|result| result["outcome"] != "accepted"));
    assert_eq!(
        world.produced().await.len(),
        3,
        "the same file twice changes nothing"
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn english_headings_commas_and_defaults_do_as_well(pool: PgPool) {
    let world = World::new(pool).await;
    let file = "\u{feff}reference,signalledOn,amount,houseNumber,postcode,monthly_rent\n\
        A-1,2026-02-02,450.00,10,1234AB,650.5\n\
        A-2,2026-02-02,450.00,10,1234AB,veel\n";
    let path = "/v1/deliveries?kind=rent_arrears&municipality=0518";
    let (_, results) = deliver_to(&world, path, "text/csv; charset=utf-8", file).await;
    assert_eq!(
        told(&results),
        ["2 accepted", "3 refused monthly_rent:number_format"]
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_bad_byte_costs_its_row_and_nobody_gets_strange_letters(pool: PgPool) {
    let world = World::new(pool).await;
    let path = "/v1/deliveries?kind=rent_arrears&municipality=0518";
    let mut file = "Kenmerk;Achternaam;Postcode;Huisnummer\r\n1;Brûlée;1234AB;10\r\n2;"
        .as_bytes()
        .to_vec();
    file.extend_from_slice(b"Br\xFBl;1234AB;11\r\n");
    let (_, results) = deliver_to(&world, path, "text/csv", file).await;
    assert_eq!(told(&results), ["2 accepted", "3 refused :row_not_text"]);
    let opened = world.open(&world.produced().await[0]);
    assert_eq!(opened.surname.as_deref(), Some("Brûlée"));

    // Two bytes a letter, and a code without its zero.
    let wide: Vec<u8> =
        "\u{feff}Kenmerk\tSoort\tGemeentecode\tAchternaam\n3\trent_arrears\t518\tVoorbeeld\n"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
    let (_, results) = deliver(&world, "text/csv", wide).await;
    assert_eq!(told(&results), ["2 accepted"]);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_number_of_a_kind_reads_like_an_amount_in_a_text_and_like_a_number_in_a_number(
    pool: PgPool,
) {
    let world = World::new(pool).await;
    let file = "Kenmerk;Postcode;Huisnummer;Bedrag;Huur per maand\r\n\
        1;1234AB;10;1.250;1.250\r\n2;1234AB;10;1.250,50;1.250,50\r\n3;1234AB;10;650.5;650.5\r\n\
        4;1234AB;10;1;1.2345\r\n";
    let path = "/v1/deliveries?kind=rent_arrears&municipality=0518";
    let (_, results) = deliver_to(&world, path, "text/csv", file).await;
    assert_eq!(
        told(&results),
        [
            "2 accepted",
            "3 accepted",
            "4 accepted",
            "5 refused Huur per maand:number_format"
        ]
    );
    let mut said = signal("5");
    said["amountCents"] = json!(125);
    let line = said
        .to_string()
        .replacen('{', "{\"fields\":{\"monthly_rent\":1.250},", 1);
    deliver(&world, "application/x-ndjson", line).await;
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (at, heading) in (0..).zip([
        "Kenmerk",
        "Postcode",
        "Huisnummer",
        "Bedrag",
        "Huur per maand",
    ]) {
        sheet.write_string(0, at, heading).unwrap();
    }
    sheet.write_string(1, 0, "6").unwrap();
    sheet.write_string(1, 1, "1234AB").unwrap();
    sheet.write_number(1, 2, 10).unwrap();
    sheet.write_number(1, 3, 650.3).unwrap();
    sheet.write_number(1, 4, 650.1 + 0.2).unwrap();
    deliver_to(&world, path, XLSX, book.save_to_buffer().unwrap()).await;
    // What an amount is in cents, such a field is in thousandths.
    let mut rents: Vec<_> = world
        .produced()
        .await
        .iter()
        .map(|record| record.content.clone().unwrap())
        .map(|content| {
            (
                content.amount_cents.unwrap(),
                content.fields["monthly_rent"].clone(),
            )
        })
        .collect();
    rents.sort_by_key(|(cents, _)| *cents);
    let alike = [125, 65_030, 65_050, 125_000, 125_050];
    let alike = alike.map(|cents| (cents, FieldValue::Number(i64::from(cents) * 10)));
    assert_eq!(rents, alike);
}

#[sqlx::test(migrations = "../../migrations")]
async fn ndjson_is_a_signal_a_line(pool: PgPool) {
    let world = World::new(pool).await;
    let mut strange = signal("A-2");
    strange["GEHEIM"] = json!(1);
    let file = format!(
        "{}\n\n{strange}\n{{\"reference\": \"A-3\n[]\n",
        signal("A-1")
    );
    let (_, results) = deliver(&world, "application/x-ndjson", file).await;
    assert_eq!(
        told(&results),
        [
            "1 accepted",
            "3 refused :field_unknown",
            "4 refused :not_an_object",
            "5 refused :not_an_object"
        ]
    );
}

fn workbook(formula: bool) -> Vec<u8> {
    let mut book = Workbook::new();
    let date = Format::new().set_num_format("dd-mm-yyyy");
    let sheet = book.add_worksheet();
    let headings = [
        "Kenmerk",
        "Soort",
        "Gemeentecode",
        "Signaaldatum",
        "Ontstaansdatum",
        "Bedrag",
        "Postcode",
        "Huisnummer",
        "BSN",
        "Toevoeging",
    ];
    for (at, heading) in (0..).zip(headings) {
        sheet.write_string(0, at, heading).unwrap();
    }
    let day = |y, m, d| ExcelDateTime::from_ymd(y, m, d).unwrap();
    for (row, reference) in [(1, 1001.0), (3, 1002.0)] {
        sheet.write_number(row, 0, reference).unwrap();
        sheet.write_string(row, 1, "rent_arrears").unwrap();
        sheet.write_number(row, 2, 518).unwrap();
        sheet
            .write_datetime_with_format(row, 3, day(2026, 2, 2), &date)
            .unwrap();
        sheet.write_string(row, 4, "1-12-2025").unwrap();
        sheet.write_number(row, 5, 450.5).unwrap();
        sheet.write_string(row, 6, "1234AB").unwrap();
        sheet.write_number(row, 7, 10).unwrap();
        sheet.write_number(row, 8, 123_456_782).unwrap();
    }
    if formula {
        sheet.write_formula(3, 5, "=SUM(1,2)").unwrap();
        sheet.write_string(3, 8, "@cmd").unwrap();
    }
    book.save_to_buffer().unwrap()
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_spreadsheet_comes_in_by_its_own_row_numbers_and_formulas_do_not(pool: PgPool) {
    let world = World::new(pool).await;
    let (delivery, results) = deliver(&world, XLSX, workbook(true)).await;
    assert_eq!(
        told(&results),
        ["2 accepted", "4 refused Bedrag:formula,BSN:formula"]
    );
    assert_eq!(delivery["format"], "xlsx");
    let record = &world.produced().await[0];
    assert_eq!(record.content.as_ref().unwrap().amount_cents, Some(45_050));
    let opened = world.open(record);
    assert_eq!(
        (opened.reference.as_deref(), opened.bsn.as_deref()),
        (Some("1001"), Some("123456782"))
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_template_filled_in_comes_in(pool: PgPool) {
    let world = World::new(pool).await;
    let csv = world.get("/v1/templates/rent_arrears").await;
    assert_eq!(
        csv.headers["content-disposition"],
        "attachment; filename=\"rent_arrears.csv\""
    );
    let mut line = csv.text.clone();
    let headings: Vec<&str> = csv
        .text
        .trim_start_matches('\u{feff}')
        .trim_end()
        .split(';')
        .collect();
    let cells: Vec<&str> = headings
        .iter()
        .map(|heading| match *heading {
            "Kenmerk" => "A-1",
            "Soort" => "rent_arrears",
            "Gemeentecode" => "0518",
            "Postcode" => "1234AB",
            "Huisnummer" => "10",
            "Huur per maand" => "650",
            _ => "",
        })
        .collect();
    assert!(
        cells.contains(&"650"),
        "the kind's own field is there: {headings:?}"
    );
    line.push_str(&cells.join(";"));
    let (_, results) = deliver(&world, "text/csv", line).await;
    assert_eq!(told(&results), ["2 accepted"]);
    let sheet = world
        .get("/v1/templates/supply_end_notice?format=xlsx")
        .await;
    assert_eq!(
        (
            sheet.status,
            sheet.headers["content-type"].to_str().unwrap()
        ),
        (StatusCode::OK, XLSX)
    );
    let lists = world
        .get("/v1/templates/supply_end_notice?format=lists")
        .await;
    assert_eq!(
        lists.headers["content-disposition"],
        "attachment; filename=\"supply_end_notice-lijsten.csv\""
    );
    let listed: Vec<&str> = lists.text.lines().collect();
    assert_eq!(listed[0], "\u{feff}Kolom;Waarde;Betekenis");
    for row in ["Partnersoort;Energie;energy", "Crisis;ja;ja"] {
        assert!(listed.contains(&row), "{row} in {}", lists.text);
    }
    assert_eq!(
        world.get("/v1/templates/school_absence_16h").await.status,
        StatusCode::NOT_FOUND
    );
    let kinds = world.get("/v1/kinds").await.json();
    let other = kinds["kinds"]
        .as_array()
        .unwrap()
        .iter()
        .find(|kind| kind["id"] == "other_arrears")
        .unwrap();
    assert_eq!(other["hasGround"], false);
    let notice = kinds["kinds"]
        .as_array()
        .unwrap()
        .iter()
        .find(|kind| kind["id"] == "supply_end_notice")
        .unwrap();
    let types = notice["partnerTypes"].as_array().unwrap();
    assert!(types.contains(&json!({"code": "energy", "label": "Energie"})));
    assert!(types.len() > 1);
}

fn ddas(signals: &[Value], gemeentecode: &str) -> Value {
    json!({
        "codeGegevensleverancier": "SOFT-123", "startdatumLevering": "2026-01-01", "einddatumLevering": "2026-01-31",
        "aanleverdatumEnTijd": "2026-02-01T10:00:00Z",
        "leveringen": [{
            "teller": 1, "vroegsignalen": signals, "vroegsignaalzaken": [{"vroegsignalen": [{"ID": "VS-1"}]}],
            "aanleverende_organisatie": {"naam": "Gemeente Voorbeeld"}, "gemeentecode": gemeentecode
        }]
    })
}

fn vroegsignaal(id: &str, partner_type: &str) -> Value {
    json!({
        "ID": id, "crisissignaal": false, "warmeOverdracht": false, "bedrag": 450, "ontstaansdatum": "2025-12-01",
        "signaaldatum": "2026-01-31", "status": "Nog niet opgepakt", "signaalpartner": {"type": partner_type},
        "client": {"Burgerservicenummer": "123456782", "Achternaam": "Voorbeeld", "Postcode": "1234AB", "Huisnummer": "10"}
    })
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_ddas_document_is_read_signal_by_signal_in_its_own_words(pool: PgPool) {
    let world = World::new(pool).await;
    let mut broken = vroegsignaal("VS-3", "Huur");
    broken["bedrag"] = json!("veel");
    broken["client"]["Burgerservicenummer"] = json!("12");
    broken["extra"] = json!(1);
    let signals = [
        vroegsignaal("VS-1", "Energie"),
        vroegsignaal("VS-2", "Buurman"),
        broken,
        vroegsignaal("VS-4", "Overige"),
    ];
    let (delivery, results) = deliver(
        &world,
        "application/json",
        ddas(&signals, "0518").to_string(),
    )
    .await;
    assert_eq!(
        told(&results),
        [
            "1 accepted",
            "2 refused /signaalpartner/type:partner_type_unknown",
            "3 refused /bedrag:wrong_type,:field_unknown,/client/Burgerservicenummer:bsn_format",
            "4 refused /signaalpartner/type:no_legal_ground",
        ]
    );
    assert_eq!(
        (
            delivery["format"].as_str(),
            delivery["notImported"].as_u64()
        ),
        (Some("ddas-0.9"), Some(5))
    );
    let record = &world.produced().await[0];
    let content = record.content.as_ref().unwrap();
    assert_eq!(
        (record.kind.as_str(), content.amount_cents),
        ("energy_arrears", Some(45_000))
    );
    let (_, foreign) = deliver(
        &world,
        "application/json",
        ddas(&signals[..1], "0363").to_string(),
    )
    .await;
    assert_eq!(
        told(&foreign),
        ["1 refused gemeentecode:municipality_not_served"]
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_official_examples_become_what_they_should(pool: PgPool) {
    let standards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/standards");
    if !standards.is_dir() {
        eprintln!(
            "skipped: the official examples are not here ({})",
            standards.display()
        );
        return;
    }
    let mut world = World::new(pool).await;
    let mut other = partner(
        "municipality",
        &crate::world::DEBT_KINDS,
        &crate::world::DEBT_TYPES,
    );
    other.rows_per_minute = 1_000;
    world.key = world.admit(&other).await;
    world.clock.set("2025-02-05T10:30:00Z".parse().unwrap());
    // The first is 26 days old when signalled, and energy wants 30. The second is good; v1.2 names the same signal by BSN alone, which is
    // another revision. The other two are for a municipality that is not served here.
    let young = "1 refused /ontstaansdatum:arrears_too_young";
    let foreign = |row: u32| format!("{row} refused gemeentecode:municipality_not_served");
    for (file, expected) in [
        ("v0.9/enkelvoudig", vec![young.to_owned()]),
        ("v1.2/enkelvoudig", vec![young.to_owned()]),
        (
            "v0.9/meervoudig",
            vec![
                young.to_owned(),
                "2 accepted".into(),
                foreign(3),
                foreign(4),
            ],
        ),
        (
            "v1.2/meervoudig",
            vec![
                young.to_owned(),
                "2 corrected".into(),
                foreign(3),
                foreign(4),
            ],
        ),
    ] {
        let path = standards.join(format!("ddas-vroegsignalering-{file}Voorbeeld.json"));
        let (delivery, results) =
            deliver(&world, "application/json", std::fs::read(path).unwrap()).await;
        assert_eq!(told(&results), expected, "{file}");
        assert_eq!(delivery["state"], "complete");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_file_that_is_no_file_is_refused_before_its_first_row(pool: PgPool) {
    let world = World::new(pool).await;
    let whole = ddas(&[vroegsignaal("VS-1", "Huur")], "0518").to_string();
    let mut strange = ddas(&[], "0518");
    strange["GEHEIM"] = json!(1);
    let long = ddas(&[json!({"ID": "GEHEIM".repeat(20_000)})], "0518").to_string();
    let cases: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("text/csv", b"".to_vec(), 400, "file_empty"),
        (
            "text/csv",
            b"Kenmerk;Soort;Gemeentecode\n".to_vec(),
            400,
            "file_empty",
        ),
        (
            "text/csv",
            b"GEHEIM;GEHEIM;0518\n".to_vec(),
            400,
            "heading_row_missing",
        ),
        (
            "text/csv",
            b"Kenmerk;Soort;Gemeentecode;GEHEIM\nA;b;c;d\n".to_vec(),
            400,
            "column_unknown",
        ),
        (
            "text/csv",
            b"Kenmerk;Bedrag\nA;1\n".to_vec(),
            400,
            "column_missing",
        ),
        ("text/csv", b"PK\x03\x04\0\0".to_vec(), 400, "not_text"),
        (
            "application/x-ndjson",
            b"\xff\xff\n".to_vec(),
            400,
            "not_text",
        ),
        (
            "application/json",
            whole.as_bytes()[..whole.len() - 9].to_vec(),
            400,
            "not_json",
        ),
        (
            "application/json",
            format!("{whole}{{").into_bytes(),
            400,
            "not_json",
        ),
        ("application/json", b"[]".to_vec(), 400, "document_shape"),
        ("application/json", b"{}".to_vec(), 400, "document_shape"),
        (
            "application/json",
            strange.to_string().into_bytes(),
            400,
            "document_field_unknown",
        ),
        (
            "application/json",
            long.into_bytes(),
            400,
            "signal_too_long",
        ),
        (XLSX, b"GEHEIM".to_vec(), 400, "not_a_spreadsheet"),
        (
            XLSX,
            workbook(false)[..200].to_vec(),
            400,
            "not_a_spreadsheet",
        ),
        ("application/pdf", b"GEHEIM".to_vec(), 415, ""),
    ];
    for (media, body, status, code) in cases {
        let answer = world.send("POST", "/v1/deliveries", media, body).await;
        assert_eq!(
            answer.status.as_u16(),
            status,
            "{media} {code}: {}",
            answer.text
        );
        let codes: Vec<_> = answer.errors().into_iter().map(|(_, code)| code).collect();
        assert_eq!(codes.concat(), code, "{}", answer.text);
        assert!(!answer.text.contains("GEHEIM"));
    }
    for path in [
        "/v1/deliveries?kind=GEHEIM",
        "/v1/deliveries?municipality=GEHEIM",
        "/v1/deliveries?GEHEIM=1",
    ] {
        let answer = world.send("POST", path, "text/csv", "x").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(!answer.text.contains("GEHEIM"));
    }
    let deliveries: i64 = sqlx::query_scalar("SELECT count(*) FROM deliveries")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(deliveries, 0);
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_interrupted_delivery_says_how_far_it_came_and_again_finishes_it(pool: PgPool) {
    let mut world = World::new(pool).await;
    let dead = world.dead_log().await;
    world.restart(dead);
    let lines: Vec<String> = (0..2_500)
        .map(|n| signal(&format!("A-{n}")).to_string())
        .collect();
    let file = lines.join("\n");
    let answer = world
        .send(
            "POST",
            "/v1/deliveries",
            "application/x-ndjson",
            file.clone(),
        )
        .await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    // The log is down, so the delivery keeps trying until its process stops.
    let signals = futures::StreamExt::boxed(futures::stream::iter(["test"]));
    world.lifecycle.run(signals, Duration::from_secs(30)).await;
    let (delivery, results) = settle(&world, &answer).await;
    assert_eq!(
        (
            delivery["state"].as_str(),
            delivery["problem"].as_str(),
            delivery["upToRow"].as_u64(),
            results.len()
        ),
        (Some("interrupted"), Some(PROCESS_STOPPED), Some(0), 0)
    );
    let log = Log::postgres(world.pool.clone());
    world.restart(log);
    let (again, _) = deliver(&world, "application/x-ndjson", file).await;
    assert_eq!(again["rows"]["accepted"], 2_500);
    let produced = world.produced().await;
    assert_eq!(produced.len(), 2_500);
    assert!(produced.iter().all(|record| record.revision == 1));
}

/// A chunk is promised its signals while the log still takes the one before it; of a signal that both speak of the later one must know what came of the
/// earlier one.
#[sqlx::test(migrations = "../../migrations")]
async fn what_two_chunks_of_a_file_say_of_one_signal_is_decided_in_their_order(pool: PgPool) {
    let world = World::new(pool).await;
    let mut lines: Vec<Value> = (0..CHUNK_ROWS)
        .map(|number| signal(&format!("A-{number}")))
        .collect();
    let mut corrected = signal("A-1");
    corrected["amountCents"] = json!(7_700);
    lines.extend([signal("A-0"), corrected, signal("A-new")]);
    let file: Vec<String> = lines.iter().map(Value::to_string).collect();
    let answer = world
        .send(
            "POST",
            "/v1/deliveries",
            "application/x-ndjson",
            file.join("\n"),
        )
        .await;
    let (delivery, _) = settle(&world, &answer).await;
    let place = answer.headers["location"].to_str().unwrap();
    let last = world
        .get(&format!("{place}/results?after={CHUNK_ROWS}"))
        .await
        .json();
    let outcomes: Vec<&str> = last["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["unchanged", "corrected", "accepted"]);
    assert_eq!(delivery["rows"]["accepted"], CHUNK_ROWS + 1);
    let produced = world.produced().await;
    assert_eq!(produced.len(), CHUNK_ROWS + 2);
    let again = produced.iter().filter(|record| record.revision == 2);
    assert_eq!(again.count(), 1);
}

#[sqlx::test(migrations = "../../migrations")]
async fn results_come_in_pages_or_as_lines(pool: PgPool) {
    let world = World::new(pool).await;
    let lines: Vec<String> = (0..2_100)
        .map(|n| {
            let mut one = signal(&format!("A-{n}"));
            if n % 700 == 0 {
                one["kind"] = json!("made_up");
            }
            one.to_string()
        })
        .collect();
    let file = lines.join("\n");
    let answer = world
        .send("POST", "/v1/deliveries", "application/x-ndjson", file)
        .await;
    let (delivery, first) = settle(&world, &answer).await;
    assert_eq!(
        (delivery["rows"]["refused"].as_u64(), first.len()),
        (Some(3), 1_000)
    );
    let place = answer.headers["location"].to_str().unwrap();
    let page = world
        .get(&format!("{place}/results?after=2000"))
        .await
        .json();
    assert_eq!(
        (
            page["results"].as_array().unwrap().len(),
            &page["nextAfter"]
        ),
        (100, &Value::Null)
    );
    let refused = world
        .get(&format!("{place}/results?outcome=refused"))
        .await
        .json();
    assert_eq!(told(refused["results"].as_array().unwrap()).len(), 3);
    let request = axum::http::Request::get(format!("{place}/results"))
        .header("authorization", format!("Bearer {}", world.key))
        .header("accept", "application/x-ndjson")
        .body(axum::body::Body::empty())
        .unwrap();
    let lines = world.ask(request).await;
    assert_eq!(lines.text.lines().count(), 2_100);
    for wrong in ["after=-1", "outcome=GEHEIM", "GEHEIM=1"] {
        let answer = world.get(&format!("{place}/results?{wrong}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(!answer.text.contains("GEHEIM"));
    }
}

/// The same spreadsheet with one part of it replaced.
fn with_part(book: &[u8], name: &str, text: &[u8]) -> Vec<u8> {
    let mut old = zip::ZipArchive::new(Cursor::new(book)).unwrap();
    let mut new = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for at in 0..old.len() {
        let part = old.by_index_raw(at).unwrap();
        if part.name().unwrap() != name {
            new.raw_copy_file(part).unwrap();
        }
    }
    new.start_file(name, options).unwrap();
    new.write_all(text).unwrap();
    new.finish().unwrap().into_inner()
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_spreadsheet_that_would_cost_more_than_there_is_is_refused_with_its_limit(pool: PgPool) {
    let world = World::new(pool).await;
    let strings = "xl/sharedStrings.xml";
    let styles = "xl/styles.xml";
    let sheet = "xl/worksheets/sheet1.xml";
    let rels = "xl/_rels/workbook.xml.rels";
    let long = "x".repeat(1_100_000);
    let runs = format!("<r><t>{}</t></r>", "x".repeat(60_000)).repeat(20);
    let kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet";
    for (what, part, text, status) in [
        (
            "ten million million texts, by its own word",
            strings,
            r#"<sst uniqueCount="10000000000000"><si><t>a</t></si></sst>"#.to_owned(),
            413,
        ),
        (
            "a number of texts that is none",
            strings,
            r#"<sst uniqueCount="GEHEIM"><si><t>a</t></si></sst>"#.to_owned(),
            400,
        ),
        (
            "a million and one texts",
            strings,
            format!("<sst>{}</sst>", "<si/>".repeat(1_000_001)),
            413,
        ),
        (
            "too many ways to look",
            styles,
            format!(
                "<styleSheet><cellXfs>{}</cellXfs></styleSheet>",
                "<xf/>".repeat(32_769)
            ),
            413,
        ),
        (
            "a name of a font that never ends",
            styles,
            format!(
                "<styleSheet><fonts><font><name val=\"{}\"/></font></fonts></styleSheet>",
                "x".repeat(3_000)
            ),
            413,
        ),
        (
            "a cell that never ends",
            sheet,
            format!(
                "<worksheet><sheetData><row><c t=\"inlineStr\"><is><t>{long}</t></is></c></row></sheetData></worksheet>"
            ),
            413,
        ),
        (
            "a cell that never ends, in pieces",
            sheet,
            format!(
                "<worksheet><sheetData><row><c t=\"inlineStr\"><is>{runs}</is></c></row></sheetData></worksheet>"
            ),
            413,
        ),
        (
            "a sheet that does not look like one",
            rels,
            format!(
                "<Relationships><Relationship Id=\"rId1\" Type=\"{kind}\" Target=\"sheet.bin\"/></Relationships>"
            ),
            400,
        ),
    ] {
        let book = with_part(&workbook(false), part, text.as_bytes());
        let answer = world.send("POST", "/v1/deliveries", XLSX, book).await;
        assert_eq!(answer.status.as_u16(), status, "{what}: {}", answer.text);
        assert!(!answer.text.contains("GEHEIM"));
    }
    // In letters of two bytes no text is a tag, here nor to the reader behind.
    let wide: Vec<u8> = "\u{feff}<sst uniqueCount=\"10000000000000\"/>"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let book = with_part(&workbook(false), strings, &wide);
    let answer = world.send("POST", "/v1/deliveries", XLSX, book).await;
    assert_eq!(answer.status.as_u16(), 400, "{}", answer.text);

    let (_, results) = deliver(&world, XLSX, workbook(false)).await;
    assert_eq!(results.len(), 2, "a plain one still comes in");
}
