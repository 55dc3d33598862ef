//! The tokens that a verifier accepts, for documents that describe them to clients.

use url::Url;

use super::Verifier;
use crate::authorization::AuthScheme;
use crate::issuer::{Issuer, WELL_KNOWN, is_template, issuer_of};
use crate::keys::IssuerKeys;

/// Who issues the tokens, and how they are presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AcceptedTokens {
    pub(crate) sources: Vec<TokenSource>,
    /// Whether tokens that are not bound to a key are accepted.
    pub(crate) bearer: bool,
    pub(crate) dpop: bool,
    /// Whether client certificates are asked for, and whether tokens must be bound to them.
    pub(crate) certificates: bool,
    pub(crate) certificates_required: bool,
    /// Whether keys, introspection or the replay store can be unavailable (503).
    pub(crate) may_be_undetermined: bool,
}

/// Where clients get tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TokenSource {
    pub(crate) issuer: Option<String>,
    pub(crate) endpoints: Option<Endpoints>,
    /// The URL of the discovery document.
    pub(crate) discovery: Option<String>,
    /// The first of its names by which this API is an audience.
    pub(crate) audience: Option<String>,
    /// The scopes that imply others by configuration, each with all of those.
    pub(crate) implications: Vec<(String, Vec<String>)>,
}

/// The endpoints in an issuer's discovery document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoints {
    pub(crate) authorization: String,
    pub(crate) token: String,
}

/// What a verifier that is not known yet accepts by default.
impl Default for AcceptedTokens {
    fn default() -> Self {
        Self {
            sources: vec![TokenSource::default()],
            bearer: true,
            dpop: true,
            certificates: false,
            certificates_required: false,
            may_be_undetermined: true,
        }
    }
}

impl Verifier {
    /// What is accepted, as far as it is known at this time.
    pub(crate) fn accepted_tokens(&self) -> AcceptedTokens {
        let senders = self.senders();
        let certificates = senders.certificates.as_ref();
        let dpop = senders.dpop.as_ref();
        let trust = self.0.trust.load();
        let named = self.named_issuers(&trust);
        let mut sources: Vec<_> = named.map(|keys| keys.token_source()).collect();
        if sources.is_empty() {
            sources.push(TokenSource::default());
        }
        let is_fetched =
            |keys: &IssuerKeys| keys.is_fetched() || keys.issuer.introspection.is_some();
        let is_fetched = trust.issuers.iter().any(|keys| is_fetched(keys));
        AcceptedTokens {
            sources,
            bearer: senders.schemes().accept(AuthScheme::Bearer),
            dpop: dpop.is_some(),
            certificates: certificates.is_some(),
            certificates_required: certificates.is_some_and(|own| own.is_required),
            may_be_undetermined: is_fetched
                || self.0.resolver.is_some()
                || dpop.is_some_and(|dpop| !dpop.accepts_unchecked),
        }
    }
}

impl IssuerKeys {
    fn token_source(&self) -> TokenSource {
        let name = self.name();
        TokenSource {
            issuer: Some(name.unwrap_or_else(|| self.issuer.label().to_owned())),
            endpoints: self.discovered().and_then(|document| {
                Some(Endpoints {
                    authorization: document.authorization.as_ref()?.to_string(),
                    token: document.token.as_ref()?.to_string(),
                })
            }),
            discovery: self.issuer.discovery_url(),
            audience: self.issuer.rules.audience.first().cloned(),
            implications: self.issuer.rules.scope_implications.to_vec(),
        }
    }
}

impl Issuer {
    /// The URL of the discovery document for clients: under the name of the issuer, as the base URL may be an internal
    /// address, and without a query, which may contain a key.
    fn discovery_url(&self) -> Option<String> {
        let base = self.base_url()?;
        let name = self.name().filter(|name| !is_template(name));
        let name = name.and_then(|name| Url::parse(name).ok());
        let base = match &name {
            Some(name) if matches!(name.scheme(), "http" | "https") => name,
            _ => base,
        };
        if base.path().contains(WELL_KNOWN) {
            let url = base.as_str();
            return Some(url.split_once('?').map_or(url, |(url, _)| url).to_owned());
        }
        let issuer = issuer_of(base);
        Some(format!("{issuer}{WELL_KNOWN}openid-configuration"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::Algorithm;

    #[test]
    fn the_discovery_document_is_named_as_clients_reach_it() {
        let of_issuer = "https://a.example/x/.well-known/openid-configuration";
        for (base, name, expected) in [
            ("https://a.example/x/", None, of_issuer),
            (of_issuer, None, of_issuer),
            // A query may contain a key.
            ("https://a.example/x?appid=1", None, of_issuer),
            (
                "https://a.example/x/.well-known/openid-configuration?p=1",
                None,
                of_issuer,
            ),
            // An internal address.
            (
                "https://internal.example/",
                Some("https://a.example/x"),
                of_issuer,
            ),
            (
                "https://a.example/x/",
                Some("https://b.example/{tenantid}/v2.0"),
                of_issuer,
            ),
            ("https://a.example/x/", Some("urn:b"), of_issuer),
        ] {
            let issuer = Issuer::discover(base).audience("api");
            let issuer = match name {
                Some(name) if is_template(name) => issuer.name(name).tenants(["*"]),
                Some(name) => issuer.name(name),
                None => issuer,
            };
            let issuer = issuer.build().expect("an issuer");
            assert_eq!(
                issuer.discovery_url().as_deref(),
                Some(expected),
                "{base} {name:?}"
            );
        }
    }

    #[test]
    fn issuers_that_are_added_are_named_unless_a_resolver_decides() {
        let issuer = |name| {
            let issuer = Issuer::with_secret(name, &"s".repeat(32), Algorithm::Hs256);
            issuer.audience("api").build().expect("an issuer")
        };
        let named = |verifier: &Verifier| {
            verifier.add_issuer(issuer("customer")).expect("another");
            let sources = verifier.accepted_tokens().sources.into_iter();
            sources.flat_map(|source| source.issuer).collect::<Vec<_>>()
        };
        let plain = Verifier::builder().start([issuer("own")]);
        assert_eq!(named(&plain.expect("a verifier")), ["own", "customer"]);
        let resolving = Verifier::builder().issuer_resolver(|_| None);
        let resolving = resolving.start([issuer("own")]);
        assert_eq!(named(&resolving.expect("a verifier")), ["own"]);
    }
}
