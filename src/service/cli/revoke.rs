//! Revokes tokens at the running service, as an operator.

use std::io::{self, Read, Write};

use clap::ArgGroup;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::output::{line, print};
use super::running::{NotConnected, Running};
use crate::service::config::{OPERATOR_PATH, OperatorToken, Settings, SettingsError};
use crate::service::error::Error;

/// Whose tokens are revoked.
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("target").required(true).args(["sub", "sid", "jti"])))]
pub(super) struct Arguments {
    /// Revoke the tokens of the user with this claim sub.
    #[arg(long, value_name = "SUBJECT")]
    sub: Option<String>,

    /// Revoke the tokens of the session with this claim sid.
    #[arg(long, value_name = "SESSION")]
    sid: Option<String>,

    /// Revoke the token with this claim jti.
    #[arg(long, value_name = "ID")]
    jti: Option<String>,

    /// The issuer of the tokens, by its iss or as the settings name it; needed where several are trusted.
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,

    /// Revoke tokens that were issued up to this second, such as 2026-01-31T12:00:00Z, or seconds since 1970. Without it, up
    /// to now, and `auth.clock_tolerance` more, because the issuer's clock may be ahead.
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    before: Option<u64>,
}

/// Seconds since 1970.
fn seconds(text: &str) -> Result<u64, &'static str> {
    let time = || text.parse().ok().map(Timestamp::as_second);
    let seconds = text.parse().ok().or_else(|| u64::try_from(time()?).ok());
    seconds.ok_or("write it as 2026-01-31T12:00:00Z, or as seconds since 1970")
}

pub(super) fn run(arguments: &Arguments, settings: &Settings) -> Result<(), Error> {
    let token = token(settings)?;
    let service = Running::of(settings);
    let silent = |reason: &str| service.silent(OPERATOR_PATH, reason);
    let connection = service.connect_for_secret();
    let mut connection = connection.map_err(|error| match error {
        NotConnected::Io(error) => silent(&error.kind().to_string()),
        NotConnected::Certificate(error) => error.into(),
        NotConnected::OtherCertificate => silent(OTHER_CERTIFICATE),
    })?;
    let answer = exchange(&mut connection, &request(arguments, token));
    let answer = answer.map_err(|error| silent(&error.kind().to_string()))?;
    let (status, body) = parts(&answer).ok_or_else(|| silent("its response is not HTTP"))?;
    if status == 204 {
        return print(arguments.done());
    }
    let problem: Option<Problem> = serde_json::from_slice(body).ok();
    let detail = problem.map_or_else(String::new, |problem| format!(": {}", problem.detail));
    Err(Error::NotRevoked {
        status,
        detail: line(&detail),
    })
}

/// The token that the running service knows, too.
fn token(settings: &Settings) -> Result<&OperatorToken, SettingsError> {
    let revocation = settings.revocation.as_ref();
    let revocation = revocation.ok_or_else(|| SettingsError::Missing {
        key: "revocation.enabled".to_owned(),
        remedy: ENABLED_NEEDED.into(),
    })?;
    let token = revocation.operator_token.as_ref();
    token.ok_or_else(|| SettingsError::Missing {
        key: "revocation.operator_token".to_owned(),
        remedy: TOKEN_NEEDED.into(),
    })
}

impl Arguments {
    fn body(&self) -> String {
        let texts = [
            ("subject", &self.sub),
            ("session", &self.sid),
            ("token_id", &self.jti),
            ("issuer", &self.issuer),
        ];
        let mut body = Map::new();
        for (name, value) in texts {
            if let Some(value) = value {
                body.insert(name.to_owned(), value.as_str().into());
            }
        }
        if let Some(seconds) = self.before {
            body.insert("before".to_owned(), seconds.into());
        }
        Value::from(body).to_string()
    }

    fn done(&self) -> &'static str {
        if self.sub.is_some() {
            "the tokens of this user are revoked\n"
        } else if self.sid.is_some() {
            "the tokens of this session are revoked\n"
        } else {
            "this token is revoked\n"
        }
    }
}

fn request(arguments: &Arguments, token: &OperatorToken) -> Zeroizing<String> {
    let body = arguments.body();
    Zeroizing::new(format!(
        "POST {OPERATOR_PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        token.expose(),
        body.len()
    ))
}

/// Sends the request, and reads the response to its end.
fn exchange(connection: &mut (impl Read + Write), request: &str) -> io::Result<Vec<u8>> {
    connection.write_all(request.as_bytes())?;
    connection.flush()?;
    let mut answer = Vec::new();
    match connection.take(LONGEST_ANSWER).read_to_end(&mut answer) {
        // A TLS session may end with the connection alone.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(answer),
    }
}

/// The status and the body of a response.
fn parts(answer: &[u8]) -> Option<(u16, &[u8])> {
    let status = answer.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    let status = std::str::from_utf8(status).ok()?.parse().ok()?;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    Some((status, answer.get(end.saturating_add(4)..)?))
}

/// The body of a rejection.
#[derive(Deserialize)]
struct Problem {
    detail: String,
}

const LONGEST_ANSWER: u64 = 64 * 1024;

const ENABLED_NEEDED: &str = "tokens can be revoked where the running service has it set to true, and a \
                              revocation.operator_token";

const TOKEN_NEEDED: &str = "tokens can be revoked with the one that the running service has";

const OTHER_CERTIFICATE: &str = "its certificate is not that of server.tls.certificate, and the token of operators is not sent to it";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn body(arguments: &[&str]) -> Result<Value, clap::error::ErrorKind> {
        let all = ["revoke"].iter().chain(arguments);
        let parsed = Command::try_parse_from(all).map_err(|error| error.kind())?;
        Ok(serde_json::from_str(&parsed.arguments.body()).expect("JSON"))
    }

    #[test]
    fn the_arguments_become_members_of_the_body() {
        let issuer = "https://issuer.example/";
        let time = "2026-01-31T12:00:00+01:00";
        assert_eq!(
            body(&["--sub", "a\"b", "--issuer", issuer, "--before", time]),
            Ok(serde_json::json!({"subject": "a\"b", "issuer": issuer, "before": 1_769_857_200}))
        );
        assert_eq!(
            body(&["--sid", "s", "--before", "7"]),
            Ok(serde_json::json!({"session": "s", "before": 7}))
        );
        let token = serde_json::json!({"token_id": "t"});
        assert_eq!(body(&["--jti", "t"]), Ok(token));
    }

    #[test]
    fn exactly_one_target_and_a_time_that_is_one_are_needed() {
        for arguments in [
            &[][..],
            &["--issuer", "i"],
            &["--sub", "a", "--sid", "b"],
            &["--jti", "a", "--before", "noon"],
            &["--jti", "a", "--before=-1"],
            &["--jti", "a", "--before", "1950-01-31T12:00:00Z"],
            &["--jti", "a", "--before", "2026-01-31T12:00:00"],
        ] {
            assert!(body(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn a_response_has_a_status_and_a_body() {
        let answer = b"HTTP/1.1 400 Bad Request\r\na: b\r\n\r\n{}";
        assert_eq!(parts(answer), Some((400, &b"{}"[..])));
        for other in [
            &b"SSH-2.0-x\r\n\r\n"[..],
            b"HTTP/1.1 20",
            b"HTTP/1.1 204 No Content\r\n",
        ] {
            assert_eq!(parts(other), None);
        }
    }
}
