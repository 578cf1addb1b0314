//! Who may see which task. Municipality and team decide, and safety is only for its desk (I10).

use voorveld_domain::{Purpose, Role};
use voorveld_store::users::User;

/// Whether a colleague may see a task of this purpose and team. What one may not see does not exist (404).
pub(crate) fn may_see(user: &User, purpose: Purpose, team: &str) -> bool {
    match purpose {
        Purpose::Safety => user.has_role(Role::SafetyDesk),
        _ => user.has_role(Role::TeamMember) && user.is_in(team),
    }
}

/// Whether a hold stands between a task and outreach (K11). The desk works on the very reason of the hold.
pub(crate) fn is_stopped(purpose: Purpose, held: bool) -> bool {
    held && purpose != Purpose::Safety
}
