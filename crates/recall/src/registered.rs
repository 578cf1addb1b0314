//! What people registered about the households and persons of a batch, as the judgement of a household heeds it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use voorveld_detect::{Exclusions, Objections, Timeline};
use voorveld_domain::{
    DebtorId, HouseholdId, Presence, RegistrationKind, RegistrationReason, Standing,
};
use voorveld_store::registrations::{RecordedRegistration, StandingRegistration};

use crate::retention::Retention;

/// Read in the transaction that judges and dropped with it: never from a cache (K3).
#[derive(Debug, Default)]
pub struct Registered {
    households: BTreeMap<HouseholdId, Vec<Stands>>,
    debtors: BTreeMap<DebtorId, Vec<Stands>>,
}

#[derive(Debug, Clone, Copy)]
struct Stands {
    reason: RegistrationReason,
    until: Option<Date>,
}

/// What one household's judgement heeds on a day.
#[derive(Debug, Default)]
pub struct Heeded {
    /// Whose signals do not count.
    pub objections: Objections,
    /// About whom nothing is raised, and why.
    pub excluded: Exclusions,
    /// A resident is a client already.
    pub known_client: bool,
    /// The first day on which one of these stands no more.
    pub changes_on: Option<Date>,
}

impl FromIterator<StandingRegistration> for Registered {
    fn from_iter<I: IntoIterator<Item = StandingRegistration>>(rows: I) -> Self {
        let mut registered = Self::default();
        for row in rows {
            let standing = Stands {
                reason: row.reason,
                until: row.until,
            };
            let place = match row.debtor {
                Some(debtor) => registered.debtors.entry(debtor).or_default(),
                None => registered.households.entry(row.household).or_default(),
            };
            place.push(standing);
        }
        registered
    }
}

/// Everything that was ever registered and is kept, each with when it stood: for a replay.
#[derive(Debug, Default)]
pub struct Recorded {
    households: BTreeMap<HouseholdId, Vec<RecordedRegistration>>,
    debtors: BTreeMap<DebtorId, Vec<RecordedRegistration>>,
}

impl FromIterator<RecordedRegistration> for Recorded {
    fn from_iter<I: IntoIterator<Item = RecordedRegistration>>(rows: I) -> Self {
        let mut recorded = Self::default();
        for row in rows {
            let place = if let Some(debtor) = row.standing.debtor {
                recorded.debtors.entry(debtor).or_default()
            } else {
                let household = row.standing.household;
                recorded.households.entry(household).or_default()
            };
            place.push(row);
        }
        recorded
    }
}

impl Recorded {
    /// What stood about a household and whom its signals name, of all that was registered.
    #[must_use]
    pub fn standing(
        &self,
        household: HouseholdId,
        named: impl Iterator<Item = DebtorId>,
        stood: impl Fn(&RecordedRegistration) -> bool,
    ) -> Arc<Registered> {
        if self.households.is_empty() && self.debtors.is_empty() {
            return Arc::default();
        }
        let debtors: BTreeSet<DebtorId> = named.collect();
        let of_household = self.households.get(&household).into_iter().flatten();
        let of_debtors = debtors
            .iter()
            .filter_map(|debtor| self.debtors.get(debtor))
            .flatten();
        let standing = of_household.chain(of_debtors).filter(|one| stood(one));
        Arc::new(standing.map(|one| one.standing).collect())
    }
}

impl Registered {
    /// What stands about this household and about whom its signals name. What a person registered goes with the person: a signal that has moved
    /// away brings nothing.
    #[must_use]
    pub fn about(&self, household: HouseholdId, timeline: &Timeline, as_of: Date) -> Heeded {
        let mut heeded = Heeded::default();
        for standing in self.households.get(&household).into_iter().flatten() {
            heeded.heed(None, *standing, as_of);
        }
        if self.debtors.is_empty() {
            return heeded;
        }
        for signal in timeline.signals() {
            let here = signal.presence == Presence::LivesHere;
            let Some(debtor) = signal.debtor.filter(|_| here) else {
                continue;
            };
            for standing in self.debtors.get(&debtor).into_iter().flatten() {
                heeded.heed(Some(debtor), *standing, as_of);
            }
        }
        heeded
    }
}

impl Heeded {
    /// The timeline without what is expired or under objection: judgements as of a day and no copies (S4), for the copy stays what the partner said.
    #[must_use]
    pub fn judged<'a>(
        &self,
        timeline: &'a Timeline,
        retention: &Retention,
        as_of: Date,
    ) -> Cow<'a, Timeline> {
        // Most are so young that their kind needs not be looked up.
        let old = retention.first_over_on(as_of);
        timeline.judged(|signal| {
            if signal.event_date <= old && retention.is_over(&signal.kind, signal.event_date, as_of)
            {
                Standing::Expired
            } else if self.objections.covers(signal) {
                Standing::Objected
            } else {
                Standing::Counted
            }
        })
    }

    fn heed(&mut self, debtor: Option<DebtorId>, standing: Stands, as_of: Date) {
        if standing.until.is_some_and(|last| last < as_of) {
            return;
        }
        let over = standing.until.and_then(|last| last.tomorrow().ok());
        self.changes_on = [self.changes_on, over].into_iter().flatten().min();
        match (standing.reason.kind(), debtor) {
            // The household is held; that is read with the holds.
            _ if standing.reason.is_hold() => {}
            (RegistrationKind::Objection, None) => self.objections.household = true,
            (RegistrationKind::Objection, Some(debtor)) => {
                self.objections.debtors.insert(debtor);
            }
            (RegistrationKind::KnownClient, _) => self.known_client = true,
            // Of several reasons the first that was written down.
            (RegistrationKind::Exclusion, None) => {
                self.excluded.household.get_or_insert(standing.reason);
            }
            (RegistrationKind::Exclusion, Some(debtor)) => {
                self.excluded
                    .debtors
                    .entry(debtor)
                    .or_insert(standing.reason);
            }
        }
    }
}
