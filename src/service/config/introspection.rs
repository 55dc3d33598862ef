//! `[auth.introspection]`, and the same section of an entry of `[[auth.issuers]]`.

use super::error::SettingsError;
use super::file;
use super::model::{self, ClientAuth, IntrospectedTokens};
use super::origins::Origins;
use crate::issuer::{Introspection, IntrospectionClient};

/// The keys that need a client ID; the others have defaults.
const CONFIGURING: [&str; 6] = [
    "endpoint",
    "client_id",
    "client_secret",
    "client_auth",
    "private_key",
    "token_prefix",
];

/// `None` where no key that configures it is set.
pub(super) fn build(
    model: &model::Introspection,
    origins: &Origins<'_>,
) -> Result<Option<Introspection>, SettingsError> {
    if CONFIGURING.iter().all(|key| origins.get(key).is_none()) {
        return Ok(None);
    }
    let Some(id) = &model.client_id else {
        return Err(origins.reject_required("client_id", CLIENT_NEEDED, &CONFIGURING));
    };
    let client = client(&id.0, model, origins)?;
    let mut introspection = Introspection::new(client)
        .cache_max_age(model.cache_max_age.0)
        .calls_per_second(model.calls_per_second.0)
        .signed_responses(model.signed_responses.into());
    if let Some(url) = &model.endpoint {
        introspection = introspection.endpoint(&url.0);
    }
    if let Some(prefix) = &model.token_prefix {
        introspection = introspection.token_prefix(&prefix.0);
    }
    if model.tokens == IntrospectedTokens::All {
        introspection = introspection.all_tokens();
    }
    Ok(Some(introspection))
}

fn client(
    id: &str,
    model: &model::Introspection,
    origins: &Origins<'_>,
) -> Result<IntrospectionClient, SettingsError> {
    let needed_by = ["client_auth", "client_id"];
    let with_secret = |make: fn(&str, &str) -> IntrospectionClient| {
        if let Some(key) = origins.get("private_key") {
            return Err(key.reject("goes with client_auth = \"private_key_jwt\" only"));
        }
        let secret = model.client_secret.as_ref();
        let secret = secret
            .ok_or_else(|| origins.reject_required("client_secret", SECRET_NEEDED, &needed_by))?;
        Ok(make(id, &secret.0))
    };
    let default = if model.private_key.is_some() {
        ClientAuth::PrivateKeyJwt
    } else {
        ClientAuth::ClientSecretBasic
    };
    match model.client_auth.unwrap_or(default) {
        ClientAuth::ClientSecretBasic => with_secret(IntrospectionClient::basic),
        ClientAuth::ClientSecretPost => with_secret(IntrospectionClient::post),
        ClientAuth::PrivateKeyJwt => match &model.private_key {
            Some(key) => private_key(id, &key.0, model, origins),
            None => Err(origins.reject_required("private_key", KEY_NEEDED, &needed_by)),
        },
    }
}

fn private_key(
    id: &str,
    text: &str,
    model: &model::Introspection,
    origins: &Origins<'_>,
) -> Result<IntrospectionClient, SettingsError> {
    if let Some(secret) = origins.get("client_secret") {
        let key = origins.described("private_key");
        return Err(secret.reject(format!("excludes {key}: keep one of them")));
    }
    let reject = |problem: String| origins.reject("private_key", problem);
    let pem = if text.contains("-----BEGIN") {
        // Variables often carry line breaks as two characters.
        text.replace("\\n", "\n")
    } else {
        file::read_text(text.trim())
            .map_err(|problem| reject(format!("{KEY_FORM}; it {problem}")))?
    };
    let mut client = IntrospectionClient::private_key(id, &pem)
        .map_err(|error| reject(format!("cannot be used: {error}")))?;
    if let Some(algorithm) = &model.private_key_alg {
        client = client
            .algorithm(algorithm.0)
            .map_err(|error| origins.reject("private_key_alg", error.to_string()))?;
    }
    if let Some(id) = &model.private_key_id {
        client = client.key_id(&id.0);
    }
    if let Some(audience) = &model.assertion_audience {
        client = client.assertion_audience(&audience.0);
    }
    Ok(client)
}

const CLIENT_NEEDED: &str =
    "set the client ID of this API at the issuer, with which it may introspect tokens";

const KEY_FORM: &str = "must be the PEM of a private key, or the path of a file that contains it";

const KEY_NEEDED: &str = "set the private key of this client, as PEM or the path of a file";

const SECRET_NEEDED: &str = "set the secret of this client";
