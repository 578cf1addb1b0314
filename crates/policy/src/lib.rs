//! What a municipality decides, read from its files: signal kinds, profiles, legal grounds, rules, routing, settings and the calendar.
//!
//! The files are checked whole: every mistake of every file is told at once, each with its place and what was expected. A [`Policy`]
//! that exists is right: kinds have a ground, rules are covered by theirs (I7), every task has a team. The shipped files are built
//! into the program; a directory of the municipality's own replaces what it holds.

mod bundle;
mod calendar;
mod catalogue;
mod check;
mod condition;
mod current;
mod denied;
mod diff;
mod error;
mod examples;
mod form;
mod intake;
mod legal;
mod profiles;
mod routing;
mod rules;
mod schema;
mod settings;
mod source;
mod tree;
mod unfed;
mod words;
mod yaml;

use std::collections::BTreeMap;
use std::path::Path;

pub use bundle::Bundle;
pub use catalogue::{
    AgeLimits, AmountUse, CodeEntry, Field, FieldFault, FieldShape, SUPPLY_ENDS_ON,
    SignalCatalogue, SignalKind, Unit,
};
pub use check::{
    CheckReport, ExampleReport, RuleReport, SCHOOL_TABLE_WARNING_DAYS, Warning, check, warnings,
};
pub use current::Current;
pub use denied::{Denied, DeniedAttribute};
pub use diff::{Change, FileDiff, PolicyDiff, RuleDiff, diff};
pub use error::{PolicyError, PolicyErrors};
pub use intake::{Admitted, Claim, IntakeRefusal};
pub use legal::{Certainty, Cover, LegalGround, LegalGrounds};
pub use profiles::{Profile, ProfileState, Profiles};
pub use routing::{Area, Routing, Team};
pub use schema::rule_schema;
pub use settings::{NoContact, Settings};
pub use unfed::unfed;
use voorveld_calendar::Calendar;
/// What a field of a signal holds, as [`Field::parse`] reads it.
pub use voorveld_detect::FieldValue;
use voorveld_detect::explain::Words;
use voorveld_detect::{Rule, RuleSet};

use crate::rules::{Against, RuleExamples, Rules};
use crate::source::Files;

/// Everything a municipality decides, checked.
#[derive(Debug, Clone)]
pub struct Policy {
    catalogue: SignalCatalogue,
    denied: Denied,
    profiles: Profiles,
    grounds: LegalGrounds,
    routing: Routing,
    calendar: Calendar,
    settings: Settings,
    rules: RuleSet,
    rules_as_if_on: BTreeMap<String, RuleSet>,
    examples: Vec<RuleExamples>,
    canonical_rules: String,
    bundle: Bundle,
}

impl Policy {
    /// What the program was built with.
    #[must_use]
    pub fn shipped() -> Self {
        Self::of_files(&Files::shipped(), PolicyErrors::default())
            .expect("the shipped files are checked by a test")
    }

    /// A directory's files in place of the shipped ones: `signals.yaml`, `profiles.yaml`, `legal.yaml`, `settings.yaml`, `calendar.yaml`,
    /// `routing.yaml`, each by itself, and `rules/` as a whole. A `denied.yaml` adds to the shipped one.
    pub fn load(directory: &Path) -> Result<Self, PolicyErrors> {
        let mut errors = PolicyErrors::default();
        let files = Files::of_directory(directory, &mut errors);
        Self::of_files(&files, errors)
    }

    /// What was published, read by the same checks (M3: a task keeps the version that raised it).
    pub fn of_bundle(bundle: &Bundle) -> Result<Self, PolicyErrors> {
        Self::of_files(bundle.as_files(), PolicyErrors::default())
    }

    fn of_files(files: &Files, mut errors: PolicyErrors) -> Result<Self, PolicyErrors> {
        // What leans on a broken file is looked at for its form alone: one mistake is told once.
        let profiles = Profiles::read(files.text("profiles.yaml"), &mut errors);
        let sound_profiles = errors.is_empty().then_some(&profiles);
        let (grounds, ground_files) =
            LegalGrounds::read(files.text("legal.yaml"), sound_profiles, &mut errors);
        let sound_grounds = errors.is_empty().then_some(&grounds);
        let denied = Denied::read(
            source::shipped_text("denied.yaml"),
            files.text("denied.yaml"),
            &mut errors,
        );
        let catalogue = SignalCatalogue::read(
            files.text("signals.yaml"),
            sound_grounds,
            &denied,
            &mut errors,
        );
        if errors.is_empty() {
            let is_known = |kind: &_| catalogue.get(kind).is_some();
            LegalGrounds::check_kinds(&ground_files, is_known, &mut errors);
        }
        let is_sound = errors.is_empty();
        let calendar = calendar::read(
            files.text("calendar.yaml"),
            source::shipped_text("calendar.yaml"),
            &mut errors,
        );
        let settings = Settings::read(files.text("settings.yaml"), &mut errors);
        let routing = Routing::read(files.text("routing.yaml"), &mut errors);
        let against = settings
            .as_ref()
            .filter(|_| is_sound)
            .map(|settings| Against {
                catalogue: &catalogue,
                profiles: &profiles,
                grounds: &grounds,
                settings,
                calendar: &calendar,
            });
        let rules = Rules::read(files.rules(), &denied, against.as_ref(), &mut errors);
        let (Some(settings), Some(routing)) = (settings, routing) else {
            return errors.unless_empty(None);
        };
        if let Some(rules) = &rules {
            let raising = rules
                .set
                .rules()
                .iter()
                .filter(|rule| rule.raises().is_some());
            routing.check_purposes(&raising.map(|rule| rule.purpose).collect(), &mut errors);
        }
        let policy = rules.map(|rules| Self {
            catalogue,
            denied,
            profiles,
            grounds,
            routing,
            calendar,
            settings,
            rules: rules.set,
            rules_as_if_on: rules.as_if_on,
            examples: rules.examples,
            canonical_rules: rules.canonical,
            bundle: Bundle::of(files.clone()),
        });
        errors.unless_empty(policy)
    }

    /// The kinds of signal.
    #[must_use]
    pub const fn catalogue(&self) -> &SignalCatalogue {
        &self.catalogue
    }

    /// What nothing here may use.
    #[must_use]
    pub const fn denied(&self) -> &Denied {
        &self.denied
    }

    /// What is switched on.
    #[must_use]
    pub const fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// The legal grounds.
    #[must_use]
    pub const fn grounds(&self) -> &LegalGrounds {
        &self.grounds
    }

    /// Which team gets a task.
    #[must_use]
    pub const fn routing(&self) -> &Routing {
        &self.routing
    }

    /// Which days are working days.
    #[must_use]
    pub const fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// What goes for everything together.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }
    /// The rules that judge, with the settings that go for all of them and the hash of it all.
    #[must_use]
    pub const fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// The rules of profiles that are off, each with its profile. They were checked as if it were on, and judge nothing.
    pub fn rules_that_are_off(&self) -> impl Iterator<Item = (&Rule, &Profile)> {
        self.examples.iter().filter_map(|of_rule| {
            let rule = self
                .rules_as_if_on
                .get(&of_rule.profile)?
                .get(&of_rule.rule)?;
            Some((rule, self.profiles.get(&of_rule.profile)?))
        })
    }

    /// The files it was read from.
    #[must_use]
    pub const fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// What the municipality calls its kinds, their fields and the codes these hold: the names in every sentence about a signal.
    #[must_use]
    pub fn words(&self) -> Words {
        let mut words = Words::default();
        for kind in self.catalogue.iter() {
            words.kinds.insert(kind.id.clone(), kind.name.clone());
            for field in &kind.fields {
                words.fields.insert(field.name.clone(), field.label.clone());
                let FieldShape::Code(codes) = &field.shape else {
                    continue;
                };
                for code in codes {
                    let key = (field.name.clone(), code.code.as_str().into());
                    words.codes.insert(key, code.label.clone());
                }
            }
        }
        words
    }

    /// The text whose SHA-256 is the identity of the rule set: what the rules say, whatever the layout of their files.
    #[must_use]
    pub fn canonical_rules(&self) -> &str {
        &self.canonical_rules
    }
}

#[cfg(test)]
mod tests;
