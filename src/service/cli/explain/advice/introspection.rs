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

pub(super) fn unknown_kind() -> Explanation {
    Explanation::new(
        "unknown_kind",
        "The issuer says that the token is active, but neither what kind of token it is (token_type) nor that it is for \
         this API (aud). It says the same of refresh tokens.",
        "If this is a refresh token, send the access_token of the same answer instead. Otherwise let the issuer put \
         token_type or aud into its responses, or set audience to the aud that it puts there.",
    )
}
