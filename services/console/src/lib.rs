//! The console: one page for operations. What came in, what waits and since when, what is late. It reads only, and sees counts,
//! never people.

mod config;
mod facts;
mod feeds;
mod page;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use prometheus::Registry;
use voorveld_accounts::{Accounts, Door, Notice};
use voorveld_bus::Log;
use voorveld_chassis::{Clock, Lifecycle, http};
use voorveld_domain::Role;
use voorveld_policy::Current;
use voorveld_store::Store;

pub use config::Config;

/// A stage of the pipeline and the topic it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// As in `partition_positions`: `resolver`, `correlator`.
    pub name: &'static str,
    /// Its topic.
    pub topic: &'static str,
}

/// What the console is given.
#[derive(Clone)]
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The log, to see where it ends.
    pub log: Log,
    /// The stages, in the order of the pipeline.
    pub stages: Vec<Stage>,
    /// What teams are called.
    pub policy: Current,
    /// What time it is.
    pub clock: Clock,
    /// What time it is for who sits at the screen: sessions go by it, also while a demo lives through a simulated year.
    pub wall: Clock,
    /// Where metrics go.
    pub registry: Registry,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parts(…)")
    }
}

/// What handlers share.
#[derive(Clone)]
struct App {
    parts: Arc<Parts>,
    accounts: Accounts,
}

impl FromRef<App> for Accounts {
    fn from_ref(app: &App) -> Self {
        app.accounts.clone()
    }
}

impl FromRef<App> for Arc<Parts> {
    fn from_ref(app: &App) -> Self {
        Arc::clone(&app.parts)
    }
}

/// Opens the console and keeps it open until the process drains.
pub async fn start(
    config: Config,
    parts: Parts,
    lifecycle: &Lifecycle,
) -> anyhow::Result<SocketAddr> {
    let listener = http::bind("console", config.listen).await?;
    let address = listener.local_addr()?;
    let (router, accounts) = router(&config, parts)?;
    let draining = lifecycle.draining();
    lifecycle.spawn("console.pages", http::serve(listener, router, draining));
    let draining = lifecycle.draining();
    lifecycle.spawn("console.sessions", async move {
        accounts.keep_swept(draining.cancelled_owned()).await;
        Ok::<(), std::convert::Infallible>(())
    });
    tracing::info!(%address, "the console is open");
    Ok(address)
}

/// Everything the console answers, and the accounts behind it.
pub fn router(config: &Config, parts: Parts) -> anyhow::Result<(Router, Accounts)> {
    let metrics = http::HttpMetrics::register(&parts.registry, "console")?;
    let accounts = Accounts::new(
        parts.store.clone(),
        parts.wall.clone(),
        Door {
            role: "console",
            title: "Voorveld beheer",
            for_roles: &[Role::Operations],
            https: config.https,
            page_of: |_| "/",
        },
        &parts.registry,
    )?;
    let app = App {
        parts: Arc::new(parts),
        accounts: accounts.clone(),
    };
    let router = Router::new()
        .route("/", get(page::show))
        .merge(voorveld_accounts::account_routes())
        .merge(voorveld_accounts::asset_routes())
        .fallback(async || Notice::not_found())
        .with_state(app);
    let dressed = http::dress(
        router,
        http::Dress {
            role: "console",
            csp: http::PAGES_CSP,
            strict_transport: config.strict_transport,
            metrics,
        },
    );
    Ok((dressed, accounts))
}

#[cfg(test)]
mod tests;
