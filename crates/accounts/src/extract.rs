//! Who asks, as handlers take it: a page sends who is not signed in to the sign-in page, an API says so in a problem.

use axum::Form;
use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use voorveld_chassis::{Problem, ProblemType};

use crate::frame::Notice;
use crate::pages::{PASSWORD_PATH, SIGN_OUT_PATH, sign_in_address, sign_in_address_too_late};
use crate::sign_in::{Accounts, AccountsError, SignedIn};

/// The header in which a program that uses the cookie sends the session's form token.
pub const CSRF_HEADER: &str = "x-csrf-token";
/// Largest form.
const FORM_MAX_BYTES: usize = 64 * 1024;

/// Somebody who is signed in and looks at pages.
#[derive(Debug, Clone)]
pub struct PageUser(pub SignedIn);

impl<S> FromRequestParts<S> for PageUser
where
    Accounts: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let accounts = Accounts::from_ref(state);
        let who = accounts
            .who(&parts.headers)
            .await
            .map_err(|error| error.into_notice().into_response())?;
        let Some(who) = who else {
            let path = parts.uri.path();
            // Only what can be asked for again is asked for again after signing in. What was sent is not kept, and that is said.
            let address = match parts.method {
                Method::GET | Method::HEAD => sign_in_address(path),
                _ if path == PASSWORD_PATH => sign_in_address_too_late(path),
                _ => sign_in_address_too_late((accounts.door().page_of)(path)),
            };
            return Err(Redirect::to(&address).into_response());
        };
        if who.user.must_change && ![PASSWORD_PATH, SIGN_OUT_PATH].contains(&parts.uri.path()) {
            return Err(Redirect::to(PASSWORD_PATH).into_response());
        }
        Ok(Self(who))
    }
}

/// Somebody who is signed in and uses the API. A change by cookie must carry [`CSRF_HEADER`].
#[derive(Debug, Clone)]
pub struct ApiUser(pub SignedIn);

impl<S> FromRequestParts<S> for ApiUser
where
    Accounts: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let accounts = Accounts::from_ref(state);
        let who = accounts
            .who(&parts.headers)
            .await
            .map_err(AccountsError::into_problem)?
            .ok_or_else(|| {
                Problem::new(ProblemType::Unauthenticated)
                    .detail("Meld u aan en stuur de sessie mee als Authorization: Bearer.")
            })?;
        if who.user.must_change {
            return Err(Problem::new(ProblemType::Forbidden)
                .detail("Kies eerst een eigen wachtwoord op de aanmeldpagina."));
        }
        let changes = !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let presented = parts
            .headers
            .get(CSRF_HEADER)
            .and_then(|value| value.to_str().ok());
        if changes && who.by_cookie() && !who.csrf_fits(presented) {
            return Err(Problem::new(ProblemType::Forbidden).detail(
                "Bij een sessie uit een cookie hoort de kop X-CSRF-Token; GET /api/v1/session geeft de waarde.",
            ));
        }
        Ok(Self(who))
    }
}

/// Why a form was not taken.
#[derive(Debug)]
pub enum FormRefused {
    /// Not signed in (any more), or the password must be changed first: what the browser gets instead.
    NotSignedIn(Response),
    /// No token, or that of another session: 403.
    NotOurs,
    /// A field is missing or cannot be read: 400.
    Unreadable,
}

impl IntoResponse for FormRefused {
    fn into_response(self) -> Response {
        match self {
            Self::NotSignedIn(response) => response,
            Self::NotOurs => Notice::form_not_ours().into_response(),
            Self::Unreadable => Notice::new(
                StatusCode::BAD_REQUEST,
                "Het formulier klopt niet",
                "Er ontbreekt iets in het formulier. Ga terug, vul alles in en verstuur het opnieuw.",
            )
            .into_response(),
        }
    }
}

/// A form of somebody who is signed in, with the session's token in its field `csrf`.
#[derive(Debug, Clone)]
pub struct SignedForm<T> {
    /// Who sends it.
    pub who: SignedIn,
    /// What it says.
    pub form: T,
}

#[derive(Deserialize)]
struct CsrfField {
    csrf: Option<String>,
}

impl<S, T> FromRequest<S> for SignedForm<T>
where
    Accounts: FromRef<S>,
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = FormRefused;

    async fn from_request(request: Request, state: &S) -> Result<Self, FormRefused> {
        let (mut parts, body) = request.into_parts();
        let PageUser(who) = PageUser::from_request_parts(&mut parts, state)
            .await
            .map_err(FormRefused::NotSignedIn)?;
        let (csrf, form) = read_form::<T>(&parts, body).await?;
        if !who.csrf_fits(csrf.as_deref()) {
            return Err(FormRefused::NotOurs);
        }
        let form = form.ok_or(FormRefused::Unreadable)?;
        Ok(Self { who, form })
    }
}

/// Reads a form's token and, if it can be read, what it says.
pub(crate) async fn read_form<T: DeserializeOwned>(
    parts: &Parts,
    body: axum::body::Body,
) -> Result<(Option<String>, Option<T>), FormRefused> {
    let request = Request::from_parts(parts.clone(), body);
    let limited = axum::extract::DefaultBodyLimit::max(FORM_MAX_BYTES);
    let mut request = request;
    limited.apply(&mut request);
    let bytes = axum::body::Bytes::from_request(request, &())
        .await
        .map_err(|_| FormRefused::Unreadable)?;
    let again = || Request::from_parts(parts.clone(), axum::body::Body::from(bytes.clone()));
    let Form(field) = Form::<CsrfField>::from_request(again(), &())
        .await
        .map_err(|_| FormRefused::Unreadable)?;
    let form = Form::<T>::from_request(again(), &())
        .await
        .ok()
        .map(|Form(form)| form);
    Ok((field.csrf, form))
}
