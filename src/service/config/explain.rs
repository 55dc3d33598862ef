//! Names the key behind each thing that can be wrong with an issuer as a whole.

use std::borrow::Cow;

use super::auth::Said;
use super::error::SettingsError;
use crate::issuer::{IssuerError, UrlRole};

impl Said {
    /// The key that the error is about, the layer that said it, and what would be right.
    pub(super) fn explain(&self, error: &IssuerError) -> SettingsError {
        match error {
            IssuerError::NoAudience => self.wrong("audience", AUDIENCE_NEEDED),
            IssuerError::NoKeys => self.wrong("issuer_base_url", KEYS_NEEDED),
            IssuerError::NoName => self.wrong("issuer", NAME_NEEDED),
            IssuerError::NoSecret { algorithm } => self.wrong(
                "token_signing_alg",
                format!("{algorithm} needs a secret: say {}", self.said("secret")),
            ),
            IssuerError::NotAHttpHost => self.wrong("allow_http_hosts", HOSTS_NEEDED),
            IssuerError::NotAUrl { role } => self.wrong(key_of(*role), ABSOLUTE_NEEDED),
            IssuerError::NotPlain { role } => self.wrong(key_of(*role), PLAIN_NEEDED),
            IssuerError::PlainHttp { role } => self.wrong(key_of(*role), HTTPS_NEEDED),
            IssuerError::PublicKey(cause) => {
                self.wrong("public_key", format!("cannot be used: {cause}"))
            }
            IssuerError::PublicKeyWithJwksUri => self.excludes("public_key", "jwks_uri"),
            IssuerError::SecretForPublicKey { algorithm } => self.wrong(
                "token_signing_alg",
                format!(
                    "{algorithm} does not go with {}: name HS256, HS384 or HS512",
                    self.said("secret")
                ),
            ),
            IssuerError::SecretTooShort { needed, .. } => self.wrong(
                "secret",
                format!("must have at least {needed} bytes, or it is weaker than the hash"),
            ),
            IssuerError::SecretWithJwksUri => self.excludes("secret", "jwks_uri"),
            IssuerError::SecretWithPublicKey => self.excludes("secret", "public_key"),
            // Of several issuers, which are not built here.
            IssuerError::SharedAudience { .. } | IssuerError::TwoSpellings { .. } => {
                self.wrong("issuers", error.to_string())
            }
            IssuerError::SecretWithoutAlgorithm => self.wrong("token_signing_alg", HMAC_NEEDED),
        }
    }

    fn excludes(&self, key: &str, other: &str) -> SettingsError {
        let other = self.said(other);
        self.wrong(key, format!("excludes {other}: keep one of them"))
    }

    fn wrong(&self, key: &str, remedy: impl Into<Cow<'static, str>>) -> SettingsError {
        match self.place(key) {
            Some(place) => place.refuse(remedy),
            None => SettingsError::Missing {
                key: self.path_of(key),
                remedy: remedy.into(),
            },
        }
    }

    fn said(&self, key: &str) -> String {
        self.place(key)
            .map_or_else(|| self.path_of(key), ToString::to_string)
    }
}

fn key_of(role: UrlRole) -> &'static str {
    match role {
        UrlRole::BaseUrl => "issuer_base_url",
        UrlRole::JwksUri => "jwks_uri",
    }
}

const ABSOLUTE_NEEDED: &str = "must be an absolute URL such as https://tenant.eu.auth0.com/";

const AUDIENCE_NEEDED: &str =
    "name this API as tokens carry it in aud, for example AUDIENCE=https://quickstarts/api";

const HMAC_NEEDED: &str = "a secret needs its algorithm: HS256, HS384 or HS512";

const HOSTS_NEEDED: &str = "must be host names such as keycloak, without scheme and port";

const HTTPS_NEEDED: &str =
    "must be https; http is accepted on loopback and on the hosts of auth.allow_http_hosts only";

const KEYS_NEEDED: &str = "say where the keys are: issuer_base_url, jwks_uri, public_key or secret";

const NAME_NEEDED: &str =
    "say whose keys these are: the value of iss in tokens, such as https://tenant.eu.auth0.com/";

const PLAIN_NEEDED: &str = "must have no user name, password, query or fragment";

#[cfg(test)]
mod tests {
    use super::super::tests::{issuers, parsed};
    use super::*;

    type Variables<'a> = &'a [(&'a str, &'a str)];

    /// The message about these variables; `FIVE` and `LONG` stand for secrets of 5 and 32 bytes.
    fn message(variables: Variables<'_>) -> String {
        let long = "s".repeat(32);
        let said = |value| match value {
            "FIVE" => "sssss",
            "LONG" => &*long,
            other => other,
        };
        let variables: Vec<_> = variables
            .iter()
            .map(|&(name, value)| (name, said(value)))
            .collect();
        let message = issuers("", &variables).map(drop).unwrap_err();
        assert!(!message.contains("sssss"), "{message}");
        message
    }

    const BASE: (&str, &str) = ("ISSUER_BASE_URL", "https://a.example/");
    const AUDIENCE: (&str, &str) = ("AUDIENCE", "api");

    #[test]
    fn what_is_missing_is_named_with_an_example() {
        let hmac = ("TOKEN_SIGNING_ALG", "HS256");
        let (secret, jwks_uri) = (("SECRET", "LONG"), ("JWKS_URI", "https://a.example/keys"));
        let cases: [(Variables<'_>, &str, &str); 6] = [
            (&[BASE], "audience", AUDIENCE_NEEDED),
            (&[BASE, ("AUDIENCE", "")], "audience", AUDIENCE_NEEDED),
            (&[AUDIENCE, jwks_uri], "issuer", NAME_NEEDED),
            (&[AUDIENCE, secret, hmac], "issuer", NAME_NEEDED),
            (&[AUDIENCE, ("ISSUER", "a")], "issuer_base_url", KEYS_NEEDED),
            (&[AUDIENCE, BASE, secret], "token_signing_alg", HMAC_NEEDED),
        ];
        for (variables, key, remedy) in cases {
            let expected = format!("auth.{key} is missing: {remedy}");
            assert_eq!(message(variables), expected, "{variables:?}");
        }
    }

    #[test]
    fn what_is_said_but_empty_is_named_with_its_layer() {
        let audience = format!("auth.audience (variable AUDIENCE): {AUDIENCE_NEEDED}");
        assert_eq!(message(&[BASE, ("AUDIENCE", " , ")]), audience);
        let issuer = format!("auth.issuer (variable APP__AUTH__ISSUER): {NAME_NEEDED}");
        assert_eq!(
            message(&[BASE, AUDIENCE, ("APP__AUTH__ISSUER", "")]),
            issuer
        );
    }

    #[test]
    fn urls_are_refused_at_the_key_that_says_them() {
        let cases = [
            ("tenant.eu.auth0.com", ABSOLUTE_NEEDED),
            ("ftp://a.example/", ABSOLUTE_NEEDED),
            ("https://me:sssss@a.example/", PLAIN_NEEDED),
            ("https://a.example/?q", PLAIN_NEEDED),
            ("http://a.example/", HTTPS_NEEDED),
        ];
        for (url, expected) in cases {
            let base = message(&[AUDIENCE, ("ISSUER_BASE_URL", url)]);
            assert_eq!(
                base,
                format!("auth.issuer_base_url (variable ISSUER_BASE_URL): {expected}")
            );
        }
        let keys = message(&[AUDIENCE, BASE, ("JWKS_URI", "http://a.example/keys")]);
        assert_eq!(
            keys,
            format!("auth.jwks_uri (variable JWKS_URI): {HTTPS_NEEDED}")
        );
    }

    #[test]
    fn hosts_that_allow_http_are_names() {
        let base = ("ISSUER_BASE_URL", "http://keycloak:8080/realms/shop");
        let hosts = "APP__AUTH__ALLOW_HTTP_HOSTS";
        let issuer = issuers("", &[AUDIENCE, base, (hosts, "other, keycloak")]);
        assert_eq!(issuer.map(|issuers| issuers.len()), Ok(1));
        let url = message(&[AUDIENCE, base, (hosts, "http://keycloak:8080")]);
        let expected = format!("auth.allow_http_hosts (variable {hosts}): {HOSTS_NEEDED}");
        assert_eq!(url, expected);
    }

    #[test]
    fn contradictions_name_both_sides() {
        let secret = ("SECRET", "LONG");
        let alg = |names| ("TOKEN_SIGNING_ALG", names);
        let cases: [(Variables<'_>, &str); 2] = [
            (
                &[AUDIENCE, BASE, alg("RS256,HS256")],
                "auth.token_signing_alg (variable TOKEN_SIGNING_ALG): \
                 HS256 needs a secret: say auth.secret",
            ),
            (
                &[AUDIENCE, BASE, secret, alg("RS256")],
                "auth.token_signing_alg (variable TOKEN_SIGNING_ALG): \
                 RS256 does not go with auth.secret (variable SECRET): name HS256, HS384 or HS512",
            ),
        ];
        for (variables, expected) in cases {
            assert_eq!(message(variables), expected);
        }
    }

    #[test]
    fn keys_come_from_one_place() {
        let secret = ("SECRET", "LONG");
        let jwks_uri = ("JWKS_URI", "https://a.example/keys");
        let public_key = ("APP__AUTH__PUBLIC_KEY", "{}");
        let cases = [
            (secret, "secret", jwks_uri, "jwks_uri"),
            (secret, "secret", public_key, "public_key"),
            (public_key, "public_key", jwks_uri, "jwks_uri"),
        ];
        for (one, key, other, other_key) in cases {
            let alg = if one == secret { "HS256" } else { "RS256" };
            let variables = [AUDIENCE, BASE, one, other, ("TOKEN_SIGNING_ALG", alg)];
            let expected = format!(
                "auth.{key} (variable {}): excludes auth.{other_key} (variable {}): keep one of them",
                one.0, other.0
            );
            assert_eq!(message(&variables), expected);
        }
    }

    #[test]
    fn a_public_key_that_is_none_is_refused() {
        let expected = "auth.public_key (variable APP__AUTH__PUBLIC_KEY): \
                        cannot be used: neither PEM nor a JWK nor a JWK set";
        let public_key = ("APP__AUTH__PUBLIC_KEY", "{sssss");
        assert_eq!(message(&[AUDIENCE, ("ISSUER", "a"), public_key]), expected);
    }

    #[test]
    fn a_secret_is_no_shorter_than_its_hash() {
        for (secret, algorithm, needed) in [("FIVE", "HS256", 32), ("LONG", "HS512", 64)] {
            let variables = [("SECRET", secret), ("TOKEN_SIGNING_ALG", algorithm)];
            let expected = format!(
                "auth.secret (variable SECRET): must have at least {needed} bytes, \
                 or it is weaker than the hash"
            );
            assert_eq!(
                message(&[&[AUDIENCE, BASE], &variables[..]].concat()),
                expected
            );
        }
    }

    #[test]
    fn an_entry_and_its_defaults_are_named_apart() {
        let entry = "[[auth.issuers]]\nissuer_base_url = 'https://a.example/'\n";
        let needs = "HS256 needs a secret: say auth.issuers[0].secret";
        let cases = [
            (
                entry.to_owned(),
                format!("auth.issuers[0].audience is missing: {AUDIENCE_NEEDED}"),
            ),
            (
                format!("[auth]\naudience = 'api'\ntoken_signing_alg = 'HS256'\n{entry}"),
                format!("auth.token_signing_alg (file Settings.toml): {needs}"),
            ),
            (
                format!("[auth]\naudience = 'api'\n{entry}token_signing_alg = 'HS256'"),
                format!("auth.issuers[0].token_signing_alg (file Settings.toml): {needs}"),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(parsed(&text, &[]).map(drop), Err(expected));
        }
    }
}
