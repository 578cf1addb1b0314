//! What the safety desk does: judge what was reported, and let contact begin again (I10, K11).

use uuid::Uuid;
use voorveld_domain::{Purpose, Role, SignalId};
use voorveld_store::audit::About;
use voorveld_store::holds::{DeskHold, DeskList, Lift, MarkerJudgement, UnplacedMarker};
use voorveld_store::tasks::Task;
use voorveld_store::users::User;

use super::{Desk, Opened, OpeningReason, UNDO_WINDOW};
use crate::error::TaskError;

/// Why a hold is lifted: a choice, for the same reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LiftReason {
    HandedOver,
    NoUnsafety,
    Mistaken,
    ObjectionGone,
    SafeAgain,
}

impl LiftReason {
    pub const ALL: &'static [Self] = &[
        Self::HandedOver,
        Self::NoUnsafety,
        Self::Mistaken,
        Self::ObjectionGone,
        Self::SafeAgain,
    ];

    pub const fn code(self) -> &'static str {
        match self {
            Self::HandedOver => "handed_over",
            Self::NoUnsafety => "no_unsafety",
            Self::Mistaken => "mistaken",
            Self::ObjectionGone => "objection_gone",
            Self::SafeAgain => "safe_again",
        }
    }

    pub const fn label(self) -> &'static str {
        match self {
            Self::HandedOver => "Veilig Thuis is ingelicht en contact kan weer",
            Self::NoUnsafety => "Beoordeeld: geen acute of structurele onveiligheid",
            Self::Mistaken => "Ten onrechte gemeld",
            Self::ObjectionGone => "Bezwaar ingetrokken of afgewezen",
            Self::SafeAgain => "Het is weer veilig om langs te gaan",
        }
    }

    fn parse(raw: &str) -> Result<Self, TaskError> {
        Self::ALL
            .iter()
            .copied()
            .find(|known| known.code() == raw)
            .ok_or(TaskError::Invalid {
                field: "reason",
                expected: "Kies waarom contact weer mag.",
            })
    }
}

/// What the desk thinks of a marker without a household: a choice, for the same reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JudgedMarker {
    HandedOver,
    NoUnsafety,
    Mistaken,
    Elsewhere,
}

impl JudgedMarker {
    pub const ALL: &'static [Self] = &[
        Self::HandedOver,
        Self::NoUnsafety,
        Self::Mistaken,
        Self::Elsewhere,
    ];

    pub const fn code(self) -> &'static str {
        match self {
            Self::HandedOver => "handed_over",
            Self::NoUnsafety => "no_unsafety",
            Self::Mistaken => "mistaken",
            Self::Elsewhere => "elsewhere",
        }
    }

    pub const fn label(self) -> &'static str {
        match self {
            Self::HandedOver => "Veilig Thuis is ingelicht",
            Self::NoUnsafety => "Beoordeeld: geen acute of structurele onveiligheid",
            Self::Mistaken => "Ten onrechte gemeld",
            Self::Elsewhere => "Woont niet in deze gemeente; de melder weet dat",
        }
    }

    fn parse(raw: &str) -> Result<Self, TaskError> {
        Self::ALL
            .iter()
            .copied()
            .find(|known| known.code() == raw)
            .ok_or(TaskError::Invalid {
                field: "reason",
                expected: "Kies wat u hebt besloten.",
            })
    }
}

/// What the safety desk sees.
pub(crate) struct SafetyDesk {
    pub tasks: DeskList<Task>,
    pub holds: DeskList<DeskHold>,
    pub markers: DeskList<UnplacedMarker>,
}

impl Desk {
    /// Everything on the safety desk.
    pub async fn safety_desk(&self, user: &User) -> Result<SafetyDesk, TaskError> {
        refuse_unless_desk(user)?;
        let municipality = user.municipality;
        // First what is sent back when a hold is lifted: a marker that comes in while the rest is read was then not seen.
        let holds = self.store.desk_holds(municipality).await?;
        Ok(SafetyDesk {
            tasks: self
                .store
                .safety_tasks(municipality, self.since(UNDO_WINDOW))
                .await?,
            holds,
            markers: self
                .store
                .unplaced_markers(municipality, &self.marker_kinds())
                .await?,
        })
    }

    /// The kinds of signal that mark unsafety.
    fn marker_kinds(&self) -> Vec<String> {
        self.policy()
            .catalogue()
            .iter()
            .filter(|kind| kind.domain.as_str() == Purpose::Safety.code())
            .map(|kind| kind.id.to_string())
            .collect()
    }

    /// Opens whom a marker without a household names: the desk acts on it all the same (K11).
    pub async fn open_marker(
        &self,
        user: &User,
        signal: SignalId,
        reason: OpeningReason,
    ) -> Result<Opened, TaskError> {
        refuse_unless_desk(user)?;
        reason.refuse_unless_of(OpeningReason::FOR_THE_DESK)?;
        let mut tx = self.store.begin("open a marker").await?;
        let marker = tx
            .unplaced_marker(user.municipality, &self.marker_kinds(), signal)
            .await?
            .ok_or(TaskError::NotFound)?;
        self.open_logged(
            user,
            tx,
            &[(signal, marker.revision)],
            About::default(),
            reason,
        )
        .await
    }

    /// Says that a marker without a household was judged: it leaves the desk's list. In the queue of operations it stays, for should it
    /// find its household yet, that household must be held (I10); from now on operations may also discard it.
    pub async fn judge_marker(
        &self,
        user: &User,
        signal: SignalId,
        revision: i32,
        reason: &str,
    ) -> Result<(), TaskError> {
        refuse_unless_desk(user)?;
        let reason = JudgedMarker::parse(reason)?;
        let judgement = MarkerJudgement {
            signal,
            revision,
            by: user.id,
            why: reason.code(),
            at: self.clock.now(),
        };
        let mut tx = self.store.begin("judge a marker").await?;
        if !tx
            .judge_marker(user.municipality, &self.marker_kinds(), &judgement)
            .await?
        {
            self.metrics.conflicts.inc();
            return Err(TaskError::MarkerChanged);
        }
        let audit = self.audit(
            user,
            "marker.judged",
            "signal",
            signal.to_string(),
            About::default(),
            reason.code().to_owned(),
        );
        tx.record_audit(&[audit]).await?;
        tx.commit().await?;
        self.metrics
            .changes
            .with_label_values(&["marker_judged"])
            .inc();
        Ok(())
    }

    /// Lifts a hold, if every marker behind it was `seen` ([`DeskHold::seen`]); its household is judged again.
    pub async fn lift_hold(
        &self,
        user: &User,
        hold: Uuid,
        seen: &str,
        reason: &str,
    ) -> Result<(), TaskError> {
        refuse_unless_desk(user)?;
        let reason = LiftReason::parse(reason)?;
        let now = self.clock.now();
        let mut tx = self.store.begin("lift a hold").await?;
        let lift = tx
            .lift_hold(user.municipality, hold, seen, user.id, reason.code(), now)
            .await?;
        let Lift::Lifted(household) = lift else {
            self.metrics.conflicts.inc();
            return Err(TaskError::HoldChanged);
        };
        let audit = self.audit(
            user,
            "hold.lifted",
            "household",
            household.to_string(),
            About {
                household: Some(household),
                ..About::default()
            },
            format!("{}; hold {hold}", reason.code()),
        );
        tx.record_audit(&[audit]).await?;
        self.wake(&mut tx, &[household], "hold_lifted").await?;
        tx.commit().await?;
        self.metrics
            .changes
            .with_label_values(&["hold_lifted"])
            .inc();
        Ok(())
    }
}

fn refuse_unless_desk(user: &User) -> Result<(), TaskError> {
    if user.has_role(Role::SafetyDesk) {
        Ok(())
    } else {
        Err(TaskError::NotFound)
    }
}
