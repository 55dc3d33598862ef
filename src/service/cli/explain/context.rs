//! What an explanation is based on: the decoded token, the trusted issuers and the time; and how their values are shown.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use url::Url;

use crate::Requirement;
use crate::claims::NumericDate;
use crate::claims::claim_name::ClaimName;
use crate::issuer::{Issuer, TokenType};
use crate::keys::is_issuer;
use crate::service::cli::output::line;
use crate::verifier::Unready;

/// One token, and one server that decides on it.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) token: Token,
    pub(super) issuers: &'a [Issuer],
    /// Whether the issuer is the development issuer.
    pub(super) is_development: bool,
    /// The issuers whose keys are not available, and why.
    pub(super) unready: Vec<Unready>,
    /// Since 1970.
    pub(super) now: Duration,
    /// The URL of the metadata that challenges name.
    pub(super) metadata: Option<String>,
    /// That of the route, if one is named.
    pub(super) requirement: Option<&'a Requirement>,
}

impl Context<'_> {
    /// The issuer of `iss`, up to a trailing slash; of several entries the one that `aud` selects.
    pub(super) fn issuer(&self) -> Option<&Issuer> {
        let named = self.token.issuer()?;
        let is_named = |issuer: &&Issuer| is_issuer(issuer, named);
        let is_meant = |issuer: &&Issuer| {
            let mut claims = issuer.rules.audience_claims.iter();
            let decisive = claims.find_map(|claim| self.token.find(claim.as_str()));
            let audience = texts(decisive);
            let mut accepted = issuer.rules.audience.iter();
            accepted.any(|accepted| audience.contains(&accepted.as_str()))
        };
        let mut entries = self.issuers.iter().filter(is_named);
        entries.clone().find(is_meant).or_else(|| entries.next())
    }

    /// The accepted audiences, of the token's issuer or of all.
    pub(super) fn accepted_audience(&self) -> Vec<&str> {
        match self.issuer() {
            Some(issuer) => issuer.rules.audience.iter().map(String::as_str).collect(),
            None => {
                let audiences = self
                    .issuers
                    .iter()
                    .flat_map(|issuer| &issuer.rules.audience);
                audiences.map(String::as_str).collect()
            }
        }
    }

    /// The claims that may name the audience.
    pub(super) fn audience_claims(&self) -> Vec<&str> {
        let claims = self.issuer().map(|issuer| &issuer.rules.audience_claims);
        let names = claims.into_iter().flatten();
        names.map(ClaimName::as_str).collect()
    }

    /// Another claim, which some issuers name the audience or the client in, with the value of an accepted audience.
    pub(super) fn claim_with_audience(&self) -> Option<&'static str> {
        let accepted = self.accepted_audience();
        let names = |claim: &&'static str| {
            let texts = texts(self.token.claim(claim));
            texts.iter().any(|text| accepted.contains(text))
        };
        CLAIMS_OF_CLIENTS.into_iter().find(names)
    }

    pub(super) fn has_max_age(&self) -> bool {
        self.issuer()
            .is_some_and(|issuer| issuer.rules.max_token_age.is_some())
    }

    /// The type that the token's header names, if it is a known one.
    pub(super) fn token_type(&self) -> Option<TokenType> {
        match self.token.parameter("typ") {
            None => Some(TokenType::Jwt),
            Some(named) => named.as_str()?.parse().ok(),
        }
    }
}

/// The parts of a token that can be decoded, unverified, without the signature.
#[derive(Debug, Default)]
pub(super) struct Token {
    /// The number of parts between dots.
    pub(super) parts: usize,
    /// The number of words between spaces.
    words: usize,
    pub(super) header: Option<Map<String, Value>>,
    pub(super) claims: Option<Map<String, Value>>,
}

impl Token {
    pub(super) fn decode(token: &str) -> Self {
        let mut parts = token.split('.');
        let (header, claims) = (parts.next(), parts.next());
        Self {
            parts: token.split('.').count(),
            words: token.split_whitespace().count(),
            header: header.and_then(object),
            claims: claims.and_then(object),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words == 0
    }

    pub(super) fn is_one_word(&self) -> bool {
        self.words == 1
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&Value> {
        self.header.as_ref()?.get(name)
    }

    pub(super) fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.as_ref()?.get(name)
    }

    pub(super) fn has_claim(&self, name: &str) -> bool {
        self.claim(name).is_some()
    }

    /// `alg`, if it is a string.
    pub(super) fn algorithm(&self) -> Option<&str> {
        self.parameter("alg")?.as_str()
    }

    pub(super) fn issuer(&self) -> Option<&str> {
        self.claim("iss")?.as_str()
    }

    /// The strings of `aud`.
    pub(super) fn audience(&self) -> Vec<&str> {
        texts(self.claim("aud"))
    }

    /// A claim by its name or a JSON pointer.
    pub(super) fn find(&self, claim: &str) -> Option<&Value> {
        let Some(pointer) = claim.strip_prefix('/') else {
            return self.claim(claim);
        };
        let (name, rest) = match pointer.split_once('/') {
            Some((name, rest)) => (name, format!("/{rest}")),
            None => (pointer, String::new()),
        };
        let name = name.replace("~1", "/").replace("~0", "~");
        self.claim(&name)?.pointer(&rest)
    }

    /// A time since 1970.
    pub(super) fn time(&self, claim: &str) -> Option<Duration> {
        let seconds = self.claim(claim)?.as_f64()?;
        NumericDate::from_seconds(seconds).map(NumericDate::since_epoch)
    }

    /// The origin of `htu`, in a DPoP proof.
    pub(super) fn origin(&self) -> Option<String> {
        let url = Url::parse(self.claim("htu")?.as_str()?).ok()?;
        Some(url.origin().ascii_serialization())
    }

    /// Whether it is a JWE (RFC 7516), which only its recipient can read.
    pub(super) fn is_encrypted(&self) -> bool {
        self.parts == 5 || self.parameter("enc").is_some()
    }

    /// Whether it looks like an ID token (OpenID Connect Core §2): it describes a user or a login, and grants no scope.
    pub(super) fn looks_like_id_token(&self) -> bool {
        let has = |claims: &[&str]| claims.iter().any(|claim| self.has_claim(claim));
        let of_keycloak = self.claim("typ").is_some_and(|typ| typ == "ID");
        of_keycloak || (has(&OF_ID_TOKENS) && !has(&["scope", "scp"]))
    }

    /// Whether it is one of Keycloak's refresh tokens, which are JWTs.
    pub(super) fn is_refresh_token(&self) -> bool {
        self.claim("typ")
            .is_some_and(|typ| typ == "Refresh" || typ == "Offline")
    }
}

/// The strings of a claim that is one, or an array.
fn texts(claim: Option<&Value>) -> Vec<&str> {
    match claim {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The claims in which issuers name clients, where `aud` is absent.
const CLAIMS_OF_CLIENTS: [&str; 6] = ["client_id", "azp", "cid", "appid", "resource", "iss"];

/// OpenID Connect Core §2, §3.3.2.11 and §5.1, and Auth0's session; an access token may describe its login too (RFC
/// 9068 §2.2.1).
const OF_ID_TOKENS: [&str; 9] = [
    "at_hash",
    "c_hash",
    "email",
    "name",
    "nickname",
    "nonce",
    "picture",
    "preferred_username",
    "sid",
];

fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = BASE64URL_NOPAD.decode(part.as_bytes()).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// A string from the token, quoted, escaped and shortened.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("\"{}\"", line(&shown))
}

/// Several strings, quoted.
pub(super) fn listed<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = texts.into_iter().map(quoted).collect();
    if quoted.is_empty() {
        return "nothing".to_owned();
    }
    quoted.join(", ")
}

/// A length of time in whole seconds, such as `1h 2m 3s`.
pub(super) fn span(length: Duration) -> String {
    let seconds = i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
    format!("{:#}", SignedDuration::from_secs(seconds))
}

/// A time since 1970, and its distance from `now`.
pub(super) fn moment(at: Duration, now: Duration) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    let date =
        Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string());
    match at.checked_sub(now) {
        Some(ahead) => format!("{date} (in {})", span(ahead)),
        None => format!("{date} ({} ago)", span(now.saturating_sub(at))),
    }
}

/// Enough for the URL of an issuer or an API, in characters.
const MAX_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn contents(claims: &Value) -> Token {
        let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let header = json!({"alg": "RS256"});
        Token::decode(&format!("{}.{}.AAAA", encode(&header), encode(claims)))
    }

    #[test]
    fn header_and_claims_are_read_and_the_signature_is_not() {
        let contents = contents(&json!({"iss": "a", "aud": ["b", "c"], "exp": 7}));
        assert_eq!(contents.parts, 3);
        assert_eq!(contents.algorithm(), Some("RS256"));
        assert_eq!(contents.issuer(), Some("a"));
        assert_eq!(contents.audience(), ["b", "c"]);
        assert_eq!(contents.time("exp"), Some(Duration::from_secs(7)));
        assert!(!format!("{contents:?}").contains("AAAA"));
    }

    #[test]
    fn what_cannot_be_read_is_not_there() {
        for token in ["", "a", "..", "a.b.c.d", "eyJ9.W10.x"] {
            let contents = Token::decode(token);
            assert!(
                contents.header.is_none() && contents.claims.is_none(),
                "{token}"
            );
        }
    }

    #[test]
    fn id_tokens_are_distinguished_from_access_tokens() {
        let cases = [
            (json!({"nonce": "x"}), true),
            (json!({"nonce": "x", "scope": "openid"}), false),
            (json!({"at_hash": "x"}), true),
            (json!({"acr": "x", "amr": ["mfa"], "auth_time": 1}), false),
            (json!({"typ": "ID", "scope": "x"}), true),
            (json!({"typ": "Bearer"}), false),
            (json!({"aud": "app", "sid": "x"}), true),
            (json!({"aud": "app", "email": "x"}), true),
            (json!({"email": "x", "scp": []}), false),
            (json!({}), false),
        ];
        for (claims, expected) in cases {
            assert_eq!(
                contents(&claims).looks_like_id_token(),
                expected,
                "{claims}"
            );
        }
    }

    #[test]
    fn texts_of_a_token_can_do_no_harm() {
        assert_eq!(quoted("a\u{1b}[2J\n"), r#""a\u{1b}[2J\n""#);
        assert_eq!(
            quoted(&"ä".repeat(201)),
            format!("\"{}…\"", "ä".repeat(200))
        );
        assert_eq!(listed(["a", "b"]), r#""a", "b""#);
        assert_eq!(listed([]), "nothing");
    }

    #[test]
    fn times_are_shown_as_dates_and_distances() {
        let seconds = Duration::from_secs;
        assert_eq!(span(seconds(3723)), "1h 2m 3s");
        assert_eq!(
            moment(seconds(60), seconds(0)),
            "1970-01-01T00:01:00Z (in 1m)"
        );
        assert_eq!(
            moment(seconds(0), seconds(5)),
            "1970-01-01T00:00:00Z (5s ago)"
        );
        assert_eq!(
            moment(seconds(7), seconds(7)),
            "1970-01-01T00:00:07Z (in 0s)"
        );
    }
}
