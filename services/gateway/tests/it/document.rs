//! What is promised on paper is what the door does.

use std::path::Path;

use serde_json::Value;
use sqlx::PgPool;
use voorveld_gateway::deliveries::FileFault;
use voorveld_wire::intake_v1::{FlawCode, WarningCode};

use crate::world::World;

#[test]
fn every_code_stands_in_the_document_for_partners() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    let text = std::fs::read_to_string(path).unwrap();
    let flaws = FlawCode::ALL
        .iter()
        .map(|code| (code.code(), code.expected()));
    let warnings = WarningCode::ALL
        .iter()
        .map(|code| (code.code(), code.expected()));
    for (code, words) in flaws.chain(warnings) {
        let row = text
            .lines()
            .find(|line| line.starts_with(&format!("| `{code}` |")));
        assert!(
            row.is_some_and(|row| row.contains(words)),
            "{code} in docs/api.md"
        );
    }
    for code in FileFault::CODES {
        assert!(text.contains(&format!("`{code}`")), "{code} in docs/api.md");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn anybody_may_read_the_document_and_every_answer_in_it_is_described(pool: PgPool) {
    let mut world = World::new(pool).await;
    world.key = String::new();
    let answer = world.get("/v1/openapi.json").await;
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    assert!(
        document["servers"][0]["url"]
            .as_str()
            .unwrap()
            .ends_with("/v1")
    );
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.contains_key("500"), "{method} {path}");
            for (status, response) in responses {
                if status.starts_with('2') {
                    assert!(
                        response["headers"]["API-Version"].is_object(),
                        "{method} {path} {status}"
                    );
                } else {
                    let content = &response["content"]["application/problem+json"];
                    assert!(content.is_object(), "{method} {path} {status}");
                }
            }
        }
    }
    let text = answer.text.clone();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for part in text.split("\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(
            schemas.contains_key(name),
            "{name} is leaned on and not there"
        );
    }
    assert_eq!(
        schemas["Signal"]["additionalProperties"],
        Value::Bool(false)
    );
}
