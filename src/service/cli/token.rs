//! Asks the development issuer for an access token and prints it, and nothing else.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use crate::jose::Algorithm;
use crate::keys::fetch::{Client, Posted};
use crate::service::config::{Settings, Trust};
use crate::service::error::{Error, TokenError};
use crate::test_kit::{ProofBuilder, SigningKey};

/// What the token shall be like.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A scope that the token shall grant; may be given several times.
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,

    /// Whom the token shall be about, instead of the demo client.
    #[arg(long, value_name = "SUB")]
    subject: Option<String>,

    /// How many seconds the token shall be valid.
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u32>,

    /// A further claim, its value as JSON; may be given several times.
    #[arg(long, value_name = "NAME=JSON", value_parser = claim)]
    claim: Vec<(String, Value)>,

    /// Bind the token to a key that is made for this alone (RFC 9449), and print a curl command with
    /// a proof for the one request that is named.
    #[arg(long, value_name = "METHOD URL", value_parser = call)]
    dpop: Option<Call>,
}

/// A request that a proof is made for.
#[derive(Clone, Debug)]
struct Call {
    method: String,
    url: Url,
}

/// Reads `METHOD URL`.
fn call(text: &str) -> Result<Call, &'static str> {
    let form = "write it as \"GET http://127.0.0.1:3010/api/private\"";
    let (method, url) = text.split_once(' ').ok_or(form)?;
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    let url = Url::parse(url).map_err(|_| form)?;
    let is_url = matches!(url.scheme(), "http" | "https");
    (is_method && is_url)
        .then(|| Call {
            method: method.to_owned(),
            url,
        })
        .ok_or(form)
}

/// Reads `NAME=JSON`; what is no JSON is a text.
fn claim(text: &str) -> Result<(String, Value), &'static str> {
    let (name, value) = text
        .split_once('=')
        .ok_or("write it as NAME=JSON, such as email_verified=true")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.to_owned(), value))
}

/// What the issuer answers, be it a token or a refusal.
#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

pub(super) fn run(arguments: &Arguments, settings: &Settings) -> Result<(), Error> {
    let Trust::DevIssuer { own, .. } = &settings.trust else {
        return Err(TokenError::NoDevIssuer.into());
    };
    let bound = arguments.dpop.as_ref().map(|call| {
        let key = SigningKey::generate(Algorithm::Es256);
        (call, key)
    });
    let key = bound.as_ref().map(|(_, key)| key);
    let answer = actix_web::rt::System::new().block_on(ask(own.port, arguments, key))?;
    let token = answer.access_token.ok_or_else(|| {
        let reason = answer.error_description.unwrap_or_default();
        TokenError::Refused(reason)
    })?;
    match bound {
        Some((call, key)) => println!("{}", curl(call, &token, &key)),
        None => println!("{token}"),
    }
    Ok(())
}

/// Asks the issuer, and once more where it wants its nonce in the proof by `key`.
async fn ask(
    port: u16,
    arguments: &Arguments,
    key: Option<&SigningKey>,
) -> Result<Answer, TokenError> {
    let endpoint = format!("http://localhost:{port}/oauth/token");
    let url = Url::parse(&endpoint).map_err(|_| TokenError::Unreadable)?;
    let client = Client::default();
    let post = async |nonce: Option<&str>| {
        let proof = key.map(|key| ProofBuilder::new(key, "POST", &endpoint));
        let proof = proof.map(|proof| match nonce {
            Some(nonce) => proof.nonce(nonce).build(),
            None => proof.build(),
        });
        let request = request(arguments).to_string();
        let posted = client.post(&url, request, proof.as_deref()).await;
        let Posted { body, nonce } =
            posted.map_err(|error| TokenError::Unreachable { port, error })?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| TokenError::Unreadable)?;
        Ok((answer, nonce))
    };
    match post(None).await? {
        (answer, Some(nonce)) if answer.error.as_deref() == Some("use_dpop_nonce") => {
            Ok(post(Some(&nonce)).await?.0)
        }
        (answer, _) => Ok(answer),
    }
}

/// The command that makes the call; its proof is good once, and for five minutes.
fn curl(call: &Call, token: &str, key: &SigningKey) -> String {
    let Call { method, url } = call;
    // A shell ends its quotes at this character, which a URL can do without.
    let url = url.as_str().replace('\'', "%27");
    let proof = ProofBuilder::new(key, method, &url).token(token).build();
    format!("curl -i -X {method} -H 'Authorization: DPoP {token}' -H 'DPoP: {proof}' '{url}'")
}

fn request(arguments: &Arguments) -> Value {
    let scopes = arguments.scope.join(" ");
    let client = if scopes.is_empty() {
        "demo"
    } else {
        "demo-read-write"
    };
    let mut request = Map::new();
    request.insert("grant_type".to_owned(), json!("client_credentials"));
    request.insert("client_id".to_owned(), json!(client));
    request.insert("client_secret".to_owned(), json!("any"));
    if !scopes.is_empty() {
        request.insert("scope".to_owned(), json!(scopes));
    }
    if !arguments.claim.is_empty() {
        let claims: Map<_, _> = arguments.claim.iter().cloned().collect();
        request.insert("claims".to_owned(), json!(Value::from(claims).to_string()));
    }
    if let Some(subject) = &arguments.subject {
        request.insert("sub".to_owned(), json!(subject));
    }
    if let Some(seconds) = arguments.expires_in {
        request.insert("expires_in".to_owned(), json!(seconds));
    }
    request.into()
}
