//! What people register: that somebody objects, is known to debt help, or is not to be approached; and taking that back.

use jiff::civil::Date;
use uuid::Uuid;
use voorveld_domain::{
    DebtorId, FileCode, HouseholdId, Purpose, RegistrationReason, RevocationReason, Role, TaskId,
};
use voorveld_store::Tx;
use voorveld_store::audit::{self, actor_of};
use voorveld_store::registrations::{
    NewRegistration, REGISTRATIONS_PAGE, Registered, Registration, Revoked,
};
use voorveld_store::users::User;

use super::{Desk, UNDO_WINDOW, persons, refuse_if_held};
use crate::error::TaskError;

/// Whom a registration is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// Everybody in the household.
    Household,
    /// The person with this key in a task's evidence.
    Person(Uuid),
    /// The person whom the signal names by which it is found.
    Named,
}

/// What a form or a program says.
#[derive(Debug, Clone)]
pub(crate) struct NewRegistrationForm {
    /// Made by who fills in the form: sending it twice writes it once.
    pub id: Uuid,
    pub about: About,
    pub reason: RegistrationReason,
    pub file_code: Option<FileCode>,
    /// Today, when absent.
    pub since: Option<Date>,
    pub until: Option<Date>,
}

impl NewRegistrationForm {
    /// Reads what was sent; an empty text is an absent one.
    pub fn parse(
        id: Option<Uuid>,
        about: About,
        reason: &str,
        file_code: &str,
        since: &str,
        until: &str,
    ) -> Result<Self, TaskError> {
        let day = |field, raw: &str| {
            let raw = raw.trim();
            (!raw.is_empty())
                .then(|| {
                    raw.parse::<Date>().map_err(|_| TaskError::Invalid {
                        field,
                        expected: "Vul een datum in, bijvoorbeeld 2026-01-31.",
                    })
                })
                .transpose()
        };
        let file_code = file_code.trim();
        let file_code = (!file_code.is_empty())
            .then(|| {
                file_code.parse().map_err(|_| TaskError::Invalid {
                    field: "fileCode",
                    expected: "Vul een dossiernummer in van letters, cijfers, streepjes, punten of schuine strepen. Geen naam en geen BSN.",
                })
            })
            .transpose()?;
        Ok(Self {
            id: id.unwrap_or_else(Uuid::new_v4),
            about,
            reason: reason.parse().map_err(|_| TaskError::Invalid {
                field: "reason",
                expected: "Kies wat u wilt vastleggen.",
            })?,
            file_code,
            since: day("since", since)?,
            until: day("until", until)?,
        })
    }

    fn check(&self, today: Date) -> Result<Date, TaskError> {
        let invalid = |field, expected| Err(TaskError::Invalid { field, expected });
        let since = self.since.unwrap_or(today);
        if today < since {
            return invalid("since", "Vul een datum in van vandaag of eerder.");
        }
        match self.until {
            Some(_) if !self.reason.may_end() => invalid(
                "until",
                "Hier hoort geen einddatum bij: het geldt totdat iemand het intrekt.",
            ),
            Some(until) if until < today => {
                invalid("until", "Vul een einddatum in van vandaag of later.")
            }
            _ if self.reason.is_hold() && self.about != About::Household => invalid(
                "about",
                "Dit geldt voor het hele huishouden. Kies “Het hele huishouden”.",
            ),
            _ => Ok(since),
        }
    }
}

/// A page of the list.
pub(crate) struct RegistrationList {
    pub rows: Vec<Registration>,
    pub more: bool,
}

impl Desk {
    /// Registers something at a task that this colleague may see; refused under a hold (K11), and at the safety desk's own tasks (K1).
    pub async fn register_at_task(
        &self,
        user: &User,
        id: TaskId,
        new: &NewRegistrationForm,
    ) -> Result<(), TaskError> {
        let since = new.check(self.clock.today())?;
        let (mut tx, task) = self.lock(user, id).await?;
        if task.purpose == Purpose::Safety {
            return Err(TaskError::NotNow);
        }
        refuse_if_held(&task)?;
        let debtor = match new.about {
            About::Household => None,
            About::Named => return Err(Self::nobody()),
            About::Person(key) => {
                let file = tx
                    .task_file(user.municipality, id)
                    .await?
                    .ok_or(TaskError::NotFound)?;
                let known = persons(&file.signals)
                    .into_iter()
                    .any(|person| person.known && person.key == key);
                if !known {
                    return Err(Self::nobody());
                }
                Some(DebtorId::from_uuid(key))
            }
        };
        let touched = self
            .write_down(&mut tx, user, task.household, debtor, new, since, Some(id))
            .await?;
        if !new.reason.is_hold() && touched {
            tx.tell_registered(id, new.reason.kind(), user.id, self.clock.now())
                .await?;
        }
        tx.commit().await?;
        self.metrics
            .changes
            .with_label_values(&["registered"])
            .inc();
        Ok(())
    }

    /// Registers something about whom an id names, a task's, a signal's or a household's: for the privacy officer, who has no tasks.
    pub async fn register(
        &self,
        user: &User,
        subject: Uuid,
        new: &NewRegistrationForm,
    ) -> Result<(), TaskError> {
        refuse_unless_officer(user)?;
        let since = new.check(self.clock.today())?;
        let subject = self
            .store
            .subject(user.municipality, subject)
            .await?
            .ok_or(TaskError::Invalid {
                field: "subject",
                expected: "Vul het nummer in van een taak, een signaal of een huishouden van uw gemeente.",
            })?;
        let debtor = match new.about {
            About::Household => None,
            About::Named => Some(subject.debtor.ok_or_else(Self::nobody)?),
            About::Person(_) => return Err(Self::nobody()),
        };
        let mut tx = self.store.begin("register").await?;
        tx.lock_tasks_of(subject.household).await?;
        self.write_down(
            &mut tx,
            user,
            subject.household,
            debtor,
            new,
            since,
            subject.task,
        )
        .await?;
        tx.commit().await?;
        self.metrics
            .changes
            .with_label_values(&["registered"])
            .inc();
        Ok(())
    }

    const fn nobody() -> TaskError {
        TaskError::Invalid {
            field: "about",
            expected: "Kies voor wie het geldt: het hele huishouden, of een bekende persoon.",
        }
    }

    /// Writes it down with its line in the audit log, and wakes whom it touches. False: the same was sent before.
    #[expect(
        clippy::too_many_arguments,
        reason = "one act, called from two doors with what each has at hand"
    )]
    async fn write_down(
        &self,
        tx: &mut Tx,
        user: &User,
        household: HouseholdId,
        debtor: Option<DebtorId>,
        new: &NewRegistrationForm,
        since: Date,
        task: Option<TaskId>,
    ) -> Result<bool, TaskError> {
        let registered = tx
            .register(&NewRegistration {
                id: new.id,
                municipality: user.municipality,
                household,
                debtor,
                reason: new.reason,
                file_code: new.file_code.clone(),
                since,
                until: new.until,
                by: actor_of(user.id),
                at: self.clock.now(),
            })
            .await?;
        let touched = match registered {
            Registered::New(touched) => touched,
            Registered::Already => {
                let same = tx.registration(user.municipality, new.id).await?;
                let same = same.is_some_and(|known| {
                    known.revoked.is_none()
                        && (known.household, known.debtor, known.reason)
                            == (household, debtor, new.reason)
                });
                return if same {
                    Ok(false)
                } else {
                    self.metrics.conflicts.inc();
                    Err(TaskError::AlreadyRegistered)
                };
            }
        };
        let about = audit::About {
            task,
            household: Some(household),
        };
        let why = format!("{}: {}", new.reason.kind(), new.reason);
        let event = self.audit(
            user,
            "registration.added",
            "registration",
            new.id.to_string(),
            about,
            why,
        );
        tx.record_audit(&[event]).await?;
        self.wake(tx, &touched, "registration").await?;
        Ok(true)
    }

    /// What was registered in the municipality, newest first; `page` from 0. Without what holds a household: why one is held is the safety desk's to
    /// know (K11).
    pub async fn registrations(
        &self,
        user: &User,
        only_standing: bool,
        page: i64,
    ) -> Result<RegistrationList, TaskError> {
        refuse_unless_officer(user)?;
        let today = only_standing.then(|| self.clock.today());
        let mut rows = self
            .store
            .registrations(user.municipality, today, page)
            .await?;
        let shown = usize::try_from(REGISTRATIONS_PAGE).expect("a page is small");
        let more = shown < rows.len();
        rows.truncate(shown);
        rows.retain(|row| !row.reason.is_hold());
        Ok(RegistrationList { rows, more })
    }

    /// Revokes a registration: the privacy officer any, a colleague what they wrote down by mistake within [`UNDO_WINDOW`].
    pub async fn revoke(&self, user: &User, id: Uuid, reason: &str) -> Result<(), TaskError> {
        let why: RevocationReason = reason.parse().map_err(|_| TaskError::Invalid {
            field: "reason",
            expected: "Kies waarom u dit intrekt.",
        })?;
        let mut tx = self.store.begin("revoke a registration").await?;
        let registration = tx
            .registration(user.municipality, id)
            .await?
            .filter(|known| !known.reason.is_hold())
            .ok_or(TaskError::NotFound)?;
        let is_own = registration.recorded_by == actor_of(user.id);
        if !is_own && !user.has_role(Role::PrivacyOfficer) {
            return Err(TaskError::NotFound);
        }
        if registration.revoked.is_some() {
            self.metrics.conflicts.inc();
            return Err(TaskError::RegistrationChanged);
        }
        if !self.may_revoke(user, &registration) {
            return Err(TaskError::TooLate);
        }
        let revoked = tx
            .revoke_registration(
                user.municipality,
                id,
                &actor_of(user.id),
                why,
                self.clock.now(),
            )
            .await?;
        let Revoked::Done(registration, touched) = revoked else {
            self.metrics.conflicts.inc();
            return Err(TaskError::RegistrationChanged);
        };
        let about = audit::About {
            task: None,
            household: Some(registration.household),
        };
        let event = self.audit(
            user,
            "registration.revoked",
            "registration",
            id.to_string(),
            about,
            why.code().to_owned(),
        );
        tx.record_audit(&[event]).await?;
        self.wake(&mut tx, &touched, "registration_revoked").await?;
        tx.commit().await?;
        self.metrics.changes.with_label_values(&["revoked"]).inc();
        Ok(())
    }

    /// Whether this colleague can revoke it now.
    pub fn may_revoke(&self, user: &User, registration: &Registration) -> bool {
        registration.revoked.is_none()
            && !registration.reason.is_hold()
            && (user.has_role(Role::PrivacyOfficer)
                || (registration.recorded_by == actor_of(user.id)
                    && self.since(UNDO_WINDOW) <= registration.recorded_at))
    }
}

fn refuse_unless_officer(user: &User) -> Result<(), TaskError> {
    if user.has_role(Role::PrivacyOfficer) {
        Ok(())
    } else {
        Err(TaskError::NotFound)
    }
}
