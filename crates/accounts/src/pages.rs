//! Signing in, signing out, and choosing a password.

use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{FromRef, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use voorveld_chassis::Secret;
use voorveld_seal::Token;

use crate::extract::{FormRefused, PageUser, SignedForm, read_form};
use crate::frame::{Frame, Notice, page};
use crate::password::{PASSWORD_MIN_CHARS, PasswordRefused};
use crate::sign_in::{
    Accounts, BUSY_RETRY_AFTER, ChangeRefused, SESSION_MAX, SignInRefused, THROTTLE_WINDOW, cookie,
};

/// Where one signs in.
pub const SIGN_IN_PATH: &str = "/inloggen";
/// Where one signs out.
pub const SIGN_OUT_PATH: &str = "/uitloggen";
/// Where one chooses a password.
pub const PASSWORD_PATH: &str = "/wachtwoord";

/// What is read while too many sign in.
const BUSY: &str =
    "Er loggen nu te veel mensen tegelijk in. Wacht een paar seconden en probeer het dan opnieuw.";

/// How long a sign-in page may lie open before it is sent.
const FORM_COOKIE_LIVES: Duration = Duration::from_hours(12);

/// The pages of an account.
pub fn account_routes<S>() -> Router<S>
where
    Accounts: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route(SIGN_IN_PATH, get(show_sign_in::<S>).post(sign_in::<S>))
        .route(SIGN_OUT_PATH, post(sign_out::<S>))
        .route(
            PASSWORD_PATH,
            get(show_password::<S>).post(change_password::<S>),
        )
}

/// The sign-in page that leads back to `back` afterwards.
pub(crate) fn sign_in_address(back: &str) -> String {
    if back != "/" && is_ours(back) {
        format!("{SIGN_IN_PATH}?naar={back}")
    } else {
        SIGN_IN_PATH.to_owned()
    }
}

/// The same, for who sent something that was not taken.
pub(crate) fn sign_in_address_too_late(back: &str) -> String {
    let address = sign_in_address(back);
    let mark = if address.contains('?') { '&' } else { '?' };
    format!("{address}{mark}verlopen=ja")
}

/// Whether a path is one of ours and nothing else: no other host, no trick with slashes, nothing that needs escaping.
fn is_ours(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.'))
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    csrf: String,
    login: String,
    back: String,
    problem: Option<&'static str>,
}

#[derive(Deserialize)]
struct SignInQuery {
    naar: Option<String>,
    verlopen: Option<String>,
}

#[derive(Deserialize)]
struct SignInForm {
    login: String,
    password: Secret,
    naar: Option<String>,
}

fn form_cookie(accounts: &Accounts) -> String {
    format!("{}-form", accounts.cookie_name())
}

async fn show_sign_in<S>(
    State(state): State<S>,
    headers: HeaderMap,
    Query(query): Query<SignInQuery>,
) -> Response
where
    Accounts: FromRef<S>,
{
    let accounts = Accounts::from_ref(&state);
    let back = query.naar.filter(|path| is_ours(path)).unwrap_or_default();
    let too_late = query.verlopen.map(
        |_| "Uw sessie was verlopen; dit is niet opgeslagen. Log in en doe het daarna opnieuw.",
    );
    draw_sign_in(
        &accounts,
        &headers,
        StatusCode::OK,
        String::new(),
        back,
        too_late,
    )
}

fn draw_sign_in(
    accounts: &Accounts,
    headers: &HeaderMap,
    status: StatusCode,
    login: String,
    back: String,
    problem: Option<&'static str>,
) -> Response {
    let name = form_cookie(accounts);
    let known = cookie(headers, &name).and_then(Token::parse);
    let token = match known.map_or_else(Token::generate, Ok) {
        Ok(token) => token,
        Err(error) => return Notice::internal(error).into_response(),
    };
    let html = SignInPage {
        frame: Frame::anonymous(accounts.door().title, "Inloggen"),
        csrf: token.derived("form").expose().to_owned(),
        login,
        back,
        problem,
    };
    let set = accounts.set_cookie(&name, token.expose(), FORM_COOKIE_LIVES);
    ([(header::SET_COOKIE, set)], page(status, &html)).into_response()
}

async fn sign_in<S>(State(state): State<S>, request: Request) -> Response
where
    Accounts: FromRef<S>,
{
    let accounts = Accounts::from_ref(&state);
    let (parts, body) = request.into_parts();
    let (csrf, form) = match read_form::<SignInForm>(&parts, body).await {
        Ok(read) => read,
        Err(refused) => return refused.into_response(),
    };
    // Somebody else's page must not sign a browser in under an account of its choice.
    let expected = cookie(&parts.headers, &form_cookie(&accounts))
        .and_then(Token::parse)
        .map(|token| token.derived("form").hash());
    let fits = csrf
        .as_deref()
        .and_then(Token::parse)
        .zip(expected)
        .is_some_and(|(token, expected)| token.verify(&expected));
    if !fits {
        return FormRefused::NotOurs.into_response();
    }
    let Some(form) = form else {
        return FormRefused::Unreadable.into_response();
    };
    let back = form.naar.filter(|path| is_ours(path)).unwrap_or_default();
    match accounts.sign_in(&form.login, form.password.expose()).await {
        Ok(begun) => {
            let to = if back.is_empty() { "/" } else { &back };
            let set =
                accounts.set_cookie(&accounts.cookie_name(), begun.token.expose(), SESSION_MAX);
            ([(header::SET_COOKIE, set)], Redirect::to(to)).into_response()
        }
        Err(SignInRefused::Failed(error)) => error.into_notice().into_response(),
        Err(refused) => {
            let (status, problem) = match refused {
                SignInRefused::Throttled => (
                    StatusCode::TOO_MANY_REQUESTS,
                    "Er is te vaak een verkeerd wachtwoord ingevuld. Wacht een kwartier en probeer het dan opnieuw.",
                ),
                SignInRefused::Busy => (StatusCode::SERVICE_UNAVAILABLE, BUSY),
                SignInRefused::NotForYou => (
                    StatusCode::FORBIDDEN,
                    "Met dit account kunt u hier niet inloggen. Vraag de beheerder om toegang.",
                ),
                _ => (
                    StatusCode::UNAUTHORIZED,
                    "De gebruikersnaam of het wachtwoord klopt niet.",
                ),
            };
            let mut response = draw_sign_in(
                &accounts,
                &parts.headers,
                status,
                form.login,
                back,
                Some(problem),
            );
            let come_back = match status {
                StatusCode::TOO_MANY_REQUESTS => Some(THROTTLE_WINDOW),
                StatusCode::SERVICE_UNAVAILABLE => Some(BUSY_RETRY_AFTER),
                _ => None,
            };
            if let Some(wait) = come_back {
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, wait.as_secs().into());
            }
            response
        }
    }
}

#[derive(Deserialize)]
struct Nothing {}

async fn sign_out<S>(
    State(state): State<S>,
    form: Result<SignedForm<Nothing>, FormRefused>,
) -> Response
where
    Accounts: FromRef<S>,
{
    let accounts = Accounts::from_ref(&state);
    let who = match form {
        Ok(SignedForm { who, .. }) => who,
        // Who is not signed in any more is signed out.
        Err(FormRefused::NotSignedIn(_)) => return Redirect::to(SIGN_IN_PATH).into_response(),
        Err(refused) => return refused.into_response(),
    };
    if let Err(error) = accounts.sign_out(&who).await {
        return error.into_notice().into_response();
    }
    let gone = accounts.set_cookie(&accounts.cookie_name(), "", Duration::ZERO);
    ([(header::SET_COOKIE, gone)], Redirect::to(SIGN_IN_PATH)).into_response()
}

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage {
    frame: Frame,
    csrf: String,
    login: String,
    must_change: bool,
    min_chars: usize,
    problem: Option<&'static str>,
}

#[derive(Deserialize)]
struct PasswordForm {
    current: Secret,
    new: Secret,
    again: Secret,
}

fn draw_password(
    accounts: &Accounts,
    who: &crate::SignedIn,
    status: StatusCode,
    problem: Option<&'static str>,
) -> Response {
    let html = PasswordPage {
        frame: Frame::new(accounts, who, "Wachtwoord kiezen", Vec::new()),
        csrf: who.csrf(),
        login: who.user.login.clone(),
        must_change: who.user.must_change,
        min_chars: PASSWORD_MIN_CHARS,
        problem,
    };
    page(status, &html)
}

async fn show_password<S>(State(state): State<S>, PageUser(who): PageUser) -> Response
where
    Accounts: FromRef<S>,
{
    draw_password(&Accounts::from_ref(&state), &who, StatusCode::OK, None)
}

async fn change_password<S>(
    State(state): State<S>,
    SignedForm { who, form }: SignedForm<PasswordForm>,
) -> Response
where
    Accounts: FromRef<S>,
{
    let accounts = Accounts::from_ref(&state);
    let (status, problem) = if form.new == form.again {
        match accounts
            .change_password(&who, form.current.expose(), form.new.expose())
            .await
        {
            Ok(()) => return Redirect::to("/").into_response(),
            Err(ChangeRefused::Failed(error)) => return error.into_notice().into_response(),
            Err(ChangeRefused::Wrong) => (
                StatusCode::BAD_REQUEST,
                "Het huidige wachtwoord klopt niet.",
            ),
            Err(ChangeRefused::Throttled) => (
                StatusCode::TOO_MANY_REQUESTS,
                "Er is te vaak een verkeerd wachtwoord ingevuld. Wacht een kwartier en probeer het dan opnieuw.",
            ),
            Err(ChangeRefused::Busy) => (StatusCode::SERVICE_UNAVAILABLE, BUSY),
            Err(ChangeRefused::Same) => (
                StatusCode::BAD_REQUEST,
                "Kies een ander wachtwoord dan het huidige.",
            ),
            Err(ChangeRefused::New(PasswordRefused::TooShort)) => (
                StatusCode::BAD_REQUEST,
                "Het nieuwe wachtwoord is te kort: kies er een van ten minste 12 tekens.",
            ),
            Err(ChangeRefused::New(_)) => (
                StatusCode::BAD_REQUEST,
                "Dit wachtwoord kan niet. Kies een korter wachtwoord.",
            ),
        }
    } else {
        (
            StatusCode::BAD_REQUEST,
            "De twee nieuwe wachtwoorden zijn niet gelijk.",
        )
    };
    draw_password(&accounts, &who, status, Some(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_paths_are_gone_back_to() {
        for (path, ours) in [
            ("/taken/0198c0de", true),
            ("//elders.example", false),
            ("https://elders.example", false),
            ("/\\elders", false),
            ("/?a=b", false),
            ("", false),
        ] {
            assert_eq!(is_ours(path), ours, "{path}");
        }
    }
}
