//! The receipt protocol (I1): one intake for every door.
//!
//! A request or a chunk of a file is judged, then in one transaction, under lock, every claim gets its signal and revision, all
//! under one promise; then the log takes what is new; then the promise is kept, counted and answered. Whatever fails on the way, the
//! same claims sent again end in the same revisions.

pub mod decide;
pub mod gather;
pub mod judge;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;
use voorveld_bus::{BusError, Log, Outgoing};
use voorveld_chassis::Clock;
use voorveld_domain::{MunicipalityCode, WithdrawalReason};
use voorveld_policy::Policy;
use voorveld_seal::{BlindIndexKey, CryptoUnavailable, SealError, Sealer};
use voorveld_store::deliveries::RowResult;
use voorveld_store::partners::Partner;
use voorveld_store::receipts::{
    Digest, IntakeCount, LockedReceipt, NewRevision, OfferedReference, Provenance, ReferenceIndex,
    Settled,
};
use voorveld_store::{Store, StoreError};
use voorveld_wire::intake_v1::{Claim, Flaw, FlawCode, Warning};
use voorveld_wire::signal_v1::{
    Content, RECEIVED_TOPIC, Received, SealedIdentity, VERSION, seal_context, signal_key,
};

use self::decide::{Decided, Decision, Manner, Standing};
use self::judge::{Accepted, Bench};
use crate::metrics::Metrics;

/// Why a request could not be taken in. Nothing of it is half done: sent again, it ends as it would have now.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log.
    #[error("appending to the log failed")]
    Log(#[from] BusError),
    /// The cryptographic library.
    #[error("sealing an identity failed")]
    Seal(#[from] SealError),
    /// Who was at it stopped before it was done.
    #[error("taking in was not finished")]
    Abandoned,
}

impl From<CryptoUnavailable> for TakeError {
    fn from(error: CryptoUnavailable) -> Self {
        Self::Seal(SealError::Unavailable(error))
    }
}

impl TakeError {
    /// Whether the same again may well succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Log(error) => error.is_transient(),
            Self::Seal(_) => false,
            Self::Abandoned => true,
        }
    }
}

/// Where claims come from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Who sends.
    pub partner: &'a Partner,
    /// The delivered file, if any.
    pub delivery: Option<Uuid>,
}

/// A claim that is offered, and what reading it found wrong.
#[derive(Debug, Clone)]
pub struct Offer {
    /// What it says.
    pub claim: Claim,
    /// What could not be read.
    pub flaws: Vec<Flaw>,
    /// The request it came with.
    pub request_id: Arc<str>,
}

/// What became of one claim.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It is a signal's, and the log holds it.
    Taken {
        /// What it meant.
        decision: Decision,
        /// The signal.
        signal: Uuid,
        /// The revision.
        revision: u32,
        /// Receipt of that revision.
        received_at: Timestamp,
        /// What is odd.
        warnings: Vec<Warning>,
    },
    /// It was not taken in.
    Refused(Vec<Flaw>),
}

/// Makes the results of a delivery's rows out of their outcomes.
pub type RowsOf = dyn Fn(&[Outcome]) -> Vec<RowResult> + Send + Sync;

/// A judged claim with its keyed names.
struct Keyed {
    accepted: Accepted,
    request_id: Arc<str>,
    index: ReferenceIndex,
    digest: Digest,
}

/// Claims that were judged, each by itself, in the order in which they came.
pub struct Judged {
    now: Timestamp,
    claims: Vec<Result<Keyed, Vec<Flaw>>>,
}

impl Judged {
    /// The references of those that may come in.
    pub fn references(&self) -> impl Iterator<Item = &ReferenceIndex> {
        self.claims.iter().flatten().map(|keyed| &keyed.index)
    }
}

/// What judged claims were promised.
pub struct Promised {
    id: Uuid,
    promises: Vec<Promise>,
    outcomes: Vec<Outcome>,
}

/// A revision that the log is to hold.
struct Promise {
    /// Of which claim.
    place: usize,
    signal: Uuid,
    revision: u32,
    first_received_at: Timestamp,
    received_at: Timestamp,
}

/// A record to make once the transaction stands.
struct ToProduce<'a> {
    request_id: &'a str,
    signal: Uuid,
    revision: u32,
    municipality: &'a str,
    kind: &'a str,
    first_received_at: Timestamp,
    received_at: Timestamp,
    says: Says<'a>,
}

enum Says<'a> {
    Content(&'a Accepted),
    Withdrawn(WithdrawalReason),
}

/// The one intake behind every door. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    store: Store,
    log: Log,
    policy: Arc<Policy>,
    served: Arc<BTreeSet<MunicipalityCode>>,
    clock: Clock,
    sealer: Sealer,
    references: BlindIndexKey,
    digests: BlindIndexKey,
    metrics: Metrics,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").finish_non_exhaustive()
    }
}

/// What an [`Intake`] is made of.
pub struct IntakeParts {
    /// Receipts.
    pub store: Store,
    /// Where accepted signals go.
    pub log: Log,
    /// Kinds and law.
    pub policy: Arc<Policy>,
    /// Municipalities served here.
    pub served: Arc<BTreeSet<MunicipalityCode>>,
    /// The time.
    pub clock: Clock,
    /// Seals identities; cannot open them.
    pub sealer: Sealer,
    /// Key of reference indexes.
    pub references: BlindIndexKey,
    /// Key of digests.
    pub digests: BlindIndexKey,
    /// Counters.
    pub metrics: Metrics,
}

impl Intake {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: IntakeParts) -> Self {
        Self {
            store: parts.store,
            log: parts.log,
            policy: parts.policy,
            served: parts.served,
            clock: parts.clock,
            sealer: parts.sealer,
            references: parts.references,
            digests: parts.digests,
            metrics: parts.metrics,
        }
    }

    /// Kinds and law.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Kinds and law, to hold on to.
    #[must_use]
    pub fn shared_policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy)
    }

    /// The time.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The database.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Chains a block of a file onto its keyed digest so far.
    #[must_use]
    pub fn chain_file_digest(&self, so_far: &Digest, block: &[u8]) -> Digest {
        self.digests.index(&[b"file", so_far, block])
    }

    fn bench<'a>(&'a self, partner: &'a Partner, now: Timestamp) -> Bench<'a> {
        Bench {
            policy: &self.policy,
            partner,
            served: &self.served,
            today: self.clock.date_of(now),
        }
    }

    fn judge(&self, bench: &Bench<'_>, offer: Offer) -> Result<Keyed, Vec<Flaw>> {
        let accepted = bench.judge(offer.claim, offer.flaws)?;
        let said = serde_json::to_vec(&accepted.said).expect("plain values are JSON");
        let whom = serde_json::to_vec(&SealedIdentity::of(&accepted.identity, None))
            .expect("plain values are JSON");
        let digest = self.digests.index(&[b"signal", &said, &whom]);
        let municipality = accepted.municipality.as_str().as_bytes();
        let partner = bench.partner.id.as_bytes();
        let index = match &accepted.reference {
            Some(reference) => {
                self.references
                    .index(&[municipality, partner, b"reference", reference.as_bytes()])
            }
            // S1: a feed with a natural key is known by what it says.
            None => self
                .references
                .index(&[municipality, partner, b"said", &digest]),
        };
        Ok(Keyed {
            accepted,
            request_id: offer.request_id,
            index,
            digest,
        })
    }

    /// What the law has against something new about a signal, seen from its first receipt (T1, S6). Nothing against what it said before.
    fn against(
        &self,
        bench: &Bench<'_>,
        keyed: &Keyed,
        standing: &Standing,
        manner: Manner,
    ) -> Vec<Flaw> {
        if standing.would_be_new(manner, &keyed.digest) {
            let first = self.clock.date_of(standing.receipt.first_received_at);
            bench.admit(&keyed.accepted, first)
        } else {
            Vec::new()
        }
    }

    /// Takes in claims that stand among others: a request with signals. Outcomes come in the same order.
    pub async fn take(
        &self,
        origin: Origin<'_>,
        offers: Vec<Offer>,
    ) -> Result<Vec<Outcome>, TakeError> {
        let judged = self.judge_all(origin, offers);
        let promised = self.promise(origin, &judged).await?;
        self.keep(origin, &judged, &promised, None).await?;
        Ok(promised.outcomes)
    }

    /// Judges claims that stand among others, each by itself.
    #[must_use]
    pub fn judge_all(&self, origin: Origin<'_>, offers: Vec<Offer>) -> Judged {
        let now = self.clock.now();
        let bench = self.bench(origin.partner, now);
        let claims = offers.into_iter();
        Judged {
            now,
            claims: claims.map(|offer| self.judge(&bench, offer)).collect(),
        }
    }

    /// The first half: one transaction in which every claim gets its signal and revision, pending. Done again it promises the same.
    pub async fn promise(
        &self,
        origin: Origin<'_>,
        judged: &Judged,
    ) -> Result<Promised, TakeError> {
        let now = judged.now;
        let judged = &judged.claims;
        let from = provenance(origin, now);
        let bench = self.bench(origin.partner, now);

        // What may not come in as new may still say what its signal has said before, so that is looked up as well.
        let mut offered: Vec<OfferedReference> = Vec::new();
        let mut sought = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for keyed in judged.iter().flatten() {
            if !bench.admit(&keyed.accepted, bench.today).is_empty() {
                sought.insert(keyed.index);
            } else if seen.insert(keyed.index) {
                offered.push(OfferedReference {
                    index: keyed.index,
                    signal: Uuid::now_v7(),
                    municipality: keyed.accepted.municipality.as_str().to_owned(),
                    kind: keyed.accepted.said.kind.clone(),
                    digest: keyed.digest,
                });
            }
        }
        let mut tx = self.store.begin_by_key("take_signals").await?;
        let mut standings: HashMap<ReferenceIndex, Standing> = tx
            .lock_references(from, &offered, &sought.into_iter().collect::<Vec<_>>())
            .await?
            .into_iter()
            .map(|(index, receipt)| (index, Standing::of(receipt, now)))
            .collect();
        let mut revisions = Vec::new();
        let mut again = Vec::new();
        let mut promises = Vec::new();
        let mut outcomes = Vec::with_capacity(judged.len());
        for (place, one) in judged.iter().enumerate() {
            let keyed = match one {
                Ok(keyed) => keyed,
                Err(flaws) => {
                    outcomes.push(Outcome::Refused(flaws.clone()));
                    continue;
                }
            };
            let Some(standing) = standings.get_mut(&keyed.index) else {
                let flaws = bench.admit(&keyed.accepted, bench.today);
                if flaws.is_empty() {
                    return Err(TakeError::Store(StoreError::Corrupt {
                        table: "signal_receipts",
                        what: "a reference that was offered is locked",
                    }));
                }
                outcomes.push(Outcome::Refused(flaws));
                continue;
            };
            let flaws = self.against(&bench, keyed, standing, Manner::Row);
            if !flaws.is_empty() {
                outcomes.push(Outcome::Refused(flaws));
                continue;
            }
            let decided = standing.decide(Manner::Row, keyed.digest, None);
            if decided.decision == Decision::RefusedWithdrawn {
                outcomes.push(Outcome::Refused(vec![Flaw::new(
                    "/reference",
                    FlawCode::Withdrawn,
                )]));
                continue;
            }
            let receipt = &standing.receipt;
            note(&mut revisions, receipt, decided, keyed);
            again.extend(decided.promised_again(receipt));
            if decided.to_produce {
                promises.push(Promise {
                    place,
                    signal: receipt.signal,
                    revision: decided.revision,
                    first_received_at: receipt.first_received_at,
                    received_at: decided.received_at,
                });
            }
            outcomes.push(Outcome::Taken {
                decision: decided.decision,
                signal: receipt.signal,
                revision: decided.revision,
                received_at: decided.received_at,
                warnings: keyed.accepted.warnings.clone(),
            });
        }
        tx.promise(from, &revisions, &again).await?;
        tx.commit().await?;
        Ok(Promised {
            id: from.promise,
            promises,
            outcomes,
        })
    }

    /// The second half: the log takes what is new, and that is noted. Done again the log holds it twice, which changes nothing. The results of a delivery's
    /// `rows` are written in the transaction that acknowledges them.
    pub async fn keep(
        &self,
        origin: Origin<'_>,
        judged: &Judged,
        promised: &Promised,
        rows: Option<&RowsOf>,
    ) -> Result<(), TakeError> {
        let to_produce: Vec<ToProduce<'_>> = promised
            .promises
            .iter()
            .filter_map(|promise| {
                let keyed = judged.claims[promise.place].as_ref().ok()?;
                Some(ToProduce {
                    request_id: &keyed.request_id,
                    signal: promise.signal,
                    revision: promise.revision,
                    municipality: keyed.accepted.municipality.as_str(),
                    kind: &keyed.accepted.said.kind,
                    first_received_at: promise.first_received_at,
                    received_at: promise.received_at,
                    says: Says::Content(&keyed.accepted),
                })
            })
            .collect();
        self.produce(origin, &to_produce).await?;
        let outcomes = &promised.outcomes;
        let results = rows.map(|rows| rows(outcomes));
        let municipalities: Vec<&str> = judged
            .claims
            .iter()
            .map(|one| {
                one.as_ref()
                    .map_or("", |keyed| keyed.accepted.municipality.as_str())
            })
            .collect();
        self.settle(
            origin,
            Some(promised.id),
            &municipalities,
            outcomes,
            results,
        )
        .await
    }

    /// Takes in a correction of one signal (S2). `None`: this partner has no such signal.
    pub async fn correct(
        &self,
        origin: Origin<'_>,
        signal: Uuid,
        offer: Offer,
    ) -> Result<Option<Outcome>, TakeError> {
        let now = self.clock.now();
        let bench = self.bench(origin.partner, now);
        let judged = self.judge(&bench, offer);
        let from = provenance(origin, now);
        let mut tx = self.store.begin_by_key("correct_signal").await?;
        let Some(receipt) = tx.lock_receipt(&origin.partner.id, signal).await? else {
            return Ok(None);
        };
        let keyed = match judged {
            Ok(keyed) if keyed.index == receipt.index => keyed,
            Ok(_) => {
                drop(tx);
                let flaw = Flaw::new("/reference", FlawCode::ReferenceFixed);
                return self.refuse(origin, vec![flaw]).await.map(Some);
            }
            Err(flaws) => {
                drop(tx);
                return self.refuse(origin, flaws).await.map(Some);
            }
        };
        let mut standing = Standing::of(receipt, now);
        let flaws = self.against(&bench, &keyed, &standing, Manner::Correction);
        if !flaws.is_empty() {
            drop(tx);
            return self.refuse(origin, flaws).await.map(Some);
        }
        let decided = standing.decide(Manner::Correction, keyed.digest, None);
        let receipt = &standing.receipt;
        let mut revisions = Vec::new();
        note(&mut revisions, receipt, decided, &keyed);
        let again: Vec<Uuid> = decided.promised_again(receipt).into_iter().collect();
        tx.promise(from, &revisions, &again).await?;
        tx.commit().await?;
        let municipality = keyed.accepted.municipality;
        let to_produce = decided.to_produce.then(|| ToProduce {
            request_id: &keyed.request_id,
            signal,
            revision: decided.revision,
            municipality: municipality.as_str(),
            kind: &keyed.accepted.said.kind,
            first_received_at: receipt.first_received_at,
            received_at: decided.received_at,
            says: Says::Content(&keyed.accepted),
        });
        let to_produce: Vec<_> = to_produce.into_iter().collect();
        self.produce(origin, &to_produce).await?;
        let outcome = Outcome::Taken {
            decision: decided.decision,
            signal,
            revision: decided.revision,
            received_at: decided.received_at,
            warnings: keyed.accepted.warnings.clone(),
        };
        let outcomes = [outcome];
        self.settle(
            origin,
            Some(from.promise),
            &[municipality.as_str()],
            &outcomes,
            None,
        )
        .await?;
        let [outcome] = outcomes;
        Ok(Some(outcome))
    }

    /// Takes a signal back. `None`: this partner has no such signal.
    pub async fn withdraw(
        &self,
        origin: Origin<'_>,
        signal: Uuid,
        reason: WithdrawalReason,
        request_id: &str,
    ) -> Result<Option<Outcome>, TakeError> {
        let now = self.clock.now();
        let from = provenance(origin, now);
        let mut tx = self.store.begin_by_key("withdraw_signal").await?;
        let Some(receipt) = tx.lock_receipt(&origin.partner.id, signal).await? else {
            return Ok(None);
        };
        let digest = self
            .digests
            .index(&[b"withdrawal", reason.code().as_bytes()]);
        let mut standing = Standing::of(receipt, now);
        let decided = standing.decide(Manner::Withdrawal, digest, Some(reason.code()));
        let receipt = &standing.receipt;
        let revision = decided.is_new_revision.then(|| NewRevision {
            signal,
            revision: decided.revision,
            digest,
            kind: receipt.kind.clone(),
            withdrawn: Some(reason.code().to_owned()),
            request_id: request_id.to_owned(),
        });
        let again: Vec<Uuid> = decided.promised_again(receipt).into_iter().collect();
        tx.promise(from, revision.as_slice(), &again).await?;
        tx.commit().await?;
        let to_produce = decided.to_produce.then(|| ToProduce {
            request_id,
            signal,
            revision: decided.revision,
            municipality: &receipt.municipality,
            kind: &receipt.kind,
            first_received_at: receipt.first_received_at,
            received_at: decided.received_at,
            says: Says::Withdrawn(reason),
        });
        let to_produce: Vec<_> = to_produce.into_iter().collect();
        self.produce(origin, &to_produce).await?;
        let outcomes = [Outcome::Taken {
            decision: decided.decision,
            signal,
            revision: decided.revision,
            received_at: decided.received_at,
            warnings: Vec::new(),
        }];
        self.settle(
            origin,
            Some(from.promise),
            &[&receipt.municipality],
            &outcomes,
            None,
        )
        .await?;
        let [outcome] = outcomes;
        Ok(Some(outcome))
    }

    /// Seals and appends; returns when the log holds everything.
    async fn produce(
        &self,
        origin: Origin<'_>,
        to_produce: &[ToProduce<'_>],
    ) -> Result<(), TakeError> {
        if to_produce.is_empty() {
            return Ok(());
        }
        let sealer = self.sealer.for_request()?;
        let mut records = Vec::with_capacity(to_produce.len());
        for one in to_produce {
            let (content, envelope, withdrawn) = match &one.says {
                Says::Withdrawn(reason) => (None, None, Some(reason.code().to_owned())),
                Says::Content(accepted) => {
                    let identity =
                        SealedIdentity::of(&accepted.identity, accepted.reference.as_deref());
                    let plain = serde_json::to_vec(&identity).expect("plain values are JSON");
                    let envelope = sealer.seal(&seal_context(one.signal, one.revision), &plain)?;
                    let content = self.content(accepted, one.first_received_at);
                    (
                        Some(content),
                        Some(STANDARD.encode(envelope.as_bytes())),
                        None,
                    )
                }
            };
            let record = Received {
                v: VERSION,
                signal: one.signal,
                revision: one.revision,
                municipality: one.municipality.to_owned(),
                partner: origin.partner.id.clone(),
                kind: one.kind.to_owned(),
                first_received_at: one.first_received_at,
                received_at: one.received_at,
                content,
                sealed: envelope,
                withdrawn,
                again: false,
            };
            records.push(Outgoing {
                key: Bytes::from(signal_key(one.signal)),
                value: Bytes::from(record.write()),
                request_id: Some(one.request_id.to_owned()),
            });
        }
        self.log.append(RECEIVED_TOPIC, records).await?;
        Ok(())
    }

    fn content(&self, accepted: &Accepted, first_received_at: Timestamp) -> Content {
        Content {
            partner_type: accepted.partner_type.code().to_owned(),
            domain: accepted.domain.clone(),
            // T1: without a date of its own a signal is about the day of its first receipt.
            event_date: accepted
                .event_date
                .unwrap_or_else(|| self.clock.date_of(first_received_at)),
            arisen_on: accepted.said.arisen_on,
            age_unknown: accepted.age_unknown,
            amount_cents: accepted.said.amount_cents,
            crisis: accepted.said.crisis,
            warm_handover: accepted.said.warm_handover,
            supply_ends_on: accepted.said.supply_ends_on,
            fields: accepted.said.fields.clone(),
        }
    }

    /// Notes that a promise is kept, writes results and counts: one transaction, so that a repeat counts once.
    async fn settle(
        &self,
        origin: Origin<'_>,
        kept: Option<Uuid>,
        municipalities: &[&str],
        outcomes: &[Outcome],
        results: Option<Vec<RowResult>>,
    ) -> Result<(), TakeError> {
        let now = self.clock.now();
        let mut counts: HashMap<IntakeCount, u64> = HashMap::new();
        for (outcome, municipality) in outcomes.iter().zip(municipalities) {
            let (outcome, code) = match outcome {
                Outcome::Taken { decision, .. } => (decision.code(), ""),
                Outcome::Refused(flaws) => (
                    Decision::RefusedWithdrawn.code(),
                    flaws.first().map_or("", |flaw| flaw.code.code()),
                ),
            };
            let count = IntakeCount {
                municipality: (*municipality).to_owned(),
                outcome,
                code,
            };
            *counts.entry(count).or_default() += 1;
        }
        let settled = Settled {
            kept,
            partner: &origin.partner.id,
            day: self.clock.date_of(now),
            counts: &counts,
        };
        if let (Some(results), Some(delivery)) = (&results, origin.delivery) {
            let mut tx = self.store.begin_by_key("settle_signals").await?;
            tx.write_results(delivery, results, now).await?;
            tx.settle(&settled).await?;
            tx.commit().await?;
        } else {
            self.store.settle(&settled).await?;
        }
        for (count, number) in &counts {
            self.metrics
                .signals
                .with_label_values(&[count.outcome])
                .inc_by(*number);
        }
        for outcome in outcomes {
            if let Outcome::Refused(flaws) = outcome {
                for flaw in flaws {
                    self.metrics
                        .refusals
                        .with_label_values(&[flaw.code.code()])
                        .inc();
                }
            }
        }
        Ok(())
    }

    /// Counts a refusal of a single claim.
    async fn refuse(&self, origin: Origin<'_>, flaws: Vec<Flaw>) -> Result<Outcome, TakeError> {
        let outcomes = [Outcome::Refused(flaws)];
        self.settle(origin, None, &[""], &outcomes, None).await?;
        let [outcome] = outcomes;
        Ok(outcome)
    }
}

fn provenance(origin: Origin<'_>, now: Timestamp) -> Provenance<'_> {
    Provenance {
        partner: origin.partner.id.as_str(),
        delivery: origin.delivery,
        now,
        promise: Uuid::now_v7(),
    }
}

fn note(
    revisions: &mut Vec<NewRevision>,
    receipt: &LockedReceipt,
    decided: Decided,
    keyed: &Keyed,
) {
    if decided.is_new_revision {
        revisions.push(NewRevision {
            signal: receipt.signal,
            revision: decided.revision,
            digest: keyed.digest,
            kind: keyed.accepted.said.kind.clone(),
            withdrawn: None,
            request_id: keyed.request_id.to_string(),
        });
    }
}
