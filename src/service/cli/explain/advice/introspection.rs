//! Explanations of tokens that are introspected.

use super::Explanation;

pub(super) fn inactive() -> Explanation {
    Explanation::new(
        "inactive_token",
        "The issuer says that the token is not active: it has expired, was revoked, or was never issued. Issuers also say \
         so of a token that this API's client may not introspect.",
        "Get a new token. If it is rejected, too, let the issuer permit the client of auth.introspection to introspect \
         tokens for this API.",
    )
}

pub(super) fn unavailable() -> Explanation {
    Explanation::new(
        "introspection_unavailable",
        "The issuer could not be asked about the token.",
        "The token may be valid. The log says why the call failed (introspection: …); the command check tests the \
         endpoint and the client credentials of auth.introspection.",
    )
}
