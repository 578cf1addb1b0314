//! Outreach: which household to go to, why and by when, and what came of it.
//!
//! Pages for neighbourhood teams and the safety desk, and the same as a JSON API. It proposes a conversation and writes down what
//! people decide; it judges nothing, and knows who a household is only when a named colleague opens that with a reason (I9).

mod access;
mod api;
mod config;
mod desk;
mod duties;
mod error;
mod metrics;
mod pages;
mod rules;
mod view;
mod words;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use prometheus::Registry;
use voorveld_accounts::{Accounts, Door};
use voorveld_chassis::{Clock, Lifecycle, http};
use voorveld_domain::{HouseholdId, Role};
use voorveld_policy::Current;
use voorveld_seal::Opener;
use voorveld_store::Store;

pub use api::openapi;
pub use config::Config;
pub use desk::{CONTACT_LOOKBACK_DAYS, OpeningReason, UNDO_WINDOW};

use desk::Desk;

/// The partition of `signals.resolved` in which a household lives: there its wake-ups go. Given by who knows the log.
pub type PartitionOf = Arc<dyn Fn(HouseholdId) -> i32 + Send + Sync>;

/// What outreach is given.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// Teams, areas, kinds and working days.
    pub policy: Current,
    /// Opens identities.
    pub opener: Arc<Opener>,
    /// What time it is.
    pub clock: Clock,
    /// What time it is for who sits at the screen: sessions go by it, also while a demo lives through a simulated year.
    pub wall: Clock,
    /// Where metrics go.
    pub registry: Registry,
    /// Where a household's wake-ups go.
    pub partition_of: PartitionOf,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parts(…)")
    }
}

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App {
    desk: Arc<Desk>,
    accounts: Accounts,
}

impl FromRef<App> for Accounts {
    fn from_ref(app: &App) -> Self {
        app.accounts.clone()
    }
}

impl FromRef<App> for Arc<Desk> {
    fn from_ref(app: &App) -> Self {
        Arc::clone(&app.desk)
    }
}

/// Opens the door to worklists and keeps it open until the process drains.
pub async fn start(
    config: Config,
    parts: Parts,
    lifecycle: &Lifecycle,
) -> anyhow::Result<SocketAddr> {
    let listener = http::bind("outreach", config.listen).await?;
    let address = listener.local_addr()?;
    let (router, accounts) = router(&config, parts)?;
    let draining = lifecycle.draining();
    lifecycle.spawn("outreach.pages", http::serve(listener, router, draining));
    let draining = lifecycle.draining();
    lifecycle.spawn("outreach.sessions", async move {
        accounts.keep_swept(draining.cancelled_owned()).await;
        Ok::<(), std::convert::Infallible>(())
    });
    tracing::info!(%address, "worklists are open");
    Ok(address)
}

/// Everything outreach answers, and the accounts behind it.
pub fn router(config: &Config, parts: Parts) -> anyhow::Result<(Router, Accounts)> {
    let metrics = http::HttpMetrics::register(&parts.registry, "outreach")?;
    let accounts = Accounts::new(
        parts.store.clone(),
        parts.wall.clone(),
        Door {
            role: "outreach",
            title: "Voorveld",
            for_roles: &[Role::TeamMember, Role::SafetyDesk, Role::PrivacyOfficer],
            https: config.https,
            page_of: pages::page_of,
        },
        &parts.registry,
    )?;
    let app = App {
        desk: Arc::new(Desk::new(parts)?),
        accounts: accounts.clone(),
    };
    let router = Router::new()
        .merge(pages::routes())
        .merge(voorveld_accounts::account_routes())
        .merge(voorveld_accounts::asset_routes())
        .nest("/api/v1", api::routes())
        .fallback(pages::not_found)
        .with_state(app);
    let dressed = http::dress(
        router,
        http::Dress {
            role: "outreach",
            csp: http::PAGES_CSP,
            strict_transport: config.strict_transport,
            metrics,
        },
    );
    Ok((dressed, accounts))
}

#[cfg(test)]
mod tests;
