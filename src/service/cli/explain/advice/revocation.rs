//! Tokens that are revoked, and those of which that is not known.

use super::Explanation;

pub(super) fn revoked() -> Explanation {
    Explanation::new(
        "revoked",
        "The token was revoked: its user, its session or the token itself.",
        "Let the user sign in again; the new token must be issued in a later second than the revocation.",
    )
}

pub(super) fn unknown() -> Explanation {
    Explanation::new(
        "revocation_unknown",
        "Whether the token is revoked is not known, because the store of revocations is unavailable.",
        "Check that Redis answers under revocation.store, or wait until it does.",
    )
}
