//! `[dev_issuer]`: the ports of the development issuer, and its users and clients.

use serde_json::{Map, Value};

use super::Secret;
use super::error::SettingsError;
use super::model;
use super::origins::Origins;
use super::values::{One, Text};

/// `[dev_issuer]`, where it is enabled.
#[derive(Clone, Debug, Default)]
pub(crate) struct DevIssuer {
    pub(crate) port: u16,
    /// The port for clients with certificates that their tokens are bound to, where these are requested.
    pub(crate) tls_port: u16,
    /// Whether DPoP proofs must contain a nonce of the issuer.
    pub(crate) dpop_nonce: bool,
    /// Whether access tokens are opaque, and introspected by the API.
    pub(crate) opaque_tokens: bool,
    /// The users who can sign in; empty for those of the quickstart.
    pub(crate) users: Vec<DevUser>,
    /// The clients beside those of the quickstart.
    pub(crate) clients: Vec<DevClient>,
}

/// One of `[[dev_issuer.users]]`.
#[derive(Clone, Debug)]
pub(crate) struct DevUser {
    pub(crate) name: String,
    pub(crate) subject: String,
    /// The scopes that the user's tokens can grant; `None` for all of the API.
    pub(crate) scopes: Option<Vec<String>>,
    /// Further claims of the user's tokens.
    pub(crate) claims: Map<String, Value>,
}

/// One of `[[dev_issuer.clients]]`.
#[derive(Clone, Debug)]
pub(crate) struct DevClient {
    pub(crate) id: String,
    /// `None` for a client that is accepted with any secret.
    pub(crate) secret: Option<Secret>,
    /// The scopes that the client can be granted; `None` for all of the API.
    pub(crate) scopes: Option<Vec<String>>,
    /// Where users may be redirected to; empty for any URL on loopback.
    pub(crate) redirect_uris: Vec<String>,
}

impl DevIssuer {
    /// # Errors
    /// A user or client has no name of its own.
    pub(super) fn resolve(
        model: &model::DevIssuer,
        origins: &Origins<'_>,
    ) -> Result<Self, SettingsError> {
        let users = model.user_entries.iter().zip(origins.entries("users"));
        let users = users.map(|(user, origins)| DevUser::resolve(user, &origins));
        let users = users.collect::<Result<Vec<_>, _>>()?;
        let clients = model.client_entries.iter().zip(origins.entries("clients"));
        let clients = clients.map(|(client, origins)| DevClient::resolve(client, &origins));
        let clients = clients.collect::<Result<Vec<_>, _>>()?;
        check_distinct(
            origins,
            "users",
            "name",
            users.iter().map(|user| &user.name),
        )?;
        check_distinct(
            origins,
            "users",
            "subject",
            users.iter().map(|user| &user.subject),
        )?;
        check_distinct(
            origins,
            "clients",
            "id",
            clients.iter().map(|client| &client.id),
        )?;
        Ok(Self {
            port: model.port.0,
            tls_port: model.tls_port.0,
            dpop_nonce: model.dpop_nonce.0,
            opaque_tokens: model.opaque_tokens.0,
            users,
            clients,
        })
    }
}

impl DevUser {
    fn resolve(model: &model::DevUser, origins: &Origins<'_>) -> Result<Self, SettingsError> {
        let text = |text: &Option<One<Text>>| text.as_ref().map(|text| text.0.clone());
        let name = named(text(&model.name), "name", origins)?;
        let subject = text(&model.subject).unwrap_or_else(|| format!("auth0|{name}"));
        Ok(Self {
            subject: named(Some(subject), "subject", origins)?,
            scopes: model.scopes.as_ref().map(|scopes| scopes.0.clone()),
            claims: model.claims.0.clone(),
            name,
        })
    }
}

impl DevClient {
    fn resolve(model: &model::DevClient, origins: &Origins<'_>) -> Result<Self, SettingsError> {
        let id = model.id.as_ref().map(|id| id.0.clone());
        Ok(Self {
            id: named(id, "id", origins)?,
            secret: model.secret.clone(),
            scopes: model.scopes.as_ref().map(|scopes| scopes.0.clone()),
            redirect_uris: model.redirect_uris.0.clone(),
        })
    }
}

/// A text that must be set and not empty.
fn named(text: Option<String>, key: &str, origins: &Origins<'_>) -> Result<String, SettingsError> {
    let text = text.filter(|text| !text.is_empty());
    text.ok_or_else(|| origins.reject(key, "each entry needs one, a text that is not empty"))
}

/// Checks that the values of `key` in the entries of a list differ.
fn check_distinct<'v>(
    origins: &Origins<'_>,
    list: &str,
    key: &str,
    values: impl Iterator<Item = &'v String>,
) -> Result<(), SettingsError> {
    let values: Vec<_> = values.collect();
    let again =
        (1..values.len()).find(|at| values.iter().take(*at).any(|former| *former == values[*at]));
    match again.and_then(|at| origins.entries(list).into_iter().nth(at)) {
        Some(entry) => Err(entry.reject(key, "is that of a former entry: each needs its own")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Trust;
    use super::super::tests::parsed;
    use super::*;

    fn resolved(text: &str) -> Result<DevIssuer, String> {
        match parsed(text, &[])?.trust {
            Trust::DevIssuer { own, .. } => Ok(own),
            Trust::Issuers(_) => Err("issuers".to_owned()),
        }
    }

    #[test]
    fn users_have_claims_of_any_type() {
        let text = r#"
            [[dev_issuer.users]]
            name = "Ada"
            [[dev_issuer.users]]
            name = "Grace"
            subject = "g-1"
            scopes = ["read:todos", "write:todos"]
            [dev_issuer.users.claims]
            roles = ["admin", "Editor"]
            orgId = 7
            level = 1.5
            "https://api.example/tenant" = { Name = "Acme", active = true }
            "#;
        let users = resolved(text).unwrap().users;
        assert_eq!(
            (users[0].name.as_str(), users[0].subject.as_str()),
            ("Ada", "auth0|Ada")
        );
        assert_eq!((&users[0].scopes, users[0].claims.len()), (&None, 0));
        assert_eq!(users[1].subject, "g-1");
        assert_eq!(
            users[1].scopes.as_deref().unwrap(),
            ["read:todos", "write:todos"]
        );
        let expected = serde_json::json!({
            "roles": ["admin", "Editor"], "orgId": 7, "level": 1.5,
            "https://api.example/tenant": {"Name": "Acme", "active": true},
        });
        assert_eq!(Value::from(users[1].claims.clone()), expected);
    }

    #[test]
    fn clients_have_secrets_and_redirect_uris() {
        let text = r#"
            [[dev_issuer.clients]]
            id = "spa"
            redirect_uris = ["http://localhost:5173/callback"]
            [[dev_issuer.clients]]
            id = "worker"
            secret = "hush"
            "#;
        let clients = resolved(text).unwrap().clients;
        assert_eq!(clients[0].redirect_uris, ["http://localhost:5173/callback"]);
        assert!(clients[0].secret.is_none());
        assert_eq!(clients[1].secret.as_ref().map(Secret::expose), Some("hush"));
    }

    #[test]
    fn a_wrong_entry_is_named_with_its_remedy() {
        let cases = [
            (
                "[[dev_issuer.users]]\nsubject = 'a'",
                "dev_issuer.users[0].name is missing: each entry needs one, a text that is not empty",
            ),
            (
                "[[dev_issuer.users]]\nname = ' '",
                "dev_issuer.users[0].name (file Settings.toml): each entry needs one, a text that is not empty",
            ),
            (
                "[[dev_issuer.users]]\nname = 'a'\n[[dev_issuer.users]]\nname = 'a'",
                "dev_issuer.users[1].name (file Settings.toml): is that of a former entry: each needs its own",
            ),
            (
                "[[dev_issuer.users]]\nname = 'a'\nsubject = 'x'\n[[dev_issuer.users]]\nname = 'b'\nsubject = 'x'",
                "dev_issuer.users[1].subject (file Settings.toml): is that of a former entry: each needs its own",
            ),
            (
                "[[dev_issuer.users]]\nname = 'a'\nsopes = 'x'",
                "dev_issuer.users[0].sopes (file Settings.toml): is not a known key; did you mean scopes? known here: name, subject, scopes, claims",
            ),
            (
                "[[dev_issuer.users]]\nname = 'a'\nscopes = 'a b'",
                "dev_issuer.users[0].scopes (file Settings.toml): must be scopes such as read:messages, without spaces, quotation marks and backslashes",
            ),
            (
                "[[dev_issuer.users]]\nname = 'a'\nclaims = 'hush'",
                "dev_issuer.users[0].claims (file Settings.toml): must be a section of claims, such as { roles = [\"admin\"] }",
            ),
            (
                "[[dev_issuer.users]]\nname = 'a'\nclaims = { exp = 1 }",
                "dev_issuer.users[0].claims (file Settings.toml): must not set iss, sub, aud, exp, iat, nbf: the issuer does",
            ),
            (
                "[[dev_issuer.users]]\nname = 'a'\nclaims = { x = [inf] }",
                "dev_issuer.users[0].claims (file Settings.toml): must contain only what JSON has: neither inf nor nan",
            ),
            (
                "[[dev_issuer.clients]]\nsecret = 'a'",
                "dev_issuer.clients[0].id is missing: each entry needs one, a text that is not empty",
            ),
            (
                "[[dev_issuer.clients]]\nid = 'a'\nredirect_uris = 'https://a.example/'",
                "dev_issuer.clients[0].redirect_uris (file Settings.toml): must be http or https URLs on loopback, such as http://localhost:5173/callback, without a fragment",
            ),
            (
                "[dev_issuer]\nusers = 'hush'",
                "dev_issuer.users (file Settings.toml): must be sections, each under [[dev_issuer.users]]",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(resolved(text).map(drop), Err(expected.to_owned()), "{text}");
        }
    }
}
