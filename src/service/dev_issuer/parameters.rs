//! Request parameters: of a query, or of a body that is a form, as OAuth has it, or a JSON object,
//! as Auth0 accepts it; and the client that an authorization request names, with its redirect URI.

use std::borrow::Cow;
use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION};
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse};
use serde::de::{Error as _, MapAccess};
use serde_json::{Value, json};
use url::form_urlencoded::{self, byte_serialize};
use url::{Host, Url};

use crate::issuer::is_loopback;
use crate::jose::json::{self, Members};

use super::error::OAuthError;
use super::pages;

/// Far more than an authorization request needs, in bytes; parts of it are kept with the code.
const MAX_QUERY_LENGTH: usize = 8 * 1024;

/// Parameters by name; one with an empty value counts as absent (RFC 6749 §3.1).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads the body of `request`, as actix received it.
    ///
    /// # Errors
    /// [`OAuthError::BODY_TOO_LARGE`], and those of [`parse`](Self::parse).
    pub(super) fn from_body(
        request: &HttpRequest,
        body: Result<Bytes, Error>,
    ) -> Result<Self, OAuthError> {
        let body = body.map_err(|error| body_error(&error, OAuthError::BODY))?;
        Self::parse(request.content_type(), &body)
    }

    /// Reads a body of this content type; without one, a body that begins with `{` is JSON.
    ///
    /// # Errors
    /// [`OAuthError::BODY`] for another type and for malformed JSON;
    /// [`OAuthError::REPEATED_PARAMETER`].
    pub(super) fn parse(content_type: &str, body: &[u8]) -> Result<Self, OAuthError> {
        let is_json = match content_type.to_ascii_lowercase().as_str() {
            "application/json" => true,
            "application/x-www-form-urlencoded" => false,
            "" => body.trim_ascii_start().starts_with(b"{"),
            _ => return Err(OAuthError::BODY),
        };
        if is_json {
            json::read_object(body).map_err(|_| OAuthError::BODY)
        } else {
            Self::from_pairs(form_urlencoded::parse(body))
        }
    }

    /// Reads those parameters of a query that are `known`; others are ignored, repeated or not.
    ///
    /// # Errors
    /// [`OAuthError::QUERY_TOO_LONG`]; [`OAuthError::REPEATED_PARAMETER`].
    pub(super) fn from_query(query: &str, known: &[&str]) -> Result<Self, OAuthError> {
        if query.len() > MAX_QUERY_LENGTH {
            return Err(OAuthError::QUERY_TOO_LONG);
        }
        let pairs = form_urlencoded::parse(query.as_bytes());
        Self::from_pairs(pairs.filter(|(name, _)| known.contains(&name.as_ref())))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn from_pairs<'a>(
        pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    ) -> Result<Self, OAuthError> {
        let mut parameters = Self::default();
        for (name, value) in pairs {
            parameters.insert(name.into_owned(), value.into_owned())?;
        }
        Ok(parameters)
    }

    fn insert(&mut self, name: String, value: String) -> Result<(), OAuthError> {
        if value.is_empty() || self.0.insert(name, value).is_none() {
            Ok(())
        } else {
            Err(OAuthError::REPEATED_PARAMETER)
        }
    }
}

/// Why a body was not read: it is too large, or else `malformed`.
pub(super) fn body_error(error: &Error, malformed: OAuthError) -> OAuthError {
    match error.as_response_error().status_code() {
        StatusCode::PAYLOAD_TOO_LARGE => OAuthError::BODY_TOO_LARGE,
        _ => malformed,
    }
}

impl<'de> Members<'de> for Parameters {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, values: &mut A) -> Result<(), A::Error> {
        let value = match values.next_value()? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Null => return Ok(()),
            Value::Array(_) | Value::Bool(_) | Value::Object(_) => {
                return Err(A::Error::custom("neither a string nor a number"));
            }
        };
        self.insert(name.to_owned(), value)
            .map_err(A::Error::custom)
    }
}

/// An `http` or `https` URL on loopback without fragment or user information, to which a browser
/// may be redirected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LoopbackUrl {
    /// As it was sent, since redirect URIs are compared as strings (RFC 9700 §4.1.3).
    text: String,
    url: Url,
}

impl LoopbackUrl {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(is_loopback_web_url)?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        let text = text.to_owned();
        (url.fragment().is_none() && !has_user).then_some(Self { text, url })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this is the registered URI. The port of an IP literal may vary, since native apps get theirs from the system
    /// when they start (RFC 8252 §7.3).
    pub(super) fn is_registered_as(&self, registered: &str) -> bool {
        self.text == registered
            || Self::parse(registered).is_some_and(|registered| {
                self.is_http_on_ip_literal() && self.without_port() == registered.without_port()
            })
    }

    fn is_http_on_ip_literal(&self) -> bool {
        let is_literal = matches!(self.url.host(), Some(Host::Ipv4(_) | Host::Ipv6(_)));
        is_literal && self.url.scheme() == "http"
    }

    fn without_port(&self) -> Option<Url> {
        let mut url = self.url.clone();
        url.set_port(None).is_ok().then_some(url)
    }

    /// Scheme, host and port, as browsers write them in `Origin`.
    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Redirects to this URL with `query` appended, which is encoded already.
    pub(super) fn redirect(&self, status: StatusCode, query: &str) -> HttpResponse {
        HttpResponse::build(status)
            .insert_header((LOCATION, self.with_query(query).as_str()))
            .finish()
    }

    fn with_query(&self, more: &str) -> Url {
        let parts = [self.url.query().unwrap_or_default(), more];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let query = (!parts.is_empty()).then(|| parts.join("&"));
        let mut url = self.url.clone();
        url.set_query(query.as_deref());
        url
    }
}

/// Whether an `Origin` is on loopback: `localhost` and names below it, `127.0.0.0/8`, `[::1]`.
pub(crate) fn is_loopback_origin(origin: &HeaderValue) -> bool {
    let url = origin.to_str().ok().and_then(|text| Url::parse(text).ok());
    url.as_ref().is_some_and(is_loopback_web_url)
}

fn is_loopback_web_url(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && is_loopback(url)
}

/// The client of an authorization request, and how the response reaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientRedirect {
    pub(super) client_id: String,
    pub(super) redirect_uri: LoopbackUrl,
    /// The value of `iss`, by which a client of several issuers tells their responses apart (RFC 9207).
    issuer: String,
    /// The client's `state` as it is encoded in the request, since it is returned byte for byte.
    state: Option<String>,
    /// Whether the response is a message to the window that opened or framed this one, as Auth0's
    /// SDK requests it, rather than in the query (OAuth 2.0 Multiple Response Types §2.1).
    is_web_message: bool,
}

impl ClientRedirect {
    /// Reads the client and its redirect URI; `parameters` are those of `query`, `issuer` is the base URL of the issuer.
    ///
    /// # Errors
    /// [`OAuthError::NO_CLIENT_ID`]; [`OAuthError::REDIRECT_URI`]. The browser must not be
    /// redirected then (RFC 6749 §4.1.2.1).
    pub(super) fn read(
        parameters: &Parameters,
        query: &str,
        issuer: &str,
    ) -> Result<Self, OAuthError> {
        let client_id = parameters.get("client_id");
        let redirect_uri = parameters.get("redirect_uri").and_then(LoopbackUrl::parse);
        Ok(Self {
            client_id: client_id.ok_or(OAuthError::NO_CLIENT_ID)?.to_owned(),
            redirect_uri: redirect_uri.ok_or(OAuthError::REDIRECT_URI)?,
            issuer: issuer.to_owned(),
            state: encoded_value(query, "state").map(str::to_owned),
            is_web_message: parameters.get("response_mode") == Some("web_message"),
        })
    }

    /// The response with a `code` (RFC 6749 §4.1.2); `status` is 303 after a POST.
    pub(super) fn with_code(&self, code: &str, status: StatusCode) -> HttpResponse {
        self.respond(&[("code", code)], status)
    }

    /// The error response (RFC 6749 §4.1.2.1).
    pub(super) fn with_error(&self, error: &OAuthError) -> HttpResponse {
        let description = error.to_string();
        let parameters = [("error", error.code), ("error_description", &description)];
        self.respond(&parameters, StatusCode::FOUND)
    }

    fn respond(&self, parameters: &[(&str, &str)], status: StatusCode) -> HttpResponse {
        let query = self.query(parameters);
        if self.is_web_message {
            let message: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
            pages::web_message(&self.redirect_uri.origin(), &json!(message).to_string())
        } else {
            self.redirect_uri.redirect(status, &query)
        }
    }

    fn query(&self, parameters: &[(&str, &str)]) -> String {
        let issuer = ("iss", self.issuer.as_str());
        let pairs = parameters.iter().chain([&issuer]).map(|(name, value)| {
            // `%20` is a space to every decoder, `+` only to those of forms.
            let value: String = byte_serialize(value.as_bytes()).collect();
            format!("{name}={}", value.replace('+', "%20"))
        });
        let state = self.state.iter().map(|state| format!("state={state}"));
        pairs.chain(state).collect::<Vec<_>>().join("&")
    }
}

/// The first value of `name` that is not empty, as it is encoded in the query.
pub(super) fn encoded_value<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let is_named = |encoded: &str| {
        let decoded = form_urlencoded::parse(encoded.as_bytes()).next();
        decoded.is_some_and(|(decoded, _)| decoded == name)
    };
    let pair = pairs.find(|(encoded, value)| is_named(encoded) && !value.is_empty());
    pair.map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";
    const JSON: &str = "application/json";

    fn two(name: &str, value: &str) -> Parameters {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Parameters([pair("a", "b c"), pair(name, value)].into())
    }

    #[test]
    fn forms_and_json_are_equivalent() {
        let cases = [
            (FORM, "a=b+c&n=7"),
            ("Application/X-WWW-Form-URLEncoded", "a=b%20c&n=7&empty="),
            ("", "a=b+c&n=7"),
            (JSON, r#"{"a":"b c","n":7}"#),
            (
                "APPLICATION/JSON",
                r#"{"a":"b c","n":"7","none":null,"empty":""}"#,
            ),
            ("", " \r\n{\"a\":\"b c\",\"n\":7}"),
        ];
        for (content_type, body) in cases {
            let read = Parameters::parse(content_type, body.as_bytes());
            assert_eq!(read, Ok(two("n", "7")), "{content_type} {body}");
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        let cases = [
            (JSON, "a=1"),
            (JSON, "[]"),
            (JSON, r#"{"a":"1","a":"2"}"#),
            (JSON, r#"{"a":"#),
            (JSON, r#"{"a":["x"]}"#),
            (JSON, r#"{"a":true}"#),
            (JSON, r#"{"a":{}}"#),
            ("", "{"),
            ("text/plain", "a=1"),
        ];
        for (content_type, body) in cases {
            let read = Parameters::parse(content_type, body.as_bytes());
            assert_eq!(read, Err(OAuthError::BODY), "{content_type} {body}");
        }
        let repeated = Parameters::parse(FORM, b"a=1&a=2");
        assert_eq!(repeated, Err(OAuthError::REPEATED_PARAMETER));
    }

    #[test]
    fn only_known_parameters_of_a_query_are_read() {
        let long = format!("x={}", "a".repeat(MAX_QUERY_LENGTH));
        let cases = [
            ("a=b+c&n=7&other=1&other=2", Ok(two("n", "7"))),
            ("n=7&a=b%20c&a=", Ok(two("n", "7"))),
            ("a=b&a=b", Err(OAuthError::REPEATED_PARAMETER)),
            (&long, Err(OAuthError::QUERY_TOO_LONG)),
        ];
        for (query, expected) in cases {
            assert_eq!(Parameters::from_query(query, &["a", "n"]), expected);
        }
    }

    const ISS: &str = "http%3A%2F%2Flocalhost%3A3011%2F";
    const KNOWN: [&str; 4] = ["client_id", "redirect_uri", "response_mode", "state"];
    const GOOD: &str = "client_id=spa&redirect_uri=http://localhost:5173/%3Fa%3Db";

    fn read(query: &str) -> Result<ClientRedirect, OAuthError> {
        let parameters = Parameters::from_query(query, &KNOWN).unwrap();
        ClientRedirect::read(&parameters, query, "http://localhost:3011/")
    }

    fn location(response: &HttpResponse) -> &str {
        response.headers().get(LOCATION).unwrap().to_str().unwrap()
    }

    #[test]
    fn a_code_is_returned_with_the_state_byte_for_byte() {
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
            let redirect = read(&format!("{GOOD}{state}")).unwrap();
            let response = redirect.with_code("c-0_de", StatusCode::SEE_OTHER);
            assert_eq!(response.status(), StatusCode::SEE_OTHER);
            let expected = format!("http://localhost:5173/?a=b&code=c-0_de&iss={ISS}{expected}");
            assert_eq!(location(&response), expected);
        }
    }

    #[test]
    fn an_error_is_returned_with_its_code_and_description() {
        let redirect = read(&format!("{GOOD}&state=x&response_mode=query")).unwrap();
        let response = redirect.with_error(&OAuthError::LOGIN_REQUIRED);
        assert_eq!(response.status(), StatusCode::FOUND);
        assert_eq!(
            location(&response),
            format!(
                "http://localhost:5173/?a=b&error=login_required&error_description=login%20required&iss={ISS}&state=x"
            )
        );
    }

    #[test]
    fn a_redirect_uri_that_is_not_on_loopback_is_an_error() {
        for uri in ["", "https://example.com/", "%2F", "http://localhost/%23"] {
            let result = read(&format!("client_id=spa&redirect_uri={uri}"));
            assert_eq!(result, Err(OAuthError::REDIRECT_URI), "{uri}");
        }
        let no_client = read(&GOOD.replace("spa", ""));
        assert_eq!(no_client, Err(OAuthError::NO_CLIENT_ID));
    }

    #[test]
    fn a_message_is_for_the_origin_of_the_redirect_uri() {
        let query = format!("{GOOD}&state=%22%3Cb%3E%3D%2B&response_mode=web_message");
        let response = read(&query).unwrap().with_code("code", StatusCode::FOUND);
        assert_eq!(response.status(), StatusCode::OK);
        let body = actix_web::body::MessageBody::try_into_bytes(response.into_body())
            .ok()
            .unwrap();
        let body = std::str::from_utf8(&body).unwrap();
        assert!(
            body.contains(r#"data-target="http://localhost:5173""#),
            "{body}"
        );
        let message = "{&quot;code&quot;:&quot;code&quot;,&quot;iss&quot;:&quot;http://localhost:3011/&quot;,&quot;state&quot;:&quot;\\&quot;&lt;b&gt;=+&quot;}";
        assert!(
            body.contains(&format!("data-response=\"{message}\"")),
            "{body}"
        );
    }

    #[test]
    fn origins_on_loopback_are_recognised() {
        let cases = [
            ("http://localhost:5173", true),
            ("https://localhost", true),
            ("http://app.localhost:3000", true),
            ("http://127.0.0.1:8080", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:3000", true),
            ("http://localhost.example.com", false),
            ("http://notlocalhost", false),
            ("https://example.com", false),
            ("http://10.0.0.1", false),
            ("http://[2001:db8::1]", false),
            ("file://localhost", false),
            ("null", false),
            ("", false),
        ];
        for (origin, expected) in cases {
            let header = HeaderValue::from_static(origin);
            assert_eq!(is_loopback_origin(&header), expected, "{origin}");
        }
    }

    #[test]
    fn only_plain_urls_on_loopback_are_accepted() {
        let good = [
            "http://localhost:5173",
            "http://localhost:5173/callback?a=1",
            "https://127.0.0.1/",
            "http://[::1]:3000/x",
            "HTTP://LOCALHOST:1",
        ];
        for text in good {
            let url = LoopbackUrl::parse(text);
            assert_eq!(url.as_ref().map(LoopbackUrl::as_str), Some(text));
        }
        let bad = [
            "",
            "/callback",
            "localhost:5173",
            "//localhost:5173",
            "http://localhost:5173/#fragment",
            "http://localhost:5173/#",
            "http://localhost@example.com/",
            "http://user@localhost/",
            "http://:password@localhost/",
            "http://localhost.example.com/",
            r"http://example.com\@localhost/",
            "http://0.0.0.0/",
            "http://192.168.0.1/",
            "javascript:alert(1)",
            "data:text/html,localhost",
            "app://localhost/",
        ];
        for text in bad {
            assert_eq!(LoopbackUrl::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_redirect_uri_is_the_registered_one_or_has_another_port_of_an_ip_literal() {
        let cases = [
            ("http://localhost:1/cb", "http://localhost:1/cb", true),
            ("http://localhost:2/cb", "http://localhost:1/cb", false),
            ("http://127.0.0.1:2/cb", "http://127.0.0.1:1/cb", true),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb", true),
            ("http://127.0.0.1:2/cb", "http://127.0.0.1/cb", true),
            ("http://[::1]:2/cb?a=b", "http://[::1]:1/cb?a=b", true),
            ("http://[::1]:2/cb", "http://127.0.0.1:1/cb", false),
            ("http://127.0.0.1:2/other", "http://127.0.0.1:1/cb", false),
            ("http://127.0.0.1:2/cb/", "http://127.0.0.1:1/cb", false),
            ("http://127.0.0.1:2/cb?a=b", "http://127.0.0.1:1/cb", false),
            ("https://127.0.0.1:2/cb", "https://127.0.0.1:1/cb", false),
            ("http://127.0.0.1:2/cb", "https://127.0.0.1:1/cb", false),
            ("http://127.0.0.2:2/cb", "http://127.0.0.1:1/cb", false),
        ];
        for (sent, registered, expected) in cases {
            let sent = LoopbackUrl::parse(sent).unwrap();
            assert_eq!(
                sent.is_registered_as(registered),
                expected,
                "{sent:?} {registered}"
            );
        }
    }

    #[test]
    fn a_query_is_appended_to_that_of_the_url() {
        let cases = [
            ("http://localhost:1", "a=1", "http://localhost:1/?a=1"),
            ("http://localhost:1/x?", "a=1", "http://localhost:1/x?a=1"),
            (
                "http://localhost:1/?b=%20+",
                "a=+%3D",
                "http://localhost:1/?b=%20+&a=+%3D",
            ),
            ("http://localhost:1/?b", "", "http://localhost:1/?b"),
            ("http://localhost:1/x", "", "http://localhost:1/x"),
        ];
        for (text, more, expected) in cases {
            let url = LoopbackUrl::parse(text).unwrap();
            assert_eq!(url.with_query(more).as_str(), expected);
        }
    }
}
