//! Requests an access token from the development issuer and prints it, and nothing else.

use std::io::{self, IsTerminal};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use crate::jose::Algorithm;
use crate::keys::fetch::{Client, Posted};
use crate::service::config::{Settings, Trust};
use crate::service::error::{Error, TokenError};
use crate::test_kit::{ProofBuilder, SigningKey};

/// The requested token.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A scope that the token grants; can be repeated.
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,

    /// The user that the token is issued for, instead of the demo client.
    #[arg(long, value_name = "SUB")]
    subject: Option<String>,

    /// How long the token is valid: 90s, 10m, 1h or 7d; a number without a unit counts seconds.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    expires_in: Option<u64>,

    /// Request a token that has expired.
    #[arg(long, conflicts_with = "audience")]
    expired: bool,

    /// Request a token for another API.
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,

    /// Request a token that names another issuer.
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,

    /// Another claim, its value as JSON; can be repeated.
    #[arg(long, value_name = "NAME=JSON", value_parser = claim)]
    claim: Vec<(String, Value)>,

    /// Bind the token to a new key (RFC 9449), and print a curl command with the token and a proof for this request.
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

/// Reads a duration such as `90s`, `10m`, `1h` or `7d`, or a number of seconds.
fn seconds(text: &str) -> Result<u64, &'static str> {
    let with_unit = |&(unit, length): &(char, u64)| Some((text.strip_suffix(unit)?, length));
    let (number, length) = UNITS.iter().find_map(with_unit).unwrap_or((text, 1));
    let number: Option<u64> = number.parse().ok();
    number
        .and_then(|number| number.checked_mul(length))
        .ok_or("write it as 90s, 10m, 1h or 7d")
}

/// Reads `NAME=JSON`; what is not JSON is a text.
fn claim(text: &str) -> Result<(String, Value), &'static str> {
    let (name, value) = text
        .split_once('=')
        .ok_or("write it as NAME=JSON, such as email_verified=true")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.to_owned(), value))
}

/// The issuer's response: a token or an error.
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
    if own.port == 0 {
        return Err(Error::NoPort);
    }
    let key = arguments
        .dpop
        .as_ref()
        .map(|_| SigningKey::generate(Algorithm::Es256));
    let request = request(arguments).to_string();
    let answer = actix_web::rt::System::new().block_on(send(own.port, &request, key.as_ref()))?;
    let token = answer.access_token.ok_or_else(|| TokenError::Rejected {
        port: own.port,
        reason: answer.error_description.unwrap_or_default(),
    })?;
    if io::stderr().is_terminal() {
        eprintln!("{}", from(own.port));
    }
    match arguments.dpop.as_ref().zip(key) {
        Some((call, key)) => println!("{}", curl(call, &token, &key)),
        None => println!("{token}"),
    }
    Ok(())
}

/// Where the token comes from, for terminals; scripts read the token alone.
fn from(port: u16) -> String {
    format!("from http://localhost:{port}/ (dev_issuer.port, variable APP__DEV_ISSUER__PORT)")
}

/// Sends the request, and again with the issuer's nonce if it requires one in the proof by `key`.
async fn send(port: u16, request: &str, key: Option<&SigningKey>) -> Result<Answer, TokenError> {
    let endpoint = format!("http://localhost:{port}/oauth/token");
    let url = Url::parse(&endpoint).map_err(|_| TokenError::Unreadable { port })?;
    let client = Client::default();
    let post = async |nonce: Option<&str>| {
        let proof = key.map(|key| ProofBuilder::new(key, "POST", &endpoint));
        let proof = proof.map(|proof| match nonce {
            Some(nonce) => proof.nonce(nonce).build(),
            None => proof.build(),
        });
        let posted = client
            .post(&url, request.to_owned(), proof.as_deref())
            .await;
        let Posted { body, nonce } =
            posted.map_err(|error| TokenError::Unreachable { port, error })?;
        let answer = serde_json::from_slice(&body);
        let answer: Answer = answer.map_err(|_| TokenError::Unreadable { port })?;
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

/// The parameters of the token endpoint.
fn request(arguments: &Arguments) -> Value {
    let scopes = arguments.scope.join(" ");
    let client = if scopes.is_empty() {
        "demo"
    } else {
        "demo-read-write"
    };
    let mut request = Map::new();
    let mut set = |name: &str, value: Value| request.insert(name.to_owned(), value);
    set("grant_type", json!("client_credentials"));
    set("client_id", json!(client));
    set("client_secret", json!("any"));
    if !scopes.is_empty() {
        set("scope", json!(scopes));
    }
    if !arguments.claim.is_empty() {
        let claims: Map<_, _> = arguments.claim.iter().cloned().collect();
        set("claims", json!(Value::from(claims).to_string()));
    }
    let texts = [
        ("sub", &arguments.subject),
        ("audience", &arguments.audience),
        ("issuer", &arguments.issuer),
        (
            "expires_in",
            &arguments.expires_in.map(|seconds| seconds.to_string()),
        ),
        ("dev_fault", &fault(arguments).map(str::to_owned)),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            set(name, json!(text));
        }
    }
    request.into()
}

/// What makes the API reject the token. Without it, the issuer only accepts its own audience.
fn fault(arguments: &Arguments) -> Option<&'static str> {
    if arguments.expired {
        Some("expired")
    } else if arguments.audience.is_some() {
        Some("wrong_audience")
    } else {
        None
    }
}

/// Units of `--expires-in`, and their lengths in seconds.
const UNITS: [(char, u64); 4] = [('s', 1), ('m', 60), ('h', 60 * 60), ('d', 24 * 60 * 60)];

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn a_duration_has_a_unit_or_counts_seconds() {
        let accepted = [
            ("90", 90),
            ("90s", 90),
            ("10m", 600),
            ("1h", 3600),
            ("7d", 604_800),
        ];
        for (text, expected) in accepted {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "h",
            "1w",
            "-1",
            "1.5h",
            "1 h",
            "h1",
            "999999999999999999d",
        ] {
            assert_eq!(
                seconds(text),
                Err("write it as 90s, 10m, 1h or 7d"),
                "{text}"
            );
        }
    }
}
