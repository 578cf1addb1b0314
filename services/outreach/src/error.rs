//! Why something cannot be done with a task, for the page and for the API.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use voorveld_accounts::Notice;
use voorveld_chassis::{Problem, ProblemDetail, ProblemType};
use voorveld_store::StoreError;

/// Why a task was not shown or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    /// There is no such task, or it is not this colleague's to see.
    #[error("no such task")]
    NotFound,
    /// K11: no outreach at this household now.
    #[error("the household is held")]
    Held,
    /// Somebody or something was first: the task is no longer what the colleague saw.
    #[error("the task has changed")]
    Changed,
    /// The hold is gone, or a marker came that the desk has not seen (I10).
    #[error("the hold has changed")]
    HoldChanged,
    /// The marker was judged, corrected, withdrawn or placed meanwhile.
    #[error("the marker has changed")]
    MarkerChanged,
    /// The same stands already.
    #[error("it is registered already")]
    AlreadyRegistered,
    /// It was revoked, or ran out, meanwhile.
    #[error("the registration stands no more")]
    RegistrationChanged,
    /// The person objected: nobody opens who it is.
    #[error("the person objected")]
    Objected,
    /// Another colleague has the task.
    #[error("somebody else has the task")]
    NotYours,
    /// The task is not in the state for this.
    #[error("the task is not in the state for this")]
    NotNow,
    /// Longer ago than the undo window.
    #[error("too late to undo")]
    TooLate,
    /// A new task for the same purpose was raised meanwhile (I8).
    #[error("a new task was raised meanwhile")]
    Succeeded,
    /// A value is not on its list, or a date cannot be.
    #[error("{field} is not what was expected")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What was expected, in Dutch.
        expected: &'static str,
    },
    /// None of the envelopes opens.
    #[error("no envelope of this person opens")]
    Sealed,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TaskError {
    /// Whether the task's page is still the best answer, with the reason on top of it.
    pub fn is_told_on_the_page(&self) -> bool {
        !matches!(self, Self::NotFound | Self::Store(_))
    }

    /// What a colleague reads.
    pub fn words(&self) -> &'static str {
        match self {
            Self::NotFound => "Deze taak is er niet, of hoort niet bij uw team.",
            Self::Held => {
                "Nu geen contact met dit huishouden. Doe niets totdat dit bericht weg is."
            }
            Self::Changed => {
                "Deze taak is intussen veranderd. Kijk wat er nu staat en probeer het daarna opnieuw."
            }
            Self::HoldChanged => {
                "Er is intussen iets veranderd bij dit huishouden, bijvoorbeeld een nieuwe melding. Kijk eerst wat er nu staat."
            }
            Self::MarkerChanged => {
                "Deze melding is intussen veranderd of al beoordeeld. Kijk wat er nu staat."
            }
            Self::AlreadyRegistered => "Dit is al vastgelegd.",
            Self::RegistrationChanged => "Deze registratie geldt niet meer. Kijk wat er nu staat.",
            Self::Objected => {
                "Voor deze persoon is bezwaar vastgelegd, of de signalen tellen niet meer mee. De gegevens blijven dicht."
            }
            Self::NotYours => "Een collega heeft deze taak. Overleg met die collega.",
            Self::NotNow => "Dit kan nu niet met deze taak. Kijk wat er nu staat.",
            Self::TooLate => "Ongedaan maken kan tot 10 minuten erna. Die tijd is voorbij.",
            Self::Succeeded => {
                "Er is intussen een nieuwe taak voor dit huishouden. Ga daarmee verder; deze taak blijft afgerond."
            }
            Self::Invalid { expected, .. } => expected,
            Self::Sealed => {
                "De gegevens van deze persoon zijn niet te openen. Vraag de beheerder om hulp."
            }
            Self::Store(_) => "Er ging iets mis aan onze kant. Probeer het later opnieuw.",
        }
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.problem_type().status()
    }

    fn problem_type(&self) -> ProblemType {
        match self {
            Self::NotFound => ProblemType::NotFound,
            Self::Invalid { .. } => ProblemType::InvalidRequest,
            Self::Store(error) if error.is_transient() => ProblemType::Unavailable,
            Self::Store(_) | Self::Sealed => ProblemType::Internal,
            Self::Held
            | Self::Changed
            | Self::HoldChanged
            | Self::MarkerChanged
            | Self::AlreadyRegistered
            | Self::RegistrationChanged
            | Self::Objected
            | Self::NotYours
            | Self::NotNow
            | Self::TooLate
            | Self::Succeeded => ProblemType::Conflict,
        }
    }

    /// The answer of a page that has no task to show.
    pub fn into_page(self) -> Response {
        match self {
            Self::NotFound => Notice::not_found().into_response(),
            Self::Store(error) if error.is_transient() => {
                tracing::warn!(%error, "the database does not answer");
                Notice::unavailable().into_response()
            }
            Self::Store(error) => Notice::internal(anyhow::Error::from(error)).into_response(),
            other => Notice::new(other.status(), "Dit kan nu niet", other.words()).into_response(),
        }
    }
}

/// A refusal code for programs, beside the words for people.
fn code(error: &TaskError) -> &'static str {
    match error {
        TaskError::Held => "held",
        TaskError::Changed
        | TaskError::HoldChanged
        | TaskError::MarkerChanged
        | TaskError::RegistrationChanged => "changed",
        TaskError::AlreadyRegistered => "already_registered",
        TaskError::Objected => "objected",
        TaskError::NotYours => "not_yours",
        TaskError::NotNow => "not_now",
        TaskError::TooLate => "too_late",
        TaskError::Succeeded => "succeeded",
        TaskError::Invalid { .. } => "invalid",
        TaskError::NotFound | TaskError::Sealed | TaskError::Store(_) => "failed",
    }
}

impl From<TaskError> for Problem {
    fn from(error: TaskError) -> Self {
        let kind = error.problem_type();
        let words = error.words();
        match error {
            TaskError::Store(error) if kind == ProblemType::Internal => {
                Self::internal(anyhow::Error::from(error))
            }
            TaskError::Store(_) => Self::new(kind).retry_after(std::time::Duration::from_secs(5)),
            TaskError::NotFound | TaskError::Sealed => Self::new(kind).detail(words),
            TaskError::Invalid { field, expected } => Self::new(kind)
                .detail("Een veld klopt niet.")
                .error(ProblemDetail::new("invalid", expected).at(format!("/{field}"))),
            other => Self::new(kind)
                .detail(words)
                .error(ProblemDetail::new(code(&other), words)),
        }
    }
}
