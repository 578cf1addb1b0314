//! The legal grounds (`legal.yaml`): what may be received, for which purpose, and what may be judged together (I7). A ground holds on the days
//! of its own and of its profile together.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::Deserialize;
use voorveld_calendar::Period;
use voorveld_domain::{KindId, Purpose};

use crate::error::PolicyErrors;
use crate::profiles::{Profile, Profiles, overlap, period};
use crate::yaml::{Code, Located, Parsed, read_list};

const FILE: &str = "legal.yaml";

/// A legal ground.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegalGround {
    /// Its name in our files.
    pub id: String,
    /// What it is called on screen, in Dutch.
    pub title: String,
    /// The profile it belongs to.
    pub profile: String,
    /// The articles.
    pub article: String,
    /// What it means for a resident, in plain Dutch.
    pub explanation: String,
    /// How sure its text is.
    pub certainty: Certainty,
    /// The days on which it holds by itself, whatever its profile says; `None`: on none.
    pub own_days: Option<Period>,
    /// The days on which it is in force here: its own and its profile's together; `None`: on none.
    pub in_force: Option<Period>,
    /// Why it holds on no day by itself, in plain Dutch.
    pub off_because: Option<String>,
    /// What it covers.
    pub covers: Vec<Cover>,
}

/// How sure the text of a ground is. Whatever is not read in the law itself is for the municipality to confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// Read in the law itself.
    Read,
    /// Read in a partial or secondary source.
    Secondary,
    /// A default of Voorveld's own (†).
    Own,
}

/// Which kinds a ground covers for a purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cover {
    /// For what.
    pub purpose: Purpose,
    /// Which kinds.
    pub kinds: BTreeSet<KindId>,
    /// Whether signals of these kinds may be judged together.
    pub joins: bool,
}

impl LegalGround {
    /// Whether it is in force on a day.
    #[must_use]
    pub fn in_force_on(&self, day: Date) -> bool {
        self.in_force.is_some_and(|days| days.contains(day))
    }

    /// The days on which it is in force, or would be with every profile on.
    pub(crate) const fn days(&self, as_if_on: bool) -> Option<Period> {
        if as_if_on {
            self.own_days
        } else {
            self.in_force
        }
    }

    /// Whether it covers a kind for any purpose.
    #[must_use]
    pub fn covers_kind(&self, kind: &KindId) -> bool {
        self.covers.iter().any(|cover| cover.kinds.contains(kind))
    }

    /// The kinds among these that it does not cover for a purpose, together when `joining`.
    pub(crate) fn uncovered<'a>(
        &self,
        kinds: &'a BTreeSet<KindId>,
        purpose: Purpose,
        joining: bool,
    ) -> Vec<&'a KindId> {
        let covers = |cover: &&Cover| cover.purpose == purpose && (cover.joins || !joining);
        if joining {
            // One cover must hold them all: two covers side by side do not allow a join between them.
            return self
                .covers
                .iter()
                .filter(covers)
                .map(|cover| {
                    let missing = kinds.iter().filter(|kind| !cover.kinds.contains(*kind));
                    missing.collect::<Vec<_>>()
                })
                .min_by_key(Vec::len)
                .unwrap_or_else(|| kinds.iter().collect());
        }
        kinds
            .iter()
            .filter(|kind| {
                !self
                    .covers
                    .iter()
                    .filter(covers)
                    .any(|cover| cover.kinds.contains(*kind))
            })
            .collect()
    }
}

/// All grounds, by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegalGrounds(BTreeMap<String, LegalGround>);

impl LegalGrounds {
    /// The ground with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&LegalGround> {
        self.0.get(id)
    }

    /// All grounds, in order of id.
    pub fn iter(&self) -> impl Iterator<Item = &LegalGround> {
        self.0.values()
    }

    /// The grounds of a profile, in order of id.
    pub fn of_profile<'a>(&'a self, profile: &'a str) -> impl Iterator<Item = &'a LegalGround> {
        self.iter().filter(move |ground| ground.profile == profile)
    }

    /// Reads all grounds. Without profiles (because those are broken themselves) the profiles of grounds are not looked at.
    pub(crate) fn read(
        text: &str,
        profiles: Option<&Profiles>,
        errors: &mut PolicyErrors,
    ) -> (Self, Vec<Located<GroundFile>>) {
        let items: Vec<Located<GroundFile>> = read_list(FILE, text, "grounds", errors);
        let mut grounds = BTreeMap::new();
        for item in &items {
            let file = &item.value;
            let mut say = |line: usize, message: String| errors.push(FILE, Some(line), message);
            match (file.since, &file.off_because) {
                (None, None) => say(
                    item.line_of("id"),
                    format!(
                        "ground `{}`: expected `since`, or `off_because` with the reason why not",
                        file.id
                    ),
                ),
                (Some(_), Some(_)) => say(
                    item.line_of("off_because"),
                    format!(
                        "ground `{}`: expected `since` or `off_because`, not both",
                        file.id
                    ),
                ),
                _ => {}
            }
            if let (Some(since), Some(until)) = (file.since, file.until)
                && until <= since
            {
                say(
                    item.line_of("until"),
                    "expected `until` to come after `since`".to_owned(),
                );
            }
            if file.until.is_some() && file.since.is_none() {
                say(
                    item.line_of("until"),
                    "expected `since` beside `until`".to_owned(),
                );
            }
            let profile = profiles.map(|profiles| profiles.get(&file.profile));
            if profile == Some(None) {
                say(
                    item.line_of("profile"),
                    format!("`{}` is not a profile of profiles.yaml", file.profile),
                );
            }
            let ground = file.ground(profile.flatten().and_then(Profile::days));
            if let Some(earlier) = grounds.insert(file.id.clone(), ground) {
                say(
                    item.line_of("id"),
                    format!("ground `{}` is there twice", earlier.id),
                );
            }
        }
        (Self(grounds), items)
    }

    /// Every kind a ground names exists.
    pub(crate) fn check_kinds(
        items: &[Located<GroundFile>],
        is_known: impl Fn(&KindId) -> bool,
        errors: &mut PolicyErrors,
    ) {
        for item in items {
            for kind in item.value.covers.iter().flat_map(|cover| &cover.kinds) {
                if !is_known(&kind.0) {
                    errors.push(
                        FILE,
                        Some(item.line_with(kind.0.as_str())),
                        format_args!("`{}` is not a kind of signals.yaml", kind.0),
                    );
                }
            }
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroundFile {
    id: String,
    title: String,
    profile: String,
    article: String,
    explanation: String,
    certainty: Certainty,
    since: Option<Date>,
    until: Option<Date>,
    off_because: Option<String>,
    covers: Vec<CoverFile>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct CoverFile {
    purpose: Code<Purpose>,
    joins: bool,
    kinds: BTreeSet<Parsed<KindId>>,
}

impl GroundFile {
    /// The ground, with the days on which its profile is on.
    fn ground(&self, profile_days: Option<Period>) -> LegalGround {
        let own_days = self.since.map(|since| period(since, self.until));
        LegalGround {
            id: self.id.clone(),
            title: self.title.clone(),
            profile: self.profile.clone(),
            article: self.article.clone(),
            explanation: self.explanation.clone(),
            certainty: self.certainty,
            own_days,
            in_force: own_days
                .zip(profile_days)
                .and_then(|(own, profile)| overlap(own, profile)),
            off_because: self.off_because.clone(),
            covers: self
                .covers
                .iter()
                .map(|cover| Cover {
                    purpose: cover.purpose.0,
                    kinds: cover.kinds.iter().map(|kind| kind.0.clone()).collect(),
                    joins: cover.joins,
                })
                .collect(),
        }
    }
}
