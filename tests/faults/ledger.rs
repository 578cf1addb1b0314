//! The judge: what two houses hold that were told the same, one in peace and one in trouble, and what their partner was promised.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::PgPool;

use crate::sender::Promise;

/// Most differences that are told of one sort.
const TOLD_MAX: usize = 12;

/// What a settled house holds, by names that are the same in every run.
#[derive(Debug, PartialEq, Eq)]
pub struct Holdings {
    /// Every signal and its places (S5).
    pub places: Vec<String>,
    /// Every match, row for row.
    pub matches: Vec<String>,
    /// Every open task: household, purpose, urgency, step, deadline, team, grounds.
    pub tasks: Vec<String>,
    /// What belongs to something that is not there.
    pub left_over: Vec<String>,
}

impl Holdings {
    /// Looks at everything.
    pub async fn of(pool: &PgPool) -> Self {
        // Without statistics of what was written a moment ago the looks below take hours.
        sqlx::query("ANALYZE").execute(pool).await.unwrap();
        Self {
            places: texts(pool, include_str!("../it/house/places.sql")).await,
            matches: texts(pool, include_str!("../it/house/matches.sql")).await,
            tasks: texts(pool, include_str!("../it/house/open_tasks.sql")).await,
            left_over: texts(pool, include_str!("../it/house/parts.sql")).await,
        }
    }

    /// What is different from a house that had no trouble, in both directions.
    pub fn differences(&self, calm: &Self) -> Vec<String> {
        let mut found = Vec::new();
        compare("places", &calm.places, &self.places, &mut found);
        compare("matches", &calm.matches, &self.matches, &mut found);
        compare("open tasks", &calm.tasks, &self.tasks, &mut found);
        compare("left over", &[], &self.left_over, &mut found);
        found
    }
}

async fn texts(pool: &PgPool, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
}

fn compare(what: &str, calm: &[String], rough: &[String], found: &mut Vec<String>) {
    if calm.len() != rough.len() {
        found.push(format!("{what}: {} against {}", calm.len(), rough.len()));
    }
    let [calm, rough] = [calm, rough].map(|list| list.iter().collect::<BTreeSet<_>>());
    let missing = calm.difference(&rough).map(|line| ("missing", line));
    let extra = rough
        .difference(&calm)
        .map(|line| ("not there before", line));
    for list in [missing.collect::<Vec<_>>(), extra.collect()] {
        for (kind, line) in list.iter().take(TOLD_MAX) {
            found.push(format!("{what}, {kind}: {line}"));
        }
        if TOLD_MAX < list.len() {
            found.push(format!("{what}: {} more", list.len() - TOLD_MAX));
        }
    }
}

/// What was promised and is not so: each signal of the partner's books is in exactly one place (I1, I2), and that is the one that its last
/// word leads to.
pub async fn broken_promises(
    pool: &PgPool,
    books: &BTreeMap<usize, Promise>,
    places: &[String],
) -> Vec<String> {
    let names: Vec<(String, String)> = sqlx::query_as(
        "SELECT signal_id::text, partner_id || '/' || left(encode(reference_index, 'hex'), 12) FROM signal_receipts",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let names: HashMap<String, String> = names.into_iter().collect();
    let mut places_of: HashMap<&str, Vec<&str>> = HashMap::new();
    for line in places {
        let (name, place) = line.split_once(": ").unwrap_or((line, ""));
        places_of.entry(name).or_default().push(place);
    }
    let mut broken = Vec::new();
    for (number, promise) in books {
        let name = names.get(&promise.id.to_string());
        let found = name
            .and_then(|name| places_of.get(name.as_str()))
            .map_or(&[][..], Vec::as_slice);
        let expected = if promise.withdrawn {
            "withdrawn".to_owned()
        } else {
            format!("timeline revision {}", promise.revision)
        };
        if found != [expected.as_str()] {
            broken.push(format!(
                "signal {number} should be in one place, {expected}, and is in {found:?}"
            ));
        }
    }
    if books.len() != places.len() {
        broken.push(format!(
            "{} signals were promised, {} are there",
            books.len(),
            places.len()
        ));
    }
    broken.truncate(TOLD_MAX);
    broken
}
