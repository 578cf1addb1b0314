//! The rules (`rules/*.yaml`), one file each: read, checked against the catalogue and the legal grounds (I7), and named by the
//! hash of what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_norway::Value;
use voorveld_calendar::{Calendar, Period, Term};
use voorveld_detect::{
    Cooldown, CooldownFrom, Deadline, Effect, Ladder, MutedBy, Raises, Rule, RuleSet, RuleSetError,
    RuleSetHash, RuleSettings, Sources,
};
use voorveld_domain::{Cents, KindId, Outcome, Purpose, RuleId, SignalDomain, Urgency};

use crate::catalogue::{SignalCatalogue, SignalKind};
use crate::condition::{ConditionFile, Conditions};
use crate::denied::Denied;
use crate::error::PolicyErrors;
use crate::examples::ExampleFile;
use crate::legal::{LegalGround, LegalGrounds};
use crate::profiles::{Profile, Profiles, told};
use crate::schema::rule_schema_value;
use crate::settings::Settings;
use crate::tree::Path;
use crate::words::nearest;
use crate::yaml::{Code, Formed, Parsed, read_formed};

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
        let schema = rule_schema_value();
        for (file, text) in files {
            let Some(item) = read_formed::<RuleFile>(file, text, schema, errors) else {
                continue;
            };
            // Where its form is broken it may not be read as a whole: then it is looked at when that is mended.
            let value: Value = serde_norway::from_str(text).unwrap_or_default();
            for (name, refusal) in denied.in_condition(&value["when"]) {
                errors.push(file, item.tree.line_of_word("when", &name), refusal);
            }
            let Some(Checked { rule, profile }) =
                against.and_then(|against| item.value.check(file, &item, against, errors))
            else {
                continue;
            };
            if let Some(other) = origin.insert(rule.id.clone(), file.to_owned()) {
                errors.push(
                    file,
                    Some(item.line(&["id"])),
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
                    .enumerate()
                    .map(|(index, example)| {
                        (
                            item.line(&["examples", &index.to_string()]),
                            example.clone(),
                        )
                    })
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

/// A rule of Voorveld: when it is true of a household, on which legal ground, and what follows.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "A rule of Voorveld", rename = "rule")]
pub(crate) struct RuleFile {
    /// Its name for ever, such as `debt.multiple`.
    id: Parsed<RuleId>,
    /// Raise it with each change; a published version never changes.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    version: u32,
    /// What it is called on screen, in plain Dutch.
    #[schemars(length(min = 1))]
    title: String,
    /// What it does and what is wanted, in plain Dutch: the neighbourhood team (*wijkteam*) and the resident read it.
    #[schemars(length(min = 1))]
    explanation: String,
    /// What it is for (*doel*). Signals meet only within a purpose.
    purpose: Code<Purpose>,
    /// The ground of legal.yaml (*grondslag*) that covers every kind the rule looks at, for this purpose.
    legal_basis: String,
    /// The profile of its ground (*profiel*); may be said for the reader, and must then be that one.
    profile: Option<String>,
    /// Which signals it looks at: of these domains and of these kinds.
    looks_at: LooksAtFile,
    /// When it is true of a household.
    when: ConditionFile,
    /// A task for a team. Without `raises` and `holds` the match is only shown.
    raises: Option<RaisesFile>,
    /// A hold on all contact with the household, and a task for the safety desk. Only for the purpose `safety`.
    holds: Option<RaisesFile>,
    /// What may keep it from raising a task; the match stays.
    #[serde(default)]
    muted_by: BTreeSet<MuteFile>,
    /// How long it keeps silent after it has raised a task.
    cooldown: Option<CooldownFile>,
    /// With a newest signal older than this many days it raises no task: the match is shown, and joins a task that is open.
    not_older_than_days: Option<u16>,
    /// How many days its matches are kept (*bewaartermijn*).
    #[schemars(range(min = 1))]
    retention_days: u16,
    /// Households on paper: at least one in which the rule is true and one in which it is not. Run with the live code.
    examples: Vec<ExampleFile>,
}

/// Which signals a rule looks at. It sees no others.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "looks_at")]
struct LooksAtFile {
    /// All kinds of these domains of signals.yaml that are received here.
    #[serde(default)]
    domains: Vec<Parsed<SignalDomain>>,
    /// These kinds of signals.yaml.
    #[serde(default)]
    kinds: Vec<Parsed<KindId>>,
}

/// The task that follows.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "raises")]
struct RaisesFile {
    /// How urgent it is (*urgentie*).
    urgency: Code<Urgency>,
    /// By when somebody has seen to it, counted from the first receipt of the signal.
    deadline: DeadlineFile,
    /// Where on the ladder of letter, telephone, visit and card it begins.
    ladder: LadderFile,
}

/// By when: exactly one of these.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
#[schemars(rename = "deadline")]
enum DeadlineFile {
    /// So many working days (*werkdagen*).
    WorkingDays(u16),
    /// So many days; an end that is no working day moves to the next one.
    CalendarDays(u16),
    /// So many working days, but never after so many before the end of supply (*einde levering*); past that it escalates at once.
    SupplyEnd {
        /// So many working days from receipt: 3 by law.
        working_days: u16,
        /// And never after so many working days before supply ends.
        before_end_working_days: u16,
    },
}

/// Where on the ladder of channels (letter, telephone, visit, card through the door) a task begins.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ladder")]
struct LadderFile {
    /// The lowest step it begins on: 1 letter, 2 telephone, 3 visit, 4 card.
    #[schemars(range(min = 1, max = 4))]
    starts_at: u8,
    /// Whether it takes the task one step up, as *opeenvolgend* does.
    #[serde(default)]
    step_up: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "muted_by")]
enum MuteFile {
    /// An amount below the threshold of settings.yaml. Only with `single_in_month`.
    Threshold,
    /// A repeat of what is known: same partner, kind and resident, amount not higher.
    Repeat,
    /// A resident who is a client already.
    KnownClient,
    /// Anything but an amount that rose since somebody saw to the last one.
    UnlessRisen,
}

/// How long a rule keeps silent after it has raised a task. What it suppresses stays visible.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "cooldown")]
struct CooldownFile {
    /// How many days: from day D on it speaks again on D + days.
    days: u16,
    /// From when they count.
    from: CooldownFromFile,
    /// Only after these results (*uitkomsten*); empty: after any. Only with `from: result`.
    #[serde(default)]
    after_outcomes: BTreeSet<Code<Outcome>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "cooldown_from")]
enum CooldownFromFile {
    /// The day the task got this ground.
    Raising,
    /// The day the task was closed with a result.
    Result,
}

/// One rule file while it is checked: notes faults at their places.
struct Checker<'a> {
    at: &'a Formed<RuleFile>,
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
    fn fault(&mut self, path: &[impl AsRef<str>], message: impl fmt::Display) {
        self.sound = false;
        let path: Path = path.iter().map(|step| step.as_ref().to_owned()).collect();
        // What is broken was told already, and what was put in its place is not the municipality's.
        if !self.at.is_broken(&path) {
            let line = self.at.tree.line(&path);
            self.errors.push(self.file, Some(line), message);
        }
    }

    fn is_broken(&self, key: &str) -> bool {
        self.at.is_broken(&[key.to_owned()])
    }

    /// The kinds the rule looks at: those it names, and of the domains it names those that are received here. `None` when they cannot be told.
    fn kinds(&mut self) -> Option<BTreeSet<KindId>> {
        let is_formed = !self.is_broken("looks_at");
        let was_sound = std::mem::replace(&mut self.sound, is_formed);
        let looks_at = &self.at.value.looks_at;
        let catalogue = self.against.catalogue;
        let mut kinds = BTreeSet::new();
        for (index, Parsed(domain)) in looks_at.domains.iter().enumerate() {
            let mut of_domain = catalogue.of_domain(domain).peekable();
            if of_domain.peek().is_none() {
                let known: BTreeSet<&str> =
                    catalogue.iter().map(|kind| kind.domain.as_str()).collect();
                let meant = nearest(domain.as_str(), known);
                self.fault(
                    &["looks_at", "domains", &index.to_string()],
                    format_args!("no kind in signals.yaml is of domain `{domain}`{meant}"),
                );
            }
            kinds.extend(
                of_domain
                    .filter(|kind| self.received_on(kind).is_some())
                    .map(|kind| kind.id.clone()),
            );
        }
        for (index, Parsed(id)) in looks_at.kinds.iter().enumerate() {
            let path = ["looks_at", "kinds", &index.to_string()];
            match catalogue.get(id) {
                None => {
                    let meant = nearest(id.as_str(), catalogue.iter().map(|kind| kind.id.as_str()));
                    self.fault(
                        &path,
                        format_args!("`{id}` is not a kind of signals.yaml{meant}"),
                    );
                }
                Some(kind) if self.received_on(kind).is_none() => {
                    let ground = self.against.grounds.get(&kind.ground);
                    let why = ground.map_or_else(String::new, |ground| self.never_because(ground));
                    self.fault(
                        &path,
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
                &["looks_at"],
                "expected `domains` or `kinds` of which something is received here",
            );
        }
        let is_told = self.sound;
        self.sound &= was_sound;
        is_told.then_some(kinds)
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
    fn legal_cover(
        &mut self,
        ground: &LegalGround,
        kinds: Option<&BTreeSet<KindId>>,
    ) -> Option<Period> {
        let rule = &self.at.value;
        let path = ["legal_basis"];
        let off = self
            .against
            .profiles
            .get(&ground.profile)
            .is_some_and(|profile| profile.days().is_none());
        let days = ground.days(off);
        if days.is_none() {
            let why = self.never_because(ground);
            self.fault(&path, why);
        }
        // Without these it cannot be told, and each of them was told of.
        let (Some(kinds), false) = (
            kinds,
            self.is_broken("purpose") || self.at.is_replaced("when"),
        ) else {
            return days;
        };
        if let Some(days) = days {
            self.same_days(ground, days, kinds);
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
                &path,
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
                    &["legal_basis"],
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

    /// What does not go together, said here at its place; [`RuleSet::new`] refuses it again, without one.
    fn together(&mut self) {
        let rule = &self.at.value;
        if rule.raises.is_some() && rule.holds.is_some() {
            self.fault(&["holds"], "expected `raises` or `holds`, not both");
        }
        if rule.holds.is_some() != (rule.purpose.0 == Purpose::Safety) {
            let key = if rule.holds.is_some() {
                "holds"
            } else {
                "purpose"
            };
            if !self.is_broken("purpose") && !self.is_broken("holds") {
                self.fault(
                    &[key],
                    "a hold and the purpose `safety` belong together (I10)",
                );
            }
        }
        if rule.muted_by.contains(&MuteFile::Threshold)
            && !rule.when.is_single()
            && !self.at.is_replaced("when")
        {
            let path = self.at.tree.item(vec!["muted_by".to_owned()], "threshold");
            self.fault(
                &path,
                "the threshold mutes only a lone signal: expected `single_in_month` under `when` (K5)",
            );
        }
        if let Some(cooldown) = &rule.cooldown
            && cooldown.from == CooldownFromFile::Raising
            && !cooldown.after_outcomes.is_empty()
            && !self.is_broken("cooldown")
        {
            self.fault(
                &["cooldown", "after_outcomes"],
                "a cooldown from the raising knows no result yet: expected no `after_outcomes`, or `from: result`",
            );
        }
    }
}

impl RuleFile {
    fn check<'a>(
        &self,
        file: &str,
        at: &Formed<Self>,
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
            sound: at.is_sound(),
            // Of a ground that does not exist nobody can say that it holds on no day.
            as_if_on: ground.is_none_or(|ground| ground.in_force.is_none()),
        };
        match (ground, &self.profile) {
            (None, _) => {
                let grounds = against.grounds.iter().map(|ground| ground.id.as_str());
                let meant = nearest(&self.legal_basis, grounds);
                checker.fault(
                    &["legal_basis"],
                    format_args!(
                        "`{}` is not a ground of legal.yaml{meant}",
                        self.legal_basis
                    ),
                );
            }
            (Some(ground), Some(said)) if *said != ground.profile => checker.fault(
                &["profile"],
                format_args!(
                    "profile `{said}`, but its ground `{}` ({}) belongs to profile `{}`",
                    ground.id, ground.article, ground.profile
                ),
            ),
            _ => {}
        }
        let told = checker.kinds();
        let in_force = ground.and_then(|ground| checker.legal_cover(ground, told.as_ref()));
        // Where it cannot be told which kinds the rule looks at, only what no kind has is a fault.
        let kinds = told.unwrap_or_else(|| {
            against
                .catalogue
                .iter()
                .map(|kind| kind.id.clone())
                .collect()
        });
        let condition = Conditions {
            kinds: &kinds,
            catalogue: against.catalogue,
            calendar: against.calendar,
            is_off: checker.as_if_on,
            path: vec!["when".to_owned()],
            fault: &mut |path, message| checker.fault(path, message),
        }
        .condition(&self.when);
        checker.together();
        let effect = match (&self.raises, &self.holds) {
            (Some(raises), _) => Effect::Raise(raises.raises()),
            (None, Some(holds)) => Effect::Hold(holds.raises()),
            (None, None) => Effect::Show,
        };
        let expects = |wanted: bool| {
            self.examples
                .iter()
                .any(|example| example.expect.matches == Some(wanted))
        };
        if !expects(true) || !expects(false) {
            checker.fault(
                &["examples"],
                "expected an example with `match: true` and one with `match: false`",
            );
        }
        for (index, example) in self.examples.iter().enumerate() {
            for (within, fault) in example.faults(against.catalogue) {
                let mut path = vec!["examples".to_owned(), index.to_string()];
                path.extend(within);
                checker.fault(&path, format_args!("example `{}`: {fault}", example.name));
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
