//! The frame of every page: who is looking, where one can go, and a page for when something is the matter.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use crate::sign_in::{Accounts, SignedIn};

/// A link in the head of the page.
#[derive(Debug, Clone)]
pub struct Nav {
    /// Where to.
    pub href: &'static str,
    /// What it says.
    pub label: &'static str,
    /// Whether one is there.
    pub current: bool,
}

/// Who looks at a page.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// What colleagues call them.
    pub name: String,
    /// The token of their forms.
    pub csrf: String,
}

/// What `base.html` needs.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The title of the page.
    pub title: String,
    /// The title of the door.
    pub door: &'static str,
    /// Who looks, if anybody is signed in.
    pub viewer: Option<Viewer>,
    /// Where one can go.
    pub nav: Vec<Nav>,
}

impl Frame {
    /// The frame around a page for somebody who is signed in.
    #[must_use]
    pub fn new(
        accounts: &Accounts,
        who: &SignedIn,
        title: impl Into<String>,
        nav: Vec<Nav>,
    ) -> Self {
        Self {
            title: title.into(),
            door: accounts.door().title,
            viewer: Some(Viewer {
                name: who.user.display_name.clone(),
                csrf: who.csrf(),
            }),
            nav,
        }
    }

    /// The frame around a page for anybody.
    #[must_use]
    pub fn anonymous(door: &'static str, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            door,
            viewer: None,
            nav: Vec::new(),
        }
    }
}

/// A page that says what is the matter and what to do.
#[derive(Debug, Clone, Template)]
#[template(path = "notice.html")]
pub struct Notice {
    frame: Frame,
    text: String,
    #[template(skip)]
    status: StatusCode,
}

impl Notice {
    /// Says what is the matter, in plain Dutch.
    #[must_use]
    pub fn new(status: StatusCode, title: &str, text: &str) -> Self {
        Self {
            frame: Frame::anonymous("Voorveld", title),
            text: text.to_owned(),
            status,
        }
    }

    /// There is nothing here, or not for this colleague: the two look alike.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "Niet gevonden",
            "Deze pagina is er niet, of hoort niet bij uw team.",
        )
    }

    /// Not with this account.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Geen toegang",
            "Met uw account kunt u deze pagina niet bekijken.",
        )
    }

    /// A form without the token of this session.
    #[must_use]
    pub fn form_not_ours() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Verstuur het formulier opnieuw",
            "Het formulier hoort niet (meer) bij deze sessie. Ga terug, laad de pagina opnieuw en verstuur het nog een keer.",
        )
    }

    /// Something we need is down.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Even niet beschikbaar",
            "Er is nu een storing aan onze kant. Probeer het over een paar minuten opnieuw.",
        )
    }

    /// Our fault: logs the cause here, once, and tells the reader nothing of it.
    #[must_use]
    pub fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(error = format!("{error:#}"), "a page failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Er ging iets mis",
            "Er ging iets mis aan onze kant. Probeer het later opnieuw.",
        )
    }
}

impl IntoResponse for Notice {
    fn into_response(self) -> Response {
        page(self.status, &self)
    }
}

/// A page as an answer.
pub fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "drawing a page failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
