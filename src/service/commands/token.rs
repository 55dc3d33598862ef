//! Asks the development issuer for an access token and prints it, and nothing else.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use crate::keys::fetch::Client;
use crate::service::failure::{Failure, TokenError};
use crate::service::settings::{Settings, Trust};

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
    error_description: Option<String>,
}

pub(super) fn run(arguments: &Arguments, settings: &Settings) -> Result<(), Failure> {
    let Trust::DevIssuer { port, .. } = settings.trust else {
        return Err(TokenError::NoDevIssuer.into());
    };
    let request = request(arguments).to_string();
    let answer = actix_web::rt::System::new().block_on(async {
        let url = Url::parse(&format!("http://localhost:{port}/oauth/token"))
            .map_err(|_| TokenError::Unreadable)?;
        let body = Client::default().post(&url, request).await;
        let body = body.map_err(|error| TokenError::Unreachable { port, error })?;
        serde_json::from_slice::<Answer>(&body).map_err(|_| TokenError::Unreadable)
    })?;
    match answer {
        Answer {
            access_token: Some(token),
            ..
        } => println!("{token}"),
        Answer {
            error_description, ..
        } => {
            return Err(TokenError::Refused(error_description.unwrap_or_default()).into());
        }
    }
    Ok(())
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
