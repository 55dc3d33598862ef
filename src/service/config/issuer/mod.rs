//! The settings of one issuer → the issuer, or the key behind what is wrong with it as a whole.

use std::borrow::Cow;

use super::error::{KeyOrigin, SettingsError};
use super::file;
use super::introspection;
use super::model;
use super::origins::Origins;
use crate::issuer::{Issuer, IssuerBuilder, IssuerError, PARTY_CLAIMS, UrlRole};
use crate::jose::public_key;

/// The keys that configure an issuer; the others only describe how to trust it.
const CONFIGURING: [&str; 5] = [
    "issuer_base_url",
    "issuer",
    "jwks_uri",
    "public_key",
    "secret",
];

/// The first key that configures an issuer, if one is set.
pub(super) fn configured_by(origins: &Origins<'_>) -> Option<KeyOrigin> {
    CONFIGURING.iter().find_map(|key| origins.get(key))
}

pub(super) fn build(model: &model::Issuer, origins: &Origins<'_>) -> Result<Issuer, SettingsError> {
    builder(model, origins)?
        .build()
        .map_err(|error| explain(&error, origins))
}

/// The issuer as it is configured, not yet checked as a whole.
pub(super) fn builder(
    model: &model::Issuer,
    origins: &Origins<'_>,
) -> Result<IssuerBuilder, SettingsError> {
    let mut issuer = IssuerBuilder::default()
        .strict(model.strict.0)
        .clock_tolerance(model.clock_tolerance.0)
        .cache_max_age(model.cache_max_age.0)
        .cooldown_duration(model.cooldown_duration.0)
        .timeout_duration(model.timeout_duration.0)
        .longest_outage(model.longest_outage.0)
        .allow_http_hosts(model.allow_http_hosts.0.iter().cloned())
        .scope_claims(model.scope_claims.0.iter().cloned())
        .audience_claims(model.audience_claims.0.iter().cloned())
        .allow_any_audience(model.allow_any_audience.0)
        .tenants(model.tenants.0.iter().cloned())
        .token_types(model.token_types.0.iter().copied());
    for (claim, value) in &model.required_claims.0 {
        issuer = issuer.require(claim, value.clone());
    }
    for (wide, narrow) in &model.scope_implications.0 {
        issuer = issuer.scope_implies(wide, narrow);
    }
    for audience in &model.audience.0 {
        issuer = issuer.audience(audience);
    }
    for audience in &model.event_audience.0 {
        issuer = issuer.event_audience(audience);
    }
    if model.logout_revokes_user.0 && model.event_audience.0.is_empty() {
        return Err(origins.reject("logout_revokes_user", WITHOUT_EVENTS));
    }
    issuer = issuer.logout_revokes_user(model.logout_revokes_user.0);
    if let Some(url) = &model.issuer_base_url {
        issuer = issuer.base_url(&url.0);
    }
    if let Some(name) = &model.issuer {
        issuer = issuer.name(&name.0);
    }
    if let Some(url) = &model.jwks_uri {
        issuer = issuer.jwks_uri(&url.0);
    }
    if let Some(key) = &model.public_key {
        let key = public_key(&key.0).map_err(|problem| origins.reject("public_key", problem))?;
        issuer = issuer.public_key(&key);
    }
    if let Some(secret) = &model.secret {
        issuer = issuer
            .secret(&secret.0)
            .secret_encoding(model.secret_encoding);
    }
    if let Some(algorithms) = &model.token_signing_alg {
        issuer = issuer.algorithms(algorithms.0.iter().copied());
    }
    if let Some(age) = model.max_token_age {
        issuer = issuer.max_token_age(age.0);
    }
    let origins = origins.section("introspection");
    if let Some(introspection) = introspection::build(&model.introspection, &origins)? {
        issuer = issuer.introspection(introspection);
    }
    Ok(issuer)
}

/// The text of a public key: the value itself, or the content of the file that it names.
fn public_key(text: &str) -> Result<Cow<'_, str>, Cow<'static, str>> {
    if public_key::is_key(text) {
        return Ok(text.into());
    }
    if text.contains("://") {
        return Err(KEY_URL.into());
    }
    file::read_key(text)
        .map(Cow::Owned)
        .map_err(|problem| format!("{PUBLIC_KEY_NEEDED}; it {problem}").into())
}

/// Names the key that the error is about, its source and the remedy.
pub(super) fn explain(error: &IssuerError, origins: &Origins<'_>) -> SettingsError {
    let excludes = |key, other| {
        let other = origins.described(other);
        origins.reject(key, format!("excludes {other}: keep one of them"))
    };
    let of_url = |role, remedy| match role {
        UrlRole::BaseUrl => origins.reject("issuer_base_url", remedy),
        UrlRole::IntrospectionEndpoint => {
            origins.section("introspection").reject("endpoint", remedy)
        }
        UrlRole::JwksUri => origins.reject("jwks_uri", remedy),
    };
    match error {
        IssuerError::AnyAudienceWithAudience => excludes("allow_any_audience", "audience"),
        IssuerError::AnyAudienceWhileStrict => excludes("allow_any_audience", "strict"),
        IssuerError::AnyAudienceUnlimited => origins.reject("allow_any_audience", party_needed()),
        IssuerError::AudienceClaims => origins.reject("audience_claims", error.to_string()),
        IssuerError::EventAudience => origins.reject("event_audience", error.to_string()),
        IssuerError::TenantTemplate => origins.reject("issuer", error.to_string()),
        IssuerError::TenantsWithIntrospection => {
            let client = origins.section("introspection").described("client_id");
            origins.reject("tenants", format!("excludes {client}: keep one of them"))
        }
        IssuerError::Tenants => origins.reject("tenants", error.to_string()),
        IssuerError::NoTokenType => origins.reject("token_types", error.to_string()),
        IssuerError::RequiredClaim { claim } => {
            origins.reject("required_claims", value_needed(claim))
        }
        IssuerError::ImpliedScope | IssuerError::TooManyImplications => {
            origins.reject("scope_implications", error.to_string())
        }
        IssuerError::ScopeImpliesItself { cycle } => {
            let cycle = cycle.join(" implies ");
            origins.reject("scope_implications", format!("{CYCLE}: {cycle}"))
        }
        IssuerError::NoAudience => {
            origins.reject_required("audience", AUDIENCE_NEEDED, &CONFIGURING)
        }
        IssuerError::NoKeys => origins.reject_required("issuer_base_url", KEYS_NEEDED, &["issuer"]),
        IssuerError::NoIntrospectionEndpoint => {
            let section = origins.section("introspection");
            section.reject_required("endpoint", ENDPOINT_NEEDED, &["client_id"])
        }
        IssuerError::NoName => {
            let keys = ["jwks_uri", "public_key", "secret"];
            origins.reject_required("issuer", NAME_NEEDED, &keys)
        }
        IssuerError::NotAHttpHost => origins.reject("allow_http_hosts", HOSTS_NEEDED),
        IssuerError::NotAUrl { role } => of_url(*role, not_a_url(*role, origins)),
        IssuerError::NotPlain { role } => of_url(*role, PLAIN_NEEDED),
        IssuerError::PlainHttp { role } => of_url(*role, HTTPS_NEEDED),
        IssuerError::PublicKey(cause) => {
            origins.reject("public_key", format!("cannot be used: {cause}"))
        }
        IssuerError::PublicKeyWithJwksUri => excludes("public_key", "jwks_uri"),
        IssuerError::SecretWithJwksUri => excludes("secret", "jwks_uri"),
        IssuerError::SecretWithPublicKey => excludes("secret", "public_key"),
        IssuerError::SecretNotBase64 => {
            let encoding = origins.described("secret_encoding");
            origins.reject(
                "secret",
                format!("is not in base64, as {encoding} requires"),
            )
        }
        IssuerError::SecretTooShort { needed, .. } => origins.reject(
            "secret",
            format!("must have at least {needed} bytes, or it is weaker than the hash"),
        ),
        IssuerError::NoSecret { algorithm } => {
            let secret = origins.described("secret");
            let remedy = format!("{algorithm} needs a secret: set {secret}");
            origins.reject("token_signing_alg", remedy)
        }
        IssuerError::SecretForPublicKey { algorithm } => {
            let secret = origins.described("secret");
            let remedy =
                format!("{algorithm} does not go with {secret}: name HS256, HS384 or HS512");
            origins.reject("token_signing_alg", remedy)
        }
        IssuerError::SecretWithoutAlgorithm => {
            origins.reject_required("token_signing_alg", HMAC_NEEDED, &["secret"])
        }
        // Of several issuers, which are not built here.
        IssuerError::SharedAudience { .. }
        | IssuerError::SharedTokenPrefix { .. }
        | IssuerError::TwoSpellings { .. } => origins.reject("issuers", error.to_string()),
    }
}

fn party_needed() -> String {
    format!(
        "accepts the issuer's tokens for every API: add a claim to required_claims with a value (not true) that names \
         the client, tenant or owner whose tokens are accepted; it must be one of {}",
        PARTY_CLAIMS.join(", ")
    )
}

fn value_needed(claim: &str) -> String {
    format!(
        "the value of {} must be true, a text, a number, false or a list of these; a claim inside another is named by a \
         JSON pointer, such as \"/tenant/id\"",
        claim.escape_debug()
    )
}

/// What a text that is not the URL of an issuer must be.
fn not_a_url(role: UrlRole, origins: &Origins<'_>) -> &'static str {
    let introspection = origins.section("introspection");
    let text = match role {
        UrlRole::BaseUrl => origins.text("issuer_base_url"),
        UrlRole::IntrospectionEndpoint => introspection.text("endpoint"),
        UrlRole::JwksUri => origins.text("jwks_uri"),
    };
    match text {
        Some(text) if !text.contains("://") => SCHEME_NEEDED,
        _ => ABSOLUTE_NEEDED,
    }
}

const ABSOLUTE_NEEDED: &str = "must be an absolute URL such as https://tenant.eu.auth0.com/";

const AUDIENCE_NEEDED: &str =
    "name this API as tokens do in aud, for example AUDIENCE=https://quickstarts/api";

const CYCLE: &str = "must not let a scope imply itself, so remove one of these implications";

const ENDPOINT_NEEDED: &str =
    "set the URL where tokens are introspected, or issuer_base_url to discover it";

const HMAC_NEEDED: &str = "a secret needs its algorithm: HS256, HS384 or HS512";

const HOSTS_NEEDED: &str = "must be host names such as keycloak, without scheme and port";

const HTTPS_NEEDED: &str =
    "must be https; http is accepted on loopback and on the hosts of auth.allow_http_hosts only";

const KEYS_NEEDED: &str = "set where the keys are: issuer_base_url, jwks_uri, public_key or secret";

const NAME_NEEDED: &str = "set the issuer of these keys: the value of iss in tokens, such as https://tenant.eu.auth0.com/";

const PLAIN_NEEDED: &str =
    "must have no user name, password or fragment, and a query only of parameters such as ?p=name";

const KEY_URL: &str = "is a URL: set it as jwks_uri, from which keys are fetched";

const SCHEME_NEEDED: &str =
    "has no scheme: write https:// before it, such as https://tenant.eu.auth0.com/";

const PUBLIC_KEY_NEEDED: &str =
    "must be a PEM, JWK or JWK set, or the path of a file that contains one";

const WITHOUT_EVENTS: &str = "only applies when event_audience is set";

#[cfg(test)]
mod tests;
