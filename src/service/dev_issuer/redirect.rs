//! Who made an authorization request, and where the answer goes: known before anything else, so
//! that whatever else is wrong can be told to the client.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use serde::Serialize;
use url::form_urlencoded::{self, byte_serialize};

use super::error::Refusal;
use super::origin::LoopbackUrl;
use super::pages;
use super::parameters::Parameters;

/// The page of a client that waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) client: String,
    pub(super) redirect_uri: LoopbackUrl,
    state: Option<State>,
    mode: Mode,
}

/// How the answer travels; an unknown way is refused by the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// In the query of the redirect URI (OAuth 2.0 Multiple Response Types §2.1).
    Query,
    /// As a message from this window to the one that opened or framed it.
    WebMessage,
}

/// The client's `state`, which it gets back byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    encoded: String,
    text: String,
}

/// What the client is told (RFC 6749 §4.1.2, §4.1.2.1).
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
}

impl Destination {
    /// Reads where the answer goes; `query` is what the `parameters` were read from.
    ///
    /// # Errors
    /// [`Refusal::NoClientId`] and [`Refusal::RedirectUri`], where the browser may not be sent:
    /// nothing is told to that page.
    pub(super) fn read(parameters: &Parameters, query: &str) -> Result<Self, Refusal> {
        let client = parameters.find("client_id").ok_or(Refusal::NoClientId)?;
        let redirect_uri = parameters.find("redirect_uri").unwrap_or_default();
        let redirect_uri = LoopbackUrl::parse(redirect_uri).ok_or(Refusal::RedirectUri)?;
        let mode = match parameters.find("response_mode") {
            Some("web_message") => Mode::WebMessage,
            _ => Mode::Query,
        };
        let state = parameters.find("state").map(|text| State {
            encoded: encoded(query, "state"),
            text: text.to_owned(),
        });
        Ok(Self {
            client: client.to_owned(),
            redirect_uri,
            state,
            mode,
        })
    }

    /// Sends the browser on with a `code`; `status` is 303 after a POST.
    pub(super) fn admit(&self, code: &str, status: StatusCode) -> HttpResponse {
        let answer = Answer {
            code: Some(code),
            error: None,
            error_description: None,
            state: self.state(),
        };
        self.send(&answer, status)
    }

    /// Tells the client why it gets no code.
    pub(super) fn refuse(&self, refusal: Refusal) -> HttpResponse {
        let answer = Answer {
            code: None,
            error: Some(refusal.code()),
            error_description: Some(refusal.to_string()),
            state: self.state(),
        };
        self.send(&answer, StatusCode::FOUND)
    }

    fn state(&self) -> Option<&str> {
        self.state.as_ref().map(|state| state.text.as_str())
    }

    fn send(&self, answer: &Answer<'_>, status: StatusCode) -> HttpResponse {
        match self.mode {
            Mode::Query => {
                let url = self.redirect_uri.with_query(&self.query(answer));
                HttpResponse::build(status)
                    .insert_header((LOCATION, url.as_str()))
                    .finish()
            }
            Mode::WebMessage => pages::message(&self.redirect_uri.origin(), answer),
        }
    }

    fn query(&self, answer: &Answer<'_>) -> String {
        let description = answer.error_description.as_deref();
        let said = [
            ("code", answer.code),
            ("error", answer.error),
            ("error_description", description),
        ];
        let pairs = said.into_iter().filter_map(|(name, value)| {
            // A blank as `%20` means the same to those who decode forms and to those who do not.
            let value: String = byte_serialize(value?.as_bytes()).collect();
            Some(format!("{name}={}", value.replace('+', "%20")))
        });
        let state = self.state.as_ref();
        let state = state.map(|state| format!("state={}", state.encoded));
        pairs.chain(state).collect::<Vec<_>>().join("&")
    }
}

/// The first value of `name` that is not empty, as it stands in the query.
fn encoded(query: &str, name: &str) -> String {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(written, value)| {
        let pair = form_urlencoded::parse(written.as_bytes()).next();
        pair.is_some_and(|(decoded, _)| decoded == name) && !value.is_empty()
    });
    values
        .next()
        .map_or_else(String::new, |(_, value)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["client_id", "redirect_uri", "response_mode", "state"];
    const TO: &str = "client_id=spa&redirect_uri=http://localhost:5173/%3Fa%3Db";

    fn read(query: &str) -> Result<Destination, Refusal> {
        Destination::read(&Parameters::of_query(query, &KNOWN).unwrap(), query)
    }

    fn location(response: &HttpResponse) -> &str {
        response.headers().get(LOCATION).unwrap().to_str().unwrap()
    }

    #[test]
    fn a_code_goes_back_with_the_state_byte_for_byte() {
        let cases = [
            ("", ""),
            ("&state=", ""),
            ("&state=abc", "&state=abc"),
            ("&state=a%2Bb%3D%3D", "&state=a%2Bb%3D%3D"),
            ("&state=a+b==%20~", "&state=a+b==%20~"),
            ("&st%61te=%7e%22%27", "&state=%7e%22%27"),
            ("&state=&state=x", "&state=x"),
        ];
        for (state, expected) in cases {
            let destination = read(&format!("{TO}{state}")).unwrap();
            let response = destination.admit("c-0_de", StatusCode::SEE_OTHER);
            assert_eq!(response.status(), StatusCode::SEE_OTHER);
            let expected = format!("http://localhost:5173/?a=b&code=c-0_de{expected}");
            assert_eq!(location(&response), expected);
        }
    }

    #[test]
    fn a_refusal_goes_back_with_its_code_and_description() {
        let destination = read(&format!("{TO}&state=x&response_mode=query")).unwrap();
        let response = destination.refuse(Refusal::LoginRequired);
        assert_eq!(response.status(), StatusCode::FOUND);
        assert_eq!(
            location(&response),
            "http://localhost:5173/?a=b&error=login_required&error_description=login%20required&state=x"
        );
    }

    #[test]
    fn nothing_is_sent_to_a_page_elsewhere() {
        for uri in ["", "https://example.com/", "%2F", "http://localhost/%23"] {
            let refused = read(&format!("client_id=spa&redirect_uri={uri}"));
            assert_eq!(refused, Err(Refusal::RedirectUri), "{uri}");
        }
        let nobody = read(&TO.replace("spa", ""));
        assert_eq!(nobody, Err(Refusal::NoClientId));
    }

    #[test]
    fn a_message_is_for_the_origin_of_the_redirect_uri() {
        let query = format!("{TO}&state=%22%3Cb%3E%3D%2B&response_mode=web_message");
        let response = read(&query).unwrap().admit("code", StatusCode::FOUND);
        assert_eq!(response.status(), StatusCode::OK);
        let body = actix_web::body::MessageBody::try_into_bytes(response.into_body())
            .ok()
            .unwrap();
        let body = std::str::from_utf8(&body).unwrap();
        assert!(
            body.contains(r#"data-target="http://localhost:5173""#),
            "{body}"
        );
        let message =
            "{&quot;code&quot;:&quot;code&quot;,&quot;state&quot;:&quot;\\&quot;&lt;b&gt;=+&quot;}";
        assert!(
            body.contains(&format!("data-response=\"{message}\"")),
            "{body}"
        );
    }
}
