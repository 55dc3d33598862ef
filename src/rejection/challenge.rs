//! `WWW-Authenticate`: the credentials that the API accepts ([RFC 6750 §3], [RFC 9449 §7.1], [RFC 9110 §11.6.1]).
//!
//! [RFC 6750 §3]: https://www.rfc-editor.org/rfc/rfc6750#section-3
//! [RFC 9449 §7.1]: https://www.rfc-editor.org/rfc/rfc9449#section-7.1
//! [RFC 9110 §11.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::http::StatusCode;

use super::Cause;
use crate::authorization::{AuthScheme, Schemes};
use crate::claims::authn::AuthnRequirement;

/// The schemes that are accepted, and the one that was used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChallengeContext {
    pub(crate) schemes: Schemes,
    pub(crate) used: Option<AuthScheme>,
    pub(crate) route: Option<Arc<RouteContext>>,
}

/// What the challenges of a route say beside the error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RouteContext {
    /// All scopes of the first alternative that the route declares.
    pub(crate) scopes: Vec<&'static str>,
    /// The URL of the metadata of the protected resource (RFC 9728 §5.1).
    pub(crate) resource_metadata: Option<String>,
}

impl ChallengeContext {
    /// The scheme whose challenge carries the error: the one that was used, or else the first that is offered.
    fn error_scheme(&self) -> AuthScheme {
        match self.used {
            Some(used) if self.schemes.accept(used) => used,
            _ if self.schemes.accept(AuthScheme::Bearer) => AuthScheme::Bearer,
            _ => AuthScheme::Dpop,
        }
    }
}

/// The challenges of one rejection, their parameters separated by commas.
///
/// ```text
/// Bearer realm="api", error="invalid_token", error_description="…", DPoP algs="RS256 … EdDSA"
/// ```
///
/// Every text in them is a constant of this crate or of the application.
#[derive(Debug)]
pub(super) struct Challenges<'r> {
    cause: &'r Cause,
    context: &'r ChallengeContext,
}

impl<'r> Challenges<'r> {
    pub(super) fn of(cause: &'r Cause, context: &'r ChallengeContext) -> Self {
        Self { cause, context }
    }

    /// The value of the header; `None` where other credentials would not help.
    pub(super) fn text(&self) -> Option<String> {
        if self.cause.code().is_none() && self.cause.status() != StatusCode::UNAUTHORIZED {
            return None;
        }
        let mut text = String::with_capacity(TYPICAL_LENGTH);
        for scheme in [AuthScheme::Bearer, AuthScheme::Dpop] {
            if self.context.schemes.accept(scheme) && self.is_needed(scheme) {
                if !text.is_empty() {
                    text.push_str(", ");
                }
                self.push(&mut text, scheme);
            }
        }
        Some(text)
    }

    /// A 401 offers each scheme; other rejections have the challenge of the scheme that was used.
    fn is_needed(&self, scheme: AuthScheme) -> bool {
        self.cause.status() == StatusCode::UNAUTHORIZED || scheme == self.context.error_scheme()
    }

    fn push(&self, text: &mut String, scheme: AuthScheme) {
        let mut parameters = Parameters::of(text, scheme);
        if scheme == AuthScheme::Bearer {
            parameters.push("realm", REALM);
        }
        if scheme == self.context.error_scheme() {
            self.push_error(&mut parameters);
        }
        self.push_route(&mut parameters);
        if scheme == AuthScheme::Dpop {
            parameters.push("algs", PROOF_ALGORITHMS);
        }
    }

    fn push_error(&self, parameters: &mut Parameters<'_>) {
        let Some(code) = self.cause.code() else {
            return;
        };
        parameters.push("error", code);
        parameters.push("error_description", &quotable(&self.cause.text()));
        if let Cause::InsufficientLogin(demand) = self.cause {
            push_login(demand, parameters);
        }
    }

    /// What a client needs to request another token; with any scheme, since a client reads the challenge of its own.
    fn push_route(&self, parameters: &mut Parameters<'_>) {
        if !is_about_token(self.cause.status()) {
            return;
        }
        let scopes = self.scopes();
        if !scopes.is_empty() {
            parameters.push("scope", &scopes.join(" "));
        }
        let route = self.context.route.as_deref();
        if let Some(url) = route.and_then(|route| route.resource_metadata.as_deref()) {
            parameters.push("resource_metadata", url);
        }
    }

    /// Those of the route, and those that the cause names beyond them.
    fn scopes(&self) -> Vec<&'static str> {
        let route = self.context.route.as_deref();
        let mut scopes = route.map(|route| route.scopes.clone()).unwrap_or_default();
        if let Cause::InsufficientScope { alternatives } = self.cause {
            for scope in alternatives.first().into_iter().flatten() {
                if !scopes.contains(scope) {
                    scopes.push(scope);
                }
            }
        }
        scopes
    }
}

/// Whether another token may help.
pub(super) fn is_about_token(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// The parameters for a new authorization request (RFC 9470 §3); there is none for methods.
fn push_login(demand: &AuthnRequirement, parameters: &mut Parameters<'_>) {
    if !demand.acr_values.is_empty() {
        parameters.push("acr_values", &demand.acr_values.join(" "));
    }
    if let Some(max_age) = demand.max_age {
        parameters.push("max_age", &max_age.as_secs().to_string());
    }
}

/// The parameters of one challenge (RFC 9110 §11.2).
struct Parameters<'t> {
    text: &'t mut String,
    separator: &'static str,
}

impl<'t> Parameters<'t> {
    fn of(text: &'t mut String, scheme: AuthScheme) -> Self {
        text.push_str(scheme.name());
        Self {
            text,
            separator: " ",
        }
    }

    fn push(&mut self, name: &str, value: &str) {
        for part in [self.separator, name, "=\"", value, "\""] {
            self.text.push_str(part);
        }
        self.separator = ", ";
    }
}

/// The application may describe its rules in any words; a description has %x20-21 / %x23-5B / %x5D-7E alone.
fn quotable(description: &str) -> Cow<'_, str> {
    let is_quotable = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if description.bytes().all(is_quotable) {
        return Cow::Borrowed(description);
    }
    let replaced = description.chars().map(|character| match character {
        '"' => '\'',
        '\\' => '/',
        ' '..='~' => character,
        _ => '?',
    });
    Cow::Owned(replaced.collect())
}

const REALM: &str = "api";

/// What a proof may be signed with (RFC 9449 §5.1): all that is asymmetric.
pub(crate) const PROOF_ALGORITHMS: &str =
    "RS256 RS384 RS512 ES256 ES384 ES512 PS256 PS384 PS512 EdDSA";

/// The capacity for both challenges with an error and its description.
const TYPICAL_LENGTH: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::Algorithm;

    crate::step_up!(Strong = acr ["gold", "silver"], amr "mfa", max_age 5 minutes);
    crate::step_up!(Methods = amr "mfa");

    fn text(cause: &Cause, schemes: Schemes, used: Option<AuthScheme>) -> String {
        let context = ChallengeContext {
            schemes,
            used,
            route: None,
        };
        Challenges::of(cause, &context).text().unwrap_or_default()
    }

    fn bearer(cause: &Cause) -> String {
        text(cause, Schemes::default(), Some(AuthScheme::Bearer))
    }

    #[test]
    fn a_plain_challenge_has_no_error_code() {
        let plain = Cause::Unauthenticated("Send a token.");
        assert_eq!(bearer(&plain), r#"Bearer realm="api""#);
    }

    #[test]
    fn a_description_never_breaks_the_header() {
        let cause = Cause::UnfulfilledRule("a \"b\" \\ \u{e4}\r\n");
        let expected =
            r#"Bearer realm="api", error="insufficient_scope", error_description="a 'b' / ???""#;
        assert_eq!(bearer(&cause), expected);
    }

    #[test]
    fn a_scope_is_named_where_one_would_do() {
        let alternatives = vec![vec!["a", "b"], vec!["c"]];
        let named = bearer(&Cause::InsufficientScope { alternatives });
        assert!(named.ends_with(r#"requires.", scope="a b""#), "{named}");
        let unnamed = bearer(&Cause::InsufficientScope {
            alternatives: Vec::new(),
        });
        assert!(unnamed.ends_with(r#"requires.""#), "{unnamed}");
    }

    #[test]
    fn each_challenge_names_the_scopes_of_the_route_and_the_metadata() {
        let url = "https://api.example/.well-known/oauth-protected-resource/api";
        let route = RouteContext {
            scopes: vec!["a", "b"],
            resource_metadata: Some(url.to_owned()),
        };
        let text = |cause: &Cause| {
            let context = ChallengeContext {
                schemes: Schemes::BOTH,
                used: Some(AuthScheme::Bearer),
                route: Some(Arc::new(route.clone())),
            };
            Challenges::of(cause, &context).text().unwrap_or_default()
        };
        let route = format!(r#"scope="a b", resource_metadata="{url}""#);
        let dpop = format!(r#"DPoP {route}, algs="{PROOF_ALGORITHMS}""#);
        let (none, bad) = (Cause::Unauthenticated("Who?"), Cause::InvalidToken("No."));
        let error = r#"error="invalid_token", error_description="No.""#;
        assert_eq!(
            text(&none),
            format!(r#"Bearer realm="api", {route}, {dpop}"#)
        );
        assert_eq!(
            text(&bad),
            format!(r#"Bearer realm="api", {error}, {route}, {dpop}"#)
        );
        // All scopes of the route, whichever of them is missing; those that only the cause names follow.
        for (missing, scopes) in [(vec!["b"], "a b"), (vec!["b", "c"], "a b c")] {
            let alternatives = vec![missing, vec!["d"]];
            let lacking = text(&Cause::InsufficientScope { alternatives });
            let expected = format!(r#"requires.", scope="{scopes}", resource_metadata="{url}""#);
            assert!(lacking.ends_with(&expected), "{lacking}");
        }
        let rule = text(&Cause::UnfulfilledRule("Gold."));
        assert!(
            rule.ends_with(&format!(r#"description="Gold.", {route}"#)),
            "{rule}"
        );
        // No other token would help.
        let invalid = text(&Cause::InvalidRequest("No."));
        assert!(invalid.ends_with(r#"description="No.""#), "{invalid}");
    }

    #[test]
    fn a_login_is_asked_for_by_all_that_the_level_says() {
        let strong = Cause::InsufficientLogin(AuthnRequirement::of::<Strong>());
        let needs = "The login of the token's user does not suffice; this route requires a login";
        let expected = format!(
            r#"error="insufficient_user_authentication", error_description="{needs} with acr gold or silver, with amr mfa, at most 300 s ago.", acr_values="gold silver", max_age="300""#
        );
        assert_eq!(
            bearer(&strong),
            format!(r#"Bearer realm="api", {expected}"#)
        );
        let algs = format!(r#"algs="{PROOF_ALGORITHMS}""#);
        assert_eq!(
            text(&strong, Schemes::BOTH, Some(AuthScheme::Dpop)),
            format!(r#"Bearer realm="api", DPoP {expected}, {algs}"#)
        );
        let methods = bearer(&Cause::InsufficientLogin(AuthnRequirement::of::<Methods>()));
        assert!(methods.ends_with(r#"a login with amr mfa.""#), "{methods}");
    }

    #[test]
    fn each_scheme_is_offered_and_the_used_one_carries_the_error() {
        let algs = format!(r#"algs="{PROOF_ALGORITHMS}""#);
        let error = r#"error="invalid_token", error_description="No.""#;
        let (none, cause) = (Cause::Unauthenticated("Who?"), Cause::InvalidToken("No."));
        let (both, dpop) = (Schemes::BOTH, Schemes::DPOP);
        let (by_bearer, by_dpop) = (Some(AuthScheme::Bearer), Some(AuthScheme::Dpop));
        for (cause, schemes, used, expected) in [
            (
                &none,
                both,
                None,
                format!(r#"Bearer realm="api", DPoP {algs}"#),
            ),
            (&none, dpop, None, format!("DPoP {algs}")),
            (
                &cause,
                both,
                by_bearer,
                format!(r#"Bearer realm="api", {error}, DPoP {algs}"#),
            ),
            (
                &cause,
                both,
                by_dpop,
                format!(r#"Bearer realm="api", DPoP {error}, {algs}"#),
            ),
            (
                &cause,
                both,
                None,
                format!(r#"Bearer realm="api", {error}, DPoP {algs}"#),
            ),
            (&cause, dpop, by_dpop, format!("DPoP {error}, {algs}")),
            (&cause, dpop, by_bearer, format!("DPoP {error}, {algs}")),
        ] {
            assert_eq!(text(cause, schemes, used), expected);
        }
    }

    #[test]
    fn a_caller_who_is_known_hears_of_the_scheme_that_was_used_alone() {
        let cause = Cause::UnfulfilledRule("Gold only.");
        let error = r#"error="insufficient_scope", error_description="Gold only.""#;
        let by = |used| text(&cause, Schemes::BOTH, Some(used));
        assert_eq!(
            by(AuthScheme::Bearer),
            format!(r#"Bearer realm="api", {error}"#)
        );
        let algs = format!(r#"algs="{PROOF_ALGORITHMS}""#);
        assert_eq!(by(AuthScheme::Dpop), format!("DPoP {error}, {algs}"));
        assert_eq!(text(&Cause::NoVerifier, Schemes::BOTH, None), "");
    }

    #[test]
    fn a_proof_may_be_signed_with_every_default_algorithm() {
        let default = Algorithm::ALL
            .iter()
            .copied()
            .filter(|known| known.is_default());
        let names: Vec<_> = default.map(Algorithm::name).collect();
        assert_eq!(PROOF_ALGORITHMS, names.join(" "));
    }
}
