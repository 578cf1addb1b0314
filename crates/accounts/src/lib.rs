//! Signing in: local accounts, server-side sessions, and the frame that every page behind them shares.
//!
//! Outreach and the console each open a [`Door`]: the same accounts, a cookie of its own, and the roles it is for. What a colleague
//! may do behind the door is not decided here.

mod assets;
mod extract;
mod frame;
mod pages;
mod password;
mod sign_in;

pub use assets::{STYLE_PATH, asset_routes};
pub use extract::{ApiUser, CSRF_HEADER, FormRefused, PageUser, SignedForm};
pub use frame::{Frame, Nav, Notice, Viewer, page};
pub use pages::{PASSWORD_PATH, SIGN_IN_PATH, SIGN_OUT_PATH, account_routes};
pub use password::{
    PASSWORD_MAX_BYTES, PASSWORD_MIN_CHARS, PasswordRefused, hash_password, login_is_well_formed,
};
pub use sign_in::{
    Accounts, AccountsError, BUSY_RETRY_AFTER, Begun, ChangeRefused, Door, HASHING_WAITING_MAX,
    REFRESH_HEADER, SESSION_IDLE, SESSION_MAX, SignInRefused, SignedIn, THROTTLE_FAILURES,
    THROTTLE_WINDOW,
};
