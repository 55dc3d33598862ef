//! The clients that a developer can be, and how they say which one they are.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, Header};
use actix_web_httpauth::headers::authorization::{Authorization, Basic};
use url::form_urlencoded;

use super::error::Refusal;
use super::parameters::Parameters;

/// A client and the most that it is granted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) id: &'static str,
    pub(super) scopes: &'static [&'static str],
}

/// One client for each way of being granted scopes.
pub(super) const CLIENTS: [Client; 4] = [
    Client {
        id: "demo",
        scopes: &[],
    },
    Client {
        id: "demo-read",
        scopes: &[READ],
    },
    Client {
        id: "demo-write",
        scopes: &[WRITE],
    },
    Client {
        id: "demo-read-write",
        scopes: &SCOPES,
    },
];

/// All scopes that anybody is granted.
pub(super) const SCOPES: [&str; 2] = [READ, WRITE];

pub(super) const READ: &str = "read:messages";
const WRITE: &str = "write:messages";

impl Client {
    /// Finds the client that a request names, in the `Authorization` header or in the body (RFC
    /// 6749 §2.3.1).
    ///
    /// Any `client_secret` that is not empty will do: this is for development, so there is no
    /// secret to keep, but a client that forgets to send one shall learn it here.
    ///
    /// # Errors
    /// [`Refusal::UnknownClient`]; [`Refusal::TwoCredentials`] when both places hold a secret.
    pub(super) fn authenticate(
        request: &HttpRequest,
        parameters: &Parameters,
    ) -> Result<&'static Self, Refusal> {
        let header_tried = request.headers().contains_key(AUTHORIZATION);
        let (id, secret) = (
            parameters.find("client_id"),
            parameters.find("client_secret"),
        );
        let unknown = Refusal::UnknownClient { header_tried };
        if !header_tried {
            secret.ok_or(unknown)?;
            return Self::find(id.ok_or(unknown)?).ok_or(unknown);
        }
        if secret.is_some() {
            return Err(Refusal::TwoCredentials);
        }
        let basic = Authorization::<Basic>::parse(request).map_err(|_| unknown)?;
        let basic = basic.as_ref();
        basic
            .password()
            .filter(|secret| !secret.is_empty())
            .ok_or(unknown)?;
        Self::find(&decoded(basic.user_id())).ok_or(unknown)
    }

    fn find(id: &str) -> Option<&'static Self> {
        const { &CLIENTS }.iter().find(|client| client.id == id)
    }
}

/// The `client_id` of a request that anybody may make: what it acts on is bound to the client, and
/// a secret that is sent all the same is not looked at.
///
/// # Errors
/// [`Refusal::NoClientId`]; [`Refusal::UnknownClient`] for a header that is not `Basic`.
pub(super) fn public_id(request: &HttpRequest, parameters: &Parameters) -> Result<String, Refusal> {
    if let Some(id) = parameters.find("client_id") {
        return Ok(id.to_owned());
    }
    if !request.headers().contains_key(AUTHORIZATION) {
        return Err(Refusal::NoClientId);
    }
    let basic = Authorization::<Basic>::parse(request);
    let basic = basic.map_err(|_| Refusal::UnknownClient { header_tried: true })?;
    Ok(decoded(basic.as_ref().user_id()).into_owned())
}

/// Undoes the form encoding that RFC 6749 §2.3.1 wants inside of `Basic`.
fn decoded(id: &str) -> Cow<'_, str> {
    let pair = form_urlencoded::parse(id.as_bytes()).next();
    pair.map(|(id, _)| id).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use data_encoding::BASE64;

    use super::*;

    fn by_body(body: &str) -> Result<&'static str, Refusal> {
        let parameters = Parameters::parse("", body.as_bytes()).unwrap();
        let request = TestRequest::default().to_http_request();
        Client::authenticate(&request, &parameters).map(|client| client.id)
    }

    fn by_header(header: &str, body: &str) -> Result<&'static str, Refusal> {
        let parameters = Parameters::parse("", body.as_bytes()).unwrap();
        let request = TestRequest::default().insert_header((AUTHORIZATION, header));
        Client::authenticate(&request.to_http_request(), &parameters).map(|client| client.id)
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", BASE64.encode(pair.as_bytes()))
    }

    #[test]
    fn any_secret_will_do_in_the_body_and_in_the_header() {
        for client in CLIENTS {
            let body = format!("client_id={}&client_secret=anything", client.id);
            assert_eq!(by_body(&body), Ok(client.id));
            assert_eq!(
                by_header(&basic(&format!("{}:x", client.id)), ""),
                Ok(client.id)
            );
        }
        let encoded = basic("demo%2Dread:x");
        assert_eq!(by_header(&encoded, ""), Ok("demo-read"));
    }

    #[test]
    fn no_secret_or_another_client_is_refused() {
        let refused = Err(Refusal::UnknownClient {
            header_tried: false,
        });
        let bodies = [
            "",
            "client_id=demo",
            "client_id=demo&client_secret=",
            "client_secret=x",
            "client_id=other&client_secret=x",
            "client_id=DEMO&client_secret=x",
        ];
        for body in bodies {
            assert_eq!(by_body(body), refused, "{body}");
        }
        let refused = Err(Refusal::UnknownClient { header_tried: true });
        for header in [
            &basic("demo:"),
            &basic("demo"),
            &basic("other:x"),
            "Basic !",
            "Bearer x",
        ] {
            assert_eq!(by_header(header, "client_id=demo"), refused, "{header}");
        }
    }

    #[test]
    fn two_secrets_are_one_too_many() {
        let both = by_header(&basic("demo:x"), "client_id=demo&client_secret=x");
        assert_eq!(both, Err(Refusal::TwoCredentials));
    }

    #[test]
    fn a_public_client_says_its_name_in_the_body_or_in_the_header() {
        let cases = [
            ("client_id=any+thing", None, Ok("any thing")),
            ("client_id=body", Some(basic("header:x")), Ok("body")),
            ("", Some(basic("my%2Fapp:x")), Ok("my/app")),
            ("", None, Err(Refusal::NoClientId)),
            (
                "",
                Some("Bearer x".to_owned()),
                Err(Refusal::UnknownClient { header_tried: true }),
            ),
        ];
        for (body, header, expected) in cases {
            let parameters = Parameters::parse("", body.as_bytes()).unwrap();
            let mut request = TestRequest::default();
            if let Some(header) = header {
                request = request.insert_header((AUTHORIZATION, header));
            }
            let id = public_id(&request.to_http_request(), &parameters);
            assert_eq!(id, expected.map(str::to_owned), "{body}");
        }
    }
}
