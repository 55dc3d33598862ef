//! How callers are authorized: security schemes from the trusted issuers, and the requirement of each route.

use std::collections::BTreeMap;

use utoipa::openapi::RefOr;
use utoipa::openapi::security::{
    AuthorizationCode, Flow, HttpAuthScheme, HttpBuilder, OAuth2, OpenIdConnect, Scopes,
    SecurityRequirement, SecurityScheme,
};

use super::row::add_implied;
use crate::extract::{Authentication, Requirement};
use crate::verifier::{AcceptedTokens, Endpoints, TokenSource};

/// The names of a document's security schemes; a token of any of them is accepted.
#[derive(Default)]
pub(super) struct Schemes(Vec<String>);

impl Schemes {
    /// Adds a scheme for each issuer to those of a document.
    pub(super) fn add(
        tokens: &AcceptedTokens,
        scopes: &BTreeMap<&'static str, String>,
        schemes: &mut BTreeMap<String, RefOr<SecurityScheme>>,
    ) -> Self {
        let schemes = tokens.sources.iter().map(|source| {
            let scheme = scheme(source, tokens, scopes);
            super::secure::add(schemes, NAME, scheme.into())
        });
        Self(schemes.collect())
    }

    /// What the route requires: one of these.
    pub(super) fn requirements(&self, requirement: &Requirement) -> Vec<SecurityRequirement> {
        if !requirement.takes_token() {
            return Vec::new();
        }
        let anonymous =
            (requirement.caller == Authentication::Optional).then(SecurityRequirement::default);
        let none = [Vec::new()];
        let alternatives = match requirement.scopes.as_slice() {
            [] => &none,
            alternatives => alternatives,
        };
        let of_scheme = |name: &String| {
            let with = |scopes: &Vec<&'static str>| {
                SecurityRequirement::new(name.as_str(), scopes.iter().copied())
            };
            alternatives.iter().map(with).collect::<Vec<_>>()
        };
        let required = self.0.iter().flat_map(of_scheme);
        anonymous.into_iter().chain(required).collect()
    }
}

fn scheme(
    source: &TokenSource,
    tokens: &AcceptedTokens,
    scopes: &BTreeMap<&'static str, String>,
) -> SecurityScheme {
    let description = [Some(source.description()), tokens.description()];
    let description = description
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ");
    if let Some(Endpoints {
        authorization,
        token,
    }) = &source.endpoints
    {
        let scopes = Scopes::from_iter(source.scopes(scopes));
        let flow = AuthorizationCode::with_refresh_url(authorization, token, scopes, token);
        let flow = Flow::AuthorizationCode(flow);
        return SecurityScheme::OAuth2(OAuth2::with_description([flow], description + PKCE));
    }
    match &source.discovery {
        Some(url) => {
            SecurityScheme::OpenIdConnect(OpenIdConnect::with_description(url, &description))
        }
        None => SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .bearer_format("JWT")
                .description(Some(description))
                .build(),
        ),
    }
}

impl TokenSource {
    /// The scopes that the routes require, and those of the issuer that imply them, each with a text.
    fn scopes(&self, required: &BTreeMap<&'static str, String>) -> BTreeMap<String, String> {
        let texts = required.iter();
        let mut texts: BTreeMap<_, _> = texts
            .map(|(name, text)| ((*name).to_owned(), text.clone()))
            .collect();
        for (wide, narrow) in &self.implications {
            let known = narrow.iter().map(String::as_str);
            for narrow in known.filter(|narrow| required.contains_key(narrow)) {
                add_implied(texts.entry(wide.clone()).or_default(), narrow);
            }
        }
        texts
    }

    fn description(&self) -> String {
        match &self.issuer {
            Some(issuer) => format!("An access token of the issuer {issuer}."),
            None => "An access token.".to_owned(),
        }
    }
}

impl AcceptedTokens {
    /// How possession of a token is proved, where that is asked for.
    fn description(&self) -> Option<String> {
        let text = if !self.bearer {
            DPOP_ALONE
        } else if self.certificates_required {
            CERTIFICATES_ALONE
        } else if self.dpop {
            DPOP_TOO
        } else {
            return None;
        };
        Some(text.to_owned())
    }
}

/// The same whatever the type of the scheme: what issuers publish decides that, and clients are generated from names.
const NAME: &str = "accessToken";

const PKCE: &str = " Authorization code flow with PKCE (S256).";

const DPOP_ALONE: &str = "Bearer tokens are rejected: the token must be bound to a key of the client, and each request \
                          has `Authorization: DPoP` and a proof in the header `DPoP` (RFC 9449).";

const DPOP_TOO: &str = "A token that is bound to a key of the client is sent as `Authorization: DPoP`, with a proof in the \
                        header `DPoP` (RFC 9449).";

const CERTIFICATES_ALONE: &str =
    "The token must be bound to the client certificate of the connection (RFC 8705).";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_that_imply_required_ones_by_configuration_are_listed() {
        let texts = |pairs: &[(&'static str, &str)]| {
            let pairs = pairs.iter().map(|(name, text)| (*name, (*text).to_owned()));
            pairs.collect::<BTreeMap<_, _>>()
        };
        let implied = |wide: &str, narrow: &[&str]| {
            let narrow = narrow.iter().map(|scope| (*scope).to_owned());
            (wide.to_owned(), narrow.collect())
        };
        let source = TokenSource {
            implications: vec![
                implied("admin", &["read", "write", "other"]),
                implied("write", &["read"]),
                implied("wide", &["other"]),
            ],
            ..TokenSource::default()
        };
        let scopes = source.scopes(&texts(&[("read", "For GET /a."), ("write", "")]));
        let expected = [
            ("admin", "Implies read. Implies write."),
            ("read", "For GET /a."),
            ("write", "Implies read."),
        ];
        let scopes = scopes.iter().map(|(name, text)| (&**name, &**text));
        assert!(scopes.eq(expected));
    }
}
