//! `voorveld user add|list|disable|reset`

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use voorveld_accounts::{hash_password, login_is_well_formed};
use voorveld_chassis::{Clock, Secret};
use voorveld_domain::{MunicipalityCode, TeamId, UserId};
use voorveld_store::Store;
use voorveld_store::users::{LOGIN_TAKEN, User as Record};

use super::office::{self, table};
use crate::cli::User;
use crate::config::Settings;

/// Does one of the four.
pub async fn run(
    command: User,
    settings: &Settings,
    store: &Store,
    clock: &Clock,
) -> anyhow::Result<ExitCode> {
    let now = clock.now();
    match command {
        User::Add {
            login,
            name,
            municipality,
            roles,
            teams,
            password_file,
        } => {
            if !login_is_well_formed(&login) {
                bail!("a login has lower-case letters, digits, dots and hyphens");
            }
            let municipality = which_municipality(settings, municipality)?;
            check_teams(settings, store, &teams).await?;
            let hash = first_password(password_file.as_deref())?;
            let user = Record {
                id: UserId::from_uuid(uuid::Uuid::now_v7()),
                municipality,
                login: login.clone(),
                display_name: name,
                roles,
                teams,
                created_at: now,
                disabled_at: None,
                must_change: true,
            };
            let entry = office::entry(
                now,
                Some(municipality),
                "user.added",
                ("user", user.id.to_string()),
                "added at the command line",
            );
            match store.add_user(&user, &hash, entry).await {
                Err(error) if error.is_unique_violation_of(LOGIN_TAKEN) => {
                    bail!("there is an account {login} already")
                }
                added => added.context("adding the account failed")?,
            }
            println!("account {login} was added; the password must be changed at first sign-in");
        }
        User::List => list(store, clock).await?,
        User::Disable { login, reason } => {
            let user = known(store, &login).await?;
            let entry = office::entry(
                now,
                Some(user.municipality),
                "user.disabled",
                ("user", user.id.to_string()),
                &reason,
            );
            if !store.disable_user(&login, now, entry).await? {
                bail!("account {login} was closed already");
            }
            println!("account {login} is closed and signed out everywhere");
        }
        User::Reset {
            login,
            reason,
            reopen,
            password_file,
        } => {
            let user = known(store, &login).await?;
            let closed = user.disabled_at.is_some();
            if closed && !reopen {
                bail!("account {login} is closed; with --reopen it is opened again");
            }
            let hash = first_password(password_file.as_deref())?;
            let entry = office::entry(
                now,
                Some(user.municipality),
                if closed {
                    "user.reopened"
                } else {
                    "user.reset"
                },
                ("user", user.id.to_string()),
                &reason,
            );
            if !store.reset_password(&login, &hash, reopen, entry).await? {
                bail!("account {login} was closed meanwhile");
            }
            println!("account {login} has a new first password and is signed out everywhere");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn known(store: &Store, login: &str) -> anyhow::Result<Record> {
    let found = store.user_by_login(login).await?;
    Ok(found
        .with_context(|| format!("there is no account {login}"))?
        .0)
}

fn which_municipality(
    settings: &Settings,
    asked: Option<MunicipalityCode>,
) -> anyhow::Result<MunicipalityCode> {
    match asked {
        Some(code) if settings.municipalities.contains(&code) => Ok(code),
        Some(code) => bail!("municipality {code} is not served by this installation"),
        None => match settings.municipalities.iter().collect::<Vec<_>>()[..] {
            [only] => Ok(*only),
            _ => bail!("several municipalities are served: say which with --municipality"),
        },
    }
}

async fn check_teams(settings: &Settings, store: &Store, teams: &[TeamId]) -> anyhow::Result<()> {
    let policy = office::policy_in_force(settings, store).await?;
    for team in teams {
        if policy.routing().find_team(team).is_none() {
            let known: Vec<String> = policy
                .routing()
                .teams()
                .map(|known| known.id.to_string())
                .collect();
            bail!("there is no team {team}; choose from {}", known.join(", "));
        }
    }
    Ok(())
}

/// Asks for a first password twice, or reads it from a file; never from the command line, where others can read it.
fn first_password(file: Option<&Path>) -> anyhow::Result<String> {
    let password = if let Some(file) = file {
        Secret::from_file(file)?
    } else {
        let ask = |prompt| {
            rpassword::prompt_password(prompt)
                .map(Secret::new)
                .context("reading a password from the terminal failed; use --password-file")
        };
        let first = ask("First password: ")?;
        if first != ask("Once more: ")? {
            bail!("the two are not the same");
        }
        first
    };
    hash_password(password.expose()).context("the password was not taken")
}

async fn list(store: &Store, clock: &Clock) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> = store
        .users(None)
        .await?
        .into_iter()
        .map(|user| {
            let state = match user.disabled_at {
                Some(since) => format!("closed {}", clock.date_of(since)),
                None if user.must_change => "first password".to_owned(),
                None => "active".to_owned(),
            };
            let roles: Vec<&str> = user.roles.iter().map(|role| role.code()).collect();
            let teams: Vec<&str> = user.teams.iter().map(TeamId::as_str).collect();
            vec![
                user.login.clone(),
                user.display_name.clone(),
                state,
                user.municipality.to_string(),
                roles.join(" "),
                teams.join(" "),
                user.id.to_string(),
            ]
        })
        .collect();
    print!(
        "{}",
        table(
            &[
                "LOGIN",
                "NAME",
                "STATE",
                "MUNICIPALITY",
                "ROLES",
                "TEAMS",
                "ID"
            ],
            &rows
        )
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::PgPool;
    use voorveld_store::audit::AuditFilter;

    #[sqlx::test(migrations = "../../migrations")]
    async fn an_account_comes_and_goes_and_its_password_stays_unseen(pool: PgPool) {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("voorveld.toml");
        std::fs::write(&empty, "").unwrap();
        let password = folder.path().join("password");
        std::fs::write(&password, "een lang eerste wachtwoord\n").unwrap();
        let settings = Settings::from_file(&empty).unwrap();
        let store = Store::from_pool(pool);
        let clock = Clock::manual("2026-02-01T10:00:00Z".parse().unwrap());
        let act = async |command| run(command, &settings, &store, &clock).await;
        let add = |team: &str| User::Add {
            login: "sam".into(),
            name: "Sam".into(),
            municipality: None,
            roles: vec![voorveld_domain::Role::TeamMember],
            teams: vec![team.parse().unwrap()],
            password_file: Some(password.clone()),
        };

        act(add("nergens")).await.unwrap_err();
        act(add("wijkteam-noord")).await.unwrap();
        let again = act(add("wijkteam-noord")).await.unwrap_err();
        assert_eq!(again.to_string(), "there is an account sam already");
        let (user, hash) = store.user_by_login("sam").await.unwrap().unwrap();
        assert!(user.must_change);
        assert!(hash.starts_with("$argon2id$"));

        act(User::Disable {
            login: "sam".into(),
            reason: "uit dienst".into(),
        })
        .await
        .unwrap();
        let reset = |reopen| User::Reset {
            login: "sam".into(),
            reason: "terug in dienst".into(),
            reopen,
            password_file: Some(password.clone()),
        };
        let refused = act(reset(false)).await.unwrap_err();
        assert!(refused.to_string().contains("--reopen"), "{refused}");
        act(reset(true)).await.unwrap();
        act(reset(false)).await.unwrap();
        let told = store.audit_events(&AuditFilter::default()).await.unwrap();
        let told: Vec<&str> = told.iter().map(|event| event.action.as_str()).collect();
        assert_eq!(
            told,
            ["user.reset", "user.reopened", "user.disabled", "user.added"]
        );
    }
}
