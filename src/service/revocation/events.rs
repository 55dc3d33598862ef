//! Where issuers send logout tokens and security events.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, RETRY_AFTER};
use actix_web::web::{self, Bytes, Payload};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use serde::Serialize;
use url::form_urlencoded;

use crate::errors::EventError;
use crate::rejection::problem;
use crate::verifier::MOST_EVENT_BYTES;
use crate::{Api, Public, Verifier, post};

/// The routes for issuers. Callers authenticate by the signature of what they send.
pub(super) fn api(logout_path: &str, events_path: &str) -> Api {
    Api::new("")
        .route(
            logout_path,
            post(logout).summary("takes logout tokens of issuers"),
        )
        .route(
            events_path,
            post(push).summary("takes security events of issuers"),
        )
}

/// Serves the routes for issuers in an app; `verifier` revokes what they say.
#[cfg(all(test, feature = "test-kit"))]
fn events(
    verifier: Verifier,
    logout_path: &str,
    events_path: &str,
) -> impl FnOnce(&mut web::ServiceConfig) {
    let api = api(logout_path, events_path);
    move |app| {
        app.app_data(web::Data::new(verifier.clone()))
            .service(api.leaving_unknown_paths().verified_by(verifier));
    }
}

/// OpenID Connect Back-Channel Logout §2.5 to §2.8.
async fn logout(
    _: Public,
    request: HttpRequest,
    body: Payload,
    verifier: web::Data<Verifier>,
) -> HttpResponse {
    let body = match read(&request, body, "application/x-www-form-urlencoded").await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let Some(token) = logout_token(&body) else {
        return logout_rejected("the body must have the parameter logout_token once".to_owned());
    };
    match verifier.receive_logout_token(&token).await {
        Ok(()) => no_store(StatusCode::OK).finish(),
        Err(error) => unavailable(&error).unwrap_or_else(|| logout_rejected(error.to_string())),
    }
}

/// RFC 8935 §2.
async fn push(
    _: Public,
    request: HttpRequest,
    body: Payload,
    verifier: web::Data<Verifier>,
) -> HttpResponse {
    let body = match read(&request, body, "application/secevent+jwt").await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let received = match std::str::from_utf8(body.trim_ascii()) {
        Ok(token) => verifier.receive_security_event(token).await,
        Err(_) => Err(EventError::Form),
    };
    match received {
        Ok(()) => no_store(StatusCode::ACCEPTED).finish(),
        Err(error) => unavailable(&error).unwrap_or_else(|| push_rejected(&error)),
    }
}

/// Reads the body; the server limits the time that it takes.
///
/// # Errors
/// The response to a body of another type, to one that is too long, and to one that ends early.
async fn read(
    request: &HttpRequest,
    body: Payload,
    media_type: &str,
) -> Result<Bytes, HttpResponse> {
    if !request.content_type().eq_ignore_ascii_case(media_type) {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(problem::of_status(status, OTHER_MEDIA_TYPE));
    }
    match body.to_bytes_limited(MOST_EVENT_BYTES).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(problem::bad_request("The body could not be read.")),
        Err(_) => Err(problem::of_status(StatusCode::PAYLOAD_TOO_LARGE, TOO_LONG)),
    }
}

/// The only value of the parameter `logout_token`.
fn logout_token(body: &[u8]) -> Option<String> {
    let mut tokens = form_urlencoded::parse(body).filter(|(name, _)| name == "logout_token");
    let (_, token) = tokens.next()?;
    tokens.next().is_none().then(|| token.into_owned())
}

/// The response to what the issuer should send again; `None` if that would not help.
fn unavailable(error: &EventError) -> Option<HttpResponse> {
    let seconds = error.retry_after()?.as_secs().max(1);
    let mut response = problem::of_status(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE);
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    Some(response)
}

/// OpenID Connect Back-Channel Logout §2.8.
fn logout_rejected(error_description: String) -> HttpResponse {
    no_store(StatusCode::BAD_REQUEST).json(LogoutError {
        error: "invalid_request",
        error_description,
    })
}

/// RFC 8935 §2.3.
fn push_rejected(error: &EventError) -> HttpResponse {
    no_store(StatusCode::BAD_REQUEST)
        .insert_header((CONTENT_LANGUAGE, "en"))
        .json(PushError {
            err: code(error),
            description: error.to_string(),
        })
}

/// RFC 8935 §2.4.
fn code(error: &EventError) -> &'static str {
    match error {
        EventError::UnknownIssuer => "invalid_issuer",
        EventError::WrongAudience => "invalid_audience",
        EventError::UnknownKey | EventError::Algorithm => "invalid_key",
        EventError::Signature => "authentication_failed",
        _ => "invalid_request",
    }
}

fn no_store(status: StatusCode) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((CACHE_CONTROL, "no-store"));
    response
}

#[derive(Serialize)]
struct LogoutError {
    error: &'static str,
    error_description: String,
}

#[derive(Serialize)]
struct PushError {
    err: &'static str,
    description: String,
}

const OTHER_MEDIA_TYPE: &str = "The body is not of the media type that is taken here.";

const TOO_LONG: &str = "The body is longer than 64 KiB.";

const UNAVAILABLE: &str = "The token cannot be applied now.";

#[cfg(all(test, feature = "test-kit"))]
mod tests {
    use std::time::Duration;

    use actix_web::App;
    use actix_web::body::to_bytes;
    use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderName};
    use actix_web::test::{TestRequest, call_service, init_service};
    use serde_json::{Value, json};

    use super::*;
    use crate::test_kit::{SigningKey, TokenBuilder};
    use crate::{Algorithm, Issuer, Revocations};

    const ISSUER: &str = "https://issuer.example/";
    const FORM: &str = "application/x-www-form-urlencoded";
    const EVENT: &str = "application/secevent+jwt";

    fn key() -> SigningKey {
        SigningKey::from_secret(&"s".repeat(32), Algorithm::Hs256)
    }

    fn verifier(most: usize) -> Verifier {
        let issuer = Issuer::with_secret(ISSUER, &"s".repeat(32), Algorithm::Hs256)
            .audience("api")
            .event_audience("client")
            .max_token_age(Duration::from_secs(3600));
        let builder = Verifier::builder().revocations(Revocations::in_memory(most));
        builder
            .start([issuer.build().expect("an issuer")])
            .expect("a verifier")
    }

    fn logout_token() -> TokenBuilder {
        TokenBuilder::logout_token(ISSUER, "client", &key())
    }

    fn security_event() -> TokenBuilder {
        let event = json!({"subject": {"format": "opaque", "id": "user-1"}});
        TokenBuilder::security_event(ISSUER, "client", &key())
            .event(TokenBuilder::SESSION_REVOKED, event)
    }

    fn header(headers: &HeaderMap, name: HeaderName) -> &str {
        let value = headers.get(name).expect("a header");
        value.to_str().expect("a text")
    }

    async fn send(
        verifier: &Verifier,
        path: &str,
        media_type: &str,
        body: impl Into<Bytes>,
    ) -> (u16, HeaderMap, Value) {
        let app = App::new().configure(events(verifier.clone(), "/logout", "/events"));
        let app = init_service(app).await;
        let request = TestRequest::post().uri(path).set_payload(body);
        let request = request.insert_header((CONTENT_TYPE, media_type));
        let response = call_service(&app, request.to_request()).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = to_bytes(response.into_body()).await.expect("a body");
        let body = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).expect("JSON")
        };
        (status, headers, body)
    }

    async fn send_logout(verifier: &Verifier, token: &str) -> (u16, HeaderMap, Value) {
        send(verifier, "/logout", FORM, format!("logout_token={token}")).await
    }

    #[actix_web::test]
    async fn a_logout_token_is_taken_and_taken_again() {
        let verifier = verifier(10);
        let token = logout_token().build();
        for _ in 0..2 {
            let (status, headers, body) = send_logout(&verifier, &token).await;
            assert_eq!((status, body), (200, Value::Null));
            assert_eq!(header(&headers, CACHE_CONTROL), "no-store");
        }
        assert_eq!(verifier.revocations().map(Revocations::len), Some(1));
    }

    #[actix_web::test]
    async fn a_security_event_is_taken_and_taken_again() {
        let verifier = verifier(10);
        let token = security_event().build();
        for body in [token.clone(), format!("{token}\r\n")] {
            let (status, _, body) = send(&verifier, "/events", EVENT, body).await;
            assert_eq!((status, body), (202, Value::Null));
        }
        assert_eq!(verifier.revocations().map(Revocations::len), Some(1));
    }

    #[actix_web::test]
    async fn a_rejected_logout_token_is_answered_as_the_specification_has_it() {
        let verifier = verifier(10);
        let foreign = logout_token().claim("aud", "other").build();
        let once = "the body must have the parameter logout_token once";
        let twice = format!("logout_token={foreign}&logout_token={foreign}");
        for (body, description) in [
            (
                format!("logout_token={foreign}"),
                "the token is for another audience",
            ),
            (
                "logout_token=".to_owned(),
                "the token is not a signed JWT that can be read",
            ),
            (String::new(), once),
            ("token=a".to_owned(), once),
            (twice, once),
        ] {
            let (status, headers, answer) = send(&verifier, "/logout", FORM, body).await;
            let expected = json!({"error": "invalid_request", "error_description": description});
            assert_eq!((status, answer), (400, expected));
            assert_eq!(header(&headers, CACHE_CONTROL), "no-store");
        }
        assert!(verifier.revocations().is_some_and(Revocations::is_empty));
    }

    #[actix_web::test]
    async fn a_rejected_security_event_is_answered_with_the_code_of_rfc_8935() {
        let verifier = verifier(10);
        let forged = SigningKey::from_secret(&"x".repeat(32), Algorithm::Hs256);
        let other = SigningKey::from_secret(&"s".repeat(64), Algorithm::Hs512);
        for (token, err, description) in [
            (
                security_event().claim("iss", "https://other.example/"),
                "invalid_issuer",
                "the issuer is not trusted",
            ),
            (
                security_event().claim("aud", "api"),
                "invalid_audience",
                "the token is for another audience",
            ),
            (
                security_event().signed_by(&other),
                "invalid_key",
                "the algorithm is not one that this issuer's key is used with",
            ),
            (
                security_event().signed_by(&forged),
                "authentication_failed",
                "the signature is invalid",
            ),
            (
                security_event().without("jti"),
                "invalid_request",
                "the claim jti is missing",
            ),
        ] {
            let (status, headers, body) = send(&verifier, "/events", EVENT, token.build()).await;
            let expected = json!({"err": err, "description": description});
            assert_eq!((status, body), (400, expected));
            assert_eq!(header(&headers, CONTENT_LANGUAGE), "en");
        }
        let (status, _, body) = send(&verifier, "/events", EVENT, &b"\xff"[..]).await;
        assert_eq!((status, &body["err"]), (400, &json!("invalid_request")));
        assert!(verifier.revocations().is_some_and(Revocations::is_empty));
    }

    #[actix_web::test]
    async fn while_no_more_can_be_kept_issuers_are_to_try_again() {
        let verifier = verifier(0);
        let (status, headers, body) = send_logout(&verifier, &logout_token().build()).await;
        assert_eq!(status, 503);
        assert_eq!(header(&headers, RETRY_AFTER), "60");
        assert_eq!(body["detail"], "The token cannot be applied now.");
        let event = security_event().build();
        let (status, headers, _) = send(&verifier, "/events", EVENT, event).await;
        assert_eq!((status, header(&headers, RETRY_AFTER)), (503, "60"));
    }

    #[actix_web::test]
    async fn bodies_of_another_type_and_long_ones_are_rejected() {
        let verifier = verifier(10);
        let token = security_event().build();
        for (path, media_type) in [
            ("/events", FORM),
            ("/events", "application/jwt"),
            ("/logout", EVENT),
            ("/logout", "application/json"),
        ] {
            let (status, ..) = send(&verifier, path, media_type, token.clone()).await;
            assert_eq!(status, 415, "{path} {media_type}");
        }
        let media_type = "Application/SecEvent+JWT; charset=utf-8";
        let (status, ..) = send(&verifier, "/events", media_type, token).await;
        assert_eq!(status, 202);
        for (path, media_type) in [("/events", EVENT), ("/logout", FORM)] {
            let (status, ..) = send(&verifier, path, media_type, "a".repeat(65537)).await;
            assert_eq!(status, 413, "{path}");
            let (status, ..) = send(&verifier, path, media_type, "a".repeat(65536)).await;
            assert_eq!(status, 400, "{path}");
        }
    }

    #[actix_web::test]
    async fn other_methods_are_rejected() {
        let app = App::new().configure(events(verifier(1), "/logout", "/events"));
        let app = init_service(app).await;
        for path in ["/logout", "/events"] {
            let response = call_service(&app, TestRequest::with_uri(path).to_request()).await;
            assert_eq!(response.status(), 405);
            assert_eq!(header(response.headers(), ALLOW), "POST");
        }
    }
}
