//! The rules (`rules/*.yaml`), one file each: read, checked against the catalogue and the legal grounds (I7), and named by the
//! hash of what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use serde_norway::Value;
use voorveld_calendar::{Calendar, Period, Term};
use voorveld_detect::{
    Cooldown, CooldownFrom, Deadline, Effect, Ladder, MutedBy, Raises, Rule, RuleSet, RuleSetError,
    RuleSetHash, RuleSettings, Sources,
};
use voorveld_domain::{Cents, KindId, Outcome, Purpose, RuleId, SignalDomain, Urgency};

use crate::catalogue::{SignalCatalogue, SignalKind};
use crate::condition::{ConditionFile, Conditions, Near};
use crate::denied::Denied;
use crate::error::PolicyErrors;
use crate::examples::ExampleFile;
use crate::legal::{LegalGround, LegalGrounds};
use crate::profiles::{Profile, Profiles, told};
use crate::settings::Settings;
use crate::yaml::{Code, Located, Parsed, read_whole};

/// The examples of one rule, with where they stand.
#[derive(Debug, Clone)]
pub(crate) struct RuleExamples {
    pub(crate) rule: RuleId,
    /// The profile the rule belongs to.
    pub(crate) profile: String,
    pub(crate) file: String,
    pub(crate) examples: Vec<(usize, ExampleFile)>,
}

/// The rules of all files, their examples, and the text their hash is of.
#[derive(Debug)]
pub(crate) struct Rules {
    /// What judges: the rules whose profile is on.
    pub(crate) set: RuleSet,
    /// By profile that is off: what would judge with that one on. For its examples; nothing else runs these.
    pub(crate) as_if_on: BTreeMap<String, RuleSet>,
    pub(crate) examples: Vec<RuleExamples>,
    pub(crate) canonical: String,
}

/// What rules are checked against.
pub(crate) struct Against<'a> {
    pub(crate) catalogue: &'a SignalCatalogue,
    pub(crate) profiles: &'a Profiles,
    pub(crate) grounds: &'a LegalGrounds,
    pub(crate) settings: &'a Settings,
    pub(crate) calendar: &'a Calendar,
}

impl Rules {
    /// Reads all rules. Without anything to check against (because that is broken itself) only their form and what nothing may use are looked
    /// at.
    pub(crate) fn read<'a>(
        files: impl Iterator<Item = (&'a str, &'a str)>,
        denied: &Denied,
        against: Option<&Against<'_>>,
        errors: &mut PolicyErrors,
    ) -> Option<Self> {
        let mut rules = Vec::new();
        let mut off: BTreeMap<String, Vec<Rule>> = BTreeMap::new();
        let mut examples = Vec::new();
        let mut texts = BTreeMap::new();
        let mut origin: BTreeMap<RuleId, String> = BTreeMap::new();
        for (file, text) in files {
            let Some(item) = read_whole::<RuleFile>(file, text, errors) else {
                continue;
            };
            let value: Value =
                serde_norway::from_str(text).expect("what was read once reads again");
            for (name, refusal) in denied.in_condition(&value["when"]) {
                errors.push(file, Some(item.line_with(&name)), refusal);
            }
            let Some(Checked { rule, profile }) =
                against.and_then(|against| item.value.check(file, &item, against, errors))
            else {
                continue;
            };
            if let Some(other) = origin.insert(rule.id.clone(), file.to_owned()) {
                errors.push(
                    file,
                    Some(item.line_of("id")),
                    format_args!("rule `{}` is in {other} already", rule.id),
                );
                continue;
            }
            examples.push(RuleExamples {
                rule: rule.id.clone(),
                profile: profile.id.clone(),
                file: file.to_owned(),
                examples: item
                    .value
                    .examples
                    .iter()
                    .map(|example| (item.line_with(&example.name), example.clone()))
                    .collect(),
            });
            if profile.days().is_none() {
                off.entry(profile.id.clone()).or_default().push(rule);
                continue;
            }
            texts.insert(rule.id.clone(), canonical_rule(&value));
            rules.push(rule);
        }
        let settings = rule_settings(against?);
        let mut canonical = String::from("voorveld rules 1\n");
        for (id, text) in &texts {
            canonical.push_str(text);
            if let Some(rule) = rules.iter().find(|rule| rule.id == *id) {
                canonical.push_str(&canonical_sources(rule));
            }
            canonical.push('\n');
        }
        canonical.push_str(&canonical_settings(&settings));
        let digests = texts
            .iter()
            .map(|(id, text)| (id.clone(), hash_of(text)))
            .collect();
        let hash = hash_of(&canonical);
        let mut build = |rules: Vec<Rule>| match RuleSet::new(rules, settings.clone(), hash) {
            Ok(set) => Some(set),
            Err(error) => {
                let (RuleSetError::Twice(id) | RuleSetError::Parameter { rule: id, .. }) = &error;
                let file = origin.get(id).map_or("rules", String::as_str);
                errors.push(file, None, error);
                None
            }
        };
        let as_if_on: Vec<_> = off
            .into_iter()
            .map(|(profile, extra)| {
                let together = rules.iter().cloned().chain(extra).collect();
                (profile, build(together))
            })
            .collect();
        let set = build(rules)?.with_digests(digests);
        let as_if_on = as_if_on
            .into_iter()
            .map(|(profile, set)| set.map(|set| (profile, set)))
            .collect::<Option<_>>()?;
        Some(Self {
            set,
            as_if_on,
            examples,
            canonical,
        })
    }
}

fn hash_of(canonical: &str) -> RuleSetHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, canonical.as_bytes()).as_ref());
    RuleSetHash(hash)
}

fn rule_settings(against: &Against<'_>) -> RuleSettings {
    RuleSettings {
        threshold: against.settings.threshold,
        repeat_window_days: against.settings.repeat_window_days,
        cak_is_zorg: against.settings.cak_is_zorg,
        crisis_kinds: against
            .catalogue
            .iter()
            .filter(|kind| kind.is_crisis)
            .map(|kind| kind.id.clone())
            .collect(),
        retention_days: against
            .catalogue
            .iter()
            .map(|kind| (kind.id.clone(), kind.retention_days))
            .collect(),
    }
}

/// What a rule says, in one form whatever its layout: keys sorted, without its examples, and without its profile, which follows from its
/// ground and says when it judges, not what.
fn canonical_rule(value: &Value) -> String {
    let mut value = value.clone();
    if let Value::Mapping(mapping) = &mut value {
        mapping.remove("examples");
        mapping.remove("profile");
    }
    let mut out = String::new();
    write_canonical(&value, &mut out);
    out
}

/// The kinds a rule looks at and the days on which it is in force, which follow from the catalogue and the law as much as from the rule: part
/// of what the set is, not of what the rule says. Switching a kind on gives a new set under the versions that were published.
fn canonical_sources(rule: &Rule) -> String {
    let kinds: Vec<&str> = rule.sources.kinds.iter().map(KindId::as_str).collect();
    format!(" over {} in force {}", kinds.join(","), rule.in_force)
}

fn canonical_settings(settings: &RuleSettings) -> String {
    let kinds: Vec<&str> = settings.crisis_kinds.iter().map(KindId::as_str).collect();
    let kept: Vec<String> = settings
        .retention_days
        .iter()
        .map(|(kind, days)| format!("{kind} {days}"))
        .collect();
    format!(
        "threshold {} repeat {} cak {} crisis {} kept {}\n",
        settings.threshold.map_or(0, Cents::get),
        settings.repeat_window_days,
        settings.cak_is_zorg,
        kinds.join(","),
        kept.join(",")
    )
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => write_text(text, out),
        Value::Sequence(items) => {
            out.push('[');
            for item in items {
                write_canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Mapping(mapping) => {
            let mut entries: Vec<(String, &Value)> = mapping
                .iter()
                .map(|(key, value)| {
                    let mut name = String::new();
                    write_canonical(key, &mut name);
                    (name, value)
                })
                .collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            out.push('{');
            for (name, value) in entries {
                out.push_str(&name);
                out.push(':');
                write_canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Tagged(tagged) => {
            out.push_str(&tagged.tag.to_string());
            write_canonical(&tagged.value, out);
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.trim().chars() {
        if c == '"' || c == '\\' {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    id: Parsed<RuleId>,
    version: u32,
    title: String,
    explanation: String,
    purpose: Code<Purpose>,
    legal_basis: String,
    /// The profile of its ground; may be said for the reader, and must then be that one.
    profile: Option<String>,
    looks_at: LooksAtFile,
    when: ConditionFile,
    raises: Option<RaisesFile>,
    holds: Option<RaisesFile>,
    #[serde(default)]
    muted_by: BTreeSet<MuteFile>,
    cooldown: Option<CooldownFile>,
    not_older_than_days: Option<u16>,
    retention_days: u16,
    examples: Vec<ExampleFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LooksAtFile {
    #[serde(default)]
    domains: Vec<Parsed<SignalDomain>>,
    #[serde(default)]
    kinds: Vec<Parsed<KindId>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RaisesFile {
    urgency: Code<Urgency>,
    deadline: DeadlineFile,
    ladder: LadderFile,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum DeadlineFile {
    WorkingDays(u16),
    CalendarDays(u16),
    SupplyEnd {
        working_days: u16,
        before_end_working_days: u16,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LadderFile {
    starts_at: u8,
    #[serde(default)]
    step_up: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MuteFile {
    Threshold,
    Repeat,
    KnownClient,
    UnlessRisen,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CooldownFile {
    days: u16,
    from: CooldownFromFile,
    #[serde(default)]
    after_outcomes: BTreeSet<Code<Outcome>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CooldownFromFile {
    Raising,
    Result,
}

/// One rule file while it is checked: notes faults with their lines.
struct Checker<'a> {
    at: &'a Located<RuleFile>,
    file: &'a str,
    against: &'a Against<'a>,
    errors: &'a mut PolicyErrors,
    sound: bool,
    /// The rule's profile is off, or its ground holds on no day: its kinds are looked at as if every profile were on.
    as_if_on: bool,
}

/// A rule that is right, with the profile that says whether it judges.
struct Checked<'a> {
    rule: Rule,
    profile: &'a Profile,
}

impl Checker<'_> {
    fn fault(&mut self, line: usize, message: impl fmt::Display) {
        self.sound = false;
        self.errors.push(self.file, Some(line), message);
    }

    /// The kinds the rule looks at: those it names, and of the domains it names those that are received here.
    fn kinds(&mut self) -> BTreeSet<KindId> {
        let looks_at = &self.at.value.looks_at;
        let catalogue = self.against.catalogue;
        let mut kinds = BTreeSet::new();
        for Parsed(domain) in &looks_at.domains {
            let mut of_domain = catalogue.of_domain(domain).peekable();
            if of_domain.peek().is_none() {
                self.fault(
                    self.at.line_of("looks_at"),
                    format_args!("no kind in signals.yaml is of domain `{domain}`"),
                );
            }
            kinds.extend(
                of_domain
                    .filter(|kind| self.received_on(kind).is_some())
                    .map(|kind| kind.id.clone()),
            );
        }
        for Parsed(id) in &looks_at.kinds {
            match catalogue.get(id) {
                None => self.fault(
                    self.at.line_with(id.as_str()),
                    format_args!("`{id}` is not a kind of signals.yaml"),
                ),
                Some(kind) if self.received_on(kind).is_none() => {
                    let ground = self.against.grounds.get(&kind.ground);
                    let why = ground.map_or_else(String::new, |ground| self.never_because(ground));
                    self.fault(
                        self.at.line_with(id.as_str()),
                        format_args!("`{id}` is not received here: its {why}"),
                    );
                }
                Some(_) => {
                    kinds.insert(id.clone());
                }
            }
        }
        if kinds.is_empty() && self.sound {
            self.fault(
                self.at.line_of("looks_at"),
                "expected `domains` or `kinds` of which something is received here",
            );
        }
        kinds
    }

    /// The days on which a kind is received.
    fn received_on(&self, kind: &SignalKind) -> Option<Period> {
        let ground = self.against.grounds.get(&kind.ground)?;
        ground.days(self.as_if_on)
    }

    /// Why a ground holds on no day, with its article.
    fn never_because(&self, ground: &LegalGround) -> String {
        let LegalGround { id, article, .. } = ground;
        let profile = self.against.profiles.get(&ground.profile);
        match (ground.own_days, profile.and_then(Profile::days)) {
            (None, _) => format!("ground `{id}` ({article}) is not in force here"),
            (Some(_), None) => format!(
                "ground `{id}` ({article}) is not in force here, as profile `{}` is off",
                ground.profile
            ),
            (Some(own), Some(profile)) => format!(
                "ground `{id}` ({article}) is in force {}, profile `{}` is on {}",
                told(own),
                ground.profile,
                told(profile)
            ),
        }
    }

    /// I7: the ground covers every kind the rule looks at, for its purpose, together when it joins them, and on some day at once. Answers with
    /// the days of the ground.
    fn legal_cover(&mut self, ground: &LegalGround, kinds: &BTreeSet<KindId>) -> Option<Period> {
        let rule = &self.at.value;
        let line = self.at.line_of("legal_basis");
        let off = self
            .against
            .profiles
            .get(&ground.profile)
            .is_some_and(|profile| profile.days().is_none());
        let days = ground.days(off);
        if let Some(days) = days {
            self.same_days(ground, days, kinds);
        } else {
            let why = self.never_because(ground);
            self.fault(line, why);
        }
        let joining = rule.when.joins();
        let uncovered = ground.uncovered(kinds, rule.purpose.0, joining);
        if !uncovered.is_empty() {
            let names: Vec<String> = uncovered.iter().map(|kind| format!("`{kind}`")).collect();
            let (verb, together) = if joining {
                ("joins signals", " for judging together")
            } else {
                ("looks at signals", "")
            };
            self.fault(
                line,
                format_args!(
                    "rule `{}` {verb} for `{}`, but ground `{}` ({}) does not cover {}{together}",
                    rule.id.0,
                    rule.purpose.0,
                    ground.id,
                    ground.article,
                    names.join(", "),
                ),
            );
        }
        days
    }

    /// Each kind is received on some day on which the rule's ground is in force.
    fn same_days(&mut self, ground: &LegalGround, days: Period, kinds: &BTreeSet<KindId>) {
        let line = self.at.line_of("legal_basis");
        for id in kinds {
            let kind = self.against.catalogue.get(id);
            let received = kind.and_then(|kind| Some((kind, self.received_on(kind)?)));
            if let Some((kind, received)) = received
                && !received.overlaps(&days)
            {
                let article = self
                    .against
                    .grounds
                    .get(&kind.ground)
                    .map_or("", |of_kind| &of_kind.article);
                self.fault(
                    line,
                    format_args!(
                        "`{id}` is received {} by ground `{}` ({article}), but ground `{}` ({}) of this rule is in force {}: on no day both",
                        told(received),
                        kind.ground,
                        ground.id,
                        ground.article,
                        told(days),
                    ),
                );
            }
        }
    }
}

impl RuleFile {
    fn check<'a>(
        &self,
        file: &str,
        at: &Located<Self>,
        against: &Against<'a>,
        errors: &mut PolicyErrors,
    ) -> Option<Checked<'a>> {
        let ground = against.grounds.get(&self.legal_basis);
        let profile = ground.and_then(|ground| against.profiles.get(&ground.profile));
        let mut checker = Checker {
            at,
            file,
            against,
            errors,
            sound: true,
            as_if_on: ground.is_none_or(|ground| ground.in_force.is_none()),
        };
        match (ground, &self.profile) {
            (None, _) => checker.fault(
                at.line_of("legal_basis"),
                format_args!("`{}` is not a ground of legal.yaml", self.legal_basis),
            ),
            (Some(ground), Some(said)) if *said != ground.profile => checker.fault(
                at.line_of("profile"),
                format_args!(
                    "profile `{said}`, but its ground `{}` ({}) belongs to profile `{}`",
                    ground.id, ground.article, ground.profile
                ),
            ),
            _ => {}
        }
        if self.version == 0 {
            checker.fault(at.line_of("version"), "expected a version from 1");
        }
        if self.title.trim().is_empty() || self.explanation.trim().is_empty() {
            checker.fault(
                at.line_of("title"),
                "expected a title and an explanation in plain Dutch",
            );
        }
        let kinds = checker.kinds();
        let in_force = ground.and_then(|ground| checker.legal_cover(ground, &kinds));
        let condition = Conditions {
            kinds: &kinds,
            catalogue: against.catalogue,
            calendar: against.calendar,
            is_off: checker.as_if_on,
            fault: &mut |near, message| {
                let line = match near {
                    Near::Key(key) => at.line_of(key),
                    Near::Word(word) => at.line_with(word),
                };
                checker.fault(line, message);
            },
        }
        .condition(&self.when);
        let effect = match (&self.raises, &self.holds) {
            (Some(raises), None) => Effect::Raise(raises.raises()),
            (None, Some(holds)) => Effect::Hold(holds.raises()),
            (None, None) => Effect::Show,
            (Some(_), Some(_)) => {
                checker.fault(
                    at.line_of("holds"),
                    "expected `raises` or `holds`, not both",
                );
                Effect::Show
            }
        };
        let expects = |wanted: bool| {
            self.examples
                .iter()
                .any(|example| example.expect.matches == Some(wanted))
        };
        if !expects(true) || !expects(false) {
            checker.fault(
                at.line_of("examples"),
                "expected an example with `match: true` and one with `match: false`",
            );
        }
        for example in &self.examples {
            for fault in example.faults(against.catalogue) {
                checker.fault(
                    at.line_with(&example.name),
                    format_args!("example `{}`: {fault}", example.name),
                );
            }
        }
        let (in_force, profile) = in_force.zip(profile).filter(|_| checker.sound)?;
        let rule = Rule {
            id: self.id.0.clone(),
            version: self.version,
            title: self.title.trim().to_owned(),
            explanation: self.explanation.trim().to_owned(),
            purpose: self.purpose.0,
            legal_basis: self.legal_basis.clone(),
            sources: Sources {
                domains: BTreeSet::new(),
                kinds,
            },
            condition,
            effect,
            muted_by: MutedBy {
                threshold: self.muted_by.contains(&MuteFile::Threshold),
                repeat: self.muted_by.contains(&MuteFile::Repeat),
                known_client: self.muted_by.contains(&MuteFile::KnownClient),
                unless_risen: self.muted_by.contains(&MuteFile::UnlessRisen),
            },
            cooldown: self.cooldown.as_ref().map(|cooldown| Cooldown {
                days: cooldown.days,
                from: match cooldown.from {
                    CooldownFromFile::Raising => CooldownFrom::Raising,
                    CooldownFromFile::Result => CooldownFrom::Result,
                },
                outcomes: cooldown
                    .after_outcomes
                    .iter()
                    .map(|outcome| outcome.0)
                    .collect(),
            }),
            not_older_than_days: self.not_older_than_days,
            retention_days: self.retention_days,
            in_force,
            active_from: None,
        };
        Some(Checked { rule, profile })
    }
}

impl RaisesFile {
    const fn raises(&self) -> Raises {
        Raises {
            urgency: self.urgency.0,
            deadline: match self.deadline {
                DeadlineFile::WorkingDays(n) => Deadline::Term(Term::WorkingDays(n)),
                DeadlineFile::CalendarDays(n) => Deadline::Term(Term::CalendarDays(n)),
                DeadlineFile::SupplyEnd {
                    working_days,
                    before_end_working_days,
                } => Deadline::SupplyEnd {
                    working_days,
                    before_end_working_days,
                },
            },
            ladder: Ladder {
                starts_at: self.ladder.starts_at,
                step_up: self.ladder.step_up,
            },
        }
    }
}
