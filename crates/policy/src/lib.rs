//! What a municipality decides, read from its files: signal kinds, legal grounds, rules, routing, settings and days off.
//!
//! The files are checked whole: every mistake of every file is told at once, each with its place and what was expected. A [`Policy`]
//! that exists is right: kinds have a ground, rules are covered by theirs (I7), every task has a team. The shipped files are built
//! into the program; a directory of the municipality's own replaces what it holds.

mod catalogue;
mod error;
mod intake;
mod legal;
mod routing;
mod settings;
mod source;
mod yaml;

use std::path::Path;

pub use catalogue::{
    AgeLimits, AmountUse, CodeEntry, Field, FieldFault, FieldShape, SUPPLY_ENDS_ON,
    SignalCatalogue, SignalKind, Unit,
};
pub use error::{PolicyError, PolicyErrors};
pub use intake::{Admitted, Claim, IntakeRefusal};
pub use legal::{Certainty, Cover, LegalGround, LegalGrounds};
pub use routing::{Area, Routing, Team};
pub use settings::Settings;
use voorveld_calendar::Calendar;

use crate::source::Files;

/// Everything a municipality decides, checked.
#[derive(Debug, Clone)]
pub struct Policy {
    catalogue: SignalCatalogue,
    grounds: LegalGrounds,
    routing: Routing,
    calendar: Calendar,
    settings: Settings,
}

impl Policy {
    /// What the program was built with.
    #[must_use]
    pub fn shipped() -> Self {
        Self::of_files(&Files::shipped(), PolicyErrors::default())
            .expect("the shipped files are checked by a test")
    }

    /// A directory's files in place of the shipped ones: `signals.yaml`, `legal.yaml`, `settings.yaml`, `calendar.yaml`,
    /// `routing.yaml`, each by itself, and `rules/` as a whole.
    pub fn load(directory: &Path) -> Result<Self, PolicyErrors> {
        let mut errors = PolicyErrors::default();
        let files = Files::of_directory(directory, &mut errors);
        Self::of_files(&files, errors)
    }

    fn of_files(files: &Files, mut errors: PolicyErrors) -> Result<Self, PolicyErrors> {
        let (grounds, ground_files) = LegalGrounds::read(files.text("legal.yaml"), &mut errors);
        let catalogue = SignalCatalogue::read(files.text("signals.yaml"), &grounds, &mut errors);
        // A kind that could not be read would be called unknown here.
        if errors.is_empty() {
            LegalGrounds::check_kinds(
                &ground_files,
                |kind| catalogue.get(kind).is_some(),
                &mut errors,
            );
        }
        let calendar = settings::read_calendar(files.text("calendar.yaml"), &mut errors);
        let settings = Settings::read(files.text("settings.yaml"), &mut errors);
        let routing = Routing::read(files.text("routing.yaml"), &mut errors);
        let policy = settings.zip(routing).map(|(settings, routing)| Self {
            catalogue,
            grounds,
            routing,
            calendar,
            settings,
        });
        errors.unless_empty(policy)
    }

    /// The kinds of signal.
    #[must_use]
    pub const fn catalogue(&self) -> &SignalCatalogue {
        &self.catalogue
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
}
