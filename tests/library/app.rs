//! Shared by the tests: an issuer, a verifier that trusts it, and whole responses.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use actix_resource_server::test_kit::{Document, Fault, Gate, TestIssuer};
use actix_resource_server::{
    Algorithm, AuthenticatedUser, Cause, Issuer, IssuerBuilder, Rejection, Verifier, scope,
};
use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::AUTHORIZATION;
use actix_web::test::TestRequest;
use actix_web::{FromRequest, HttpRequest, test};
use serde_json::{Value, json};

use crate::route_parameters::without_route_parameters;

scope!(pub(crate) ReadMessages = "read:messages");
scope!(pub(crate) WriteMessages = "write:messages");
scope!(pub(crate) Admin = "admin");

/// An issuer whose keys are generated quickly.
pub(crate) fn issuer() -> TestIssuer {
    TestIssuer::start_with(Algorithm::Es256)
}

/// The configuration of `issuer` as a trusted issuer.
pub(crate) fn trusted(issuer: &TestIssuer) -> IssuerBuilder {
    Issuer::discover(issuer.url()).audience(issuer.audience())
}

pub(crate) fn verifier(issuer: &TestIssuer) -> Verifier {
    verifier_of(trusted(issuer))
}

pub(crate) fn verifier_of(issuer: IssuerBuilder) -> Verifier {
    let issuer = issuer.build().expect("an issuer without contradictions");
    Verifier::start([issuer]).expect("a thread for the keys")
}

/// A verifier that has fetched the issuer's keys.
pub(crate) async fn warm_verifier(issuer: &TestIssuer) -> Verifier {
    let verifier = verifier(issuer);
    warm(&verifier, issuer).await;
    verifier
}

/// Waits for the issuer's keys, as any request with a valid token does.
pub(crate) async fn warm(verifier: &Verifier, issuer: &TestIssuer) {
    let admitted = admit(verifier, &issuer.token().build()).await;
    assert!(admitted.is_ok(), "{admitted:?}");
}

/// Extracts the user of a token.
pub(crate) async fn admit(verifier: &Verifier, token: &str) -> Result<AuthenticatedUser, Cause> {
    let extracted = AuthenticatedUser::extract(&request(verifier, token)).await;
    extracted.map_err(Rejection::into_cause)
}

pub(crate) fn request(verifier: &Verifier, token: &str) -> HttpRequest {
    let request = TestRequest::get().app_data(verifier.clone());
    request.insert_header(bearer(token)).to_http_request()
}

/// Holds the issuer's key set back until the gate opens.
pub(crate) fn shut(issuer: &TestIssuer) -> Gate {
    let gate = Gate::new();
    issuer.set_fault(Document::Jwks, Some(Fault::Hang(gate.clone())));
    gate
}

pub(crate) fn bearer(token: &str) -> (actix_web::http::header::HeaderName, String) {
    (AUTHORIZATION, format!("Bearer {token}"))
}

/// Polls once, with a no-op waker.
pub(crate) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The parts of a response that a client reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) challenge: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) allow: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Body,
}

/// The DPoP challenge that follows that of Bearer if the caller is unknown.
pub(crate) const DPOP: &str =
    r#"DPoP algs="RS256 RS384 RS512 ES256 ES384 ES512 PS256 PS384 PS512 EdDSA""#;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    Json(Value),
    Text(String),
}

impl Default for Body {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Answer {
    pub(crate) fn text(text: &str) -> Self {
        Self {
            status: 200,
            content_type: Some("text/plain; charset=utf-8".to_owned()),
            body: Body::Text(text.to_owned()),
            ..Self::default()
        }
    }

    pub(crate) fn problem(status: u16, title: &str, detail: &str) -> Self {
        Self {
            status,
            content_type: Some("application/problem+json".to_owned()),
            body: Body::Json(json!({
                "type": "about:blank", "title": title, "status": status, "detail": detail,
            })),
            ..Self::default()
        }
    }

    /// The response to a request without credentials.
    pub(crate) fn no_credentials() -> Self {
        Self::problem(
            401,
            "Unauthorized",
            "An access token is needed in the Authorization header.",
        )
        .challenging(&format!(r#"Bearer realm="api", {DPOP}"#))
    }

    pub(crate) fn invalid_token(detail: &str) -> Self {
        Self::problem(401, "Unauthorized", detail).challenging(&format!(
            r#"Bearer realm="api", error="invalid_token", error_description="{detail}", {DPOP}"#
        ))
    }

    /// The 403 whose challenge names the scopes of `ways[0]`, and whose body lists all alternatives if there are several.
    pub(crate) fn insufficient_scope(ways: &[&[&str]]) -> Self {
        let detail = "The token does not grant the scope that this route requires.";
        let scope = ways[0].join(" ");
        let mut answer = Self::problem(403, "Forbidden", detail).challenging(&format!(
            r#"Bearer realm="api", error="insufficient_scope", error_description="{detail}", scope="{scope}""#
        ));
        if let Body::Json(body) = &mut answer.body {
            body["required_scopes"] = json!(ways[0]);
            if ways.len() > 1 {
                body["alternatives"] = json!(ways);
            }
        }
        answer
    }

    pub(crate) fn not_found() -> Self {
        Self::problem(404, "Not Found", "There is nothing at this path.")
    }

    pub(crate) fn method_not_allowed(allow: &str) -> Self {
        let detail = "This path does not have this method; Allow lists those that it has.";
        Self {
            allow: Some(allow.to_owned()),
            ..Self::problem(405, "Method Not Allowed", detail)
        }
    }

    fn challenging(self, challenge: &str) -> Self {
        Self {
            challenge: Some(challenge.to_owned()),
            ..self
        }
    }
}

/// Sends a request to an app and reads the response; a macro, because actix-web does not export the
/// request type of its apps.
macro_rules! ask {
    ($app:expr, $request:expr) => {{
        let request = actix_web::test::TestRequest::to_request($request);
        $crate::app::read(actix_web::test::call_service(&$app, request).await).await
    }};
}

/// Sends a `GET` with a token.
macro_rules! get_with {
    ($app:expr, $path:expr, $token:expr) => {
        $crate::app::ask!(
            $app,
            actix_web::test::TestRequest::get()
                .uri($path)
                .insert_header($crate::app::bearer($token))
        )
    };
}

pub(crate) use {ask, get_with};

pub(crate) async fn read<B: MessageBody>(response: ServiceResponse<B>) -> Answer {
    let header = |name: &str| {
        let values: Vec<_> = response.headers().get_all(name).collect();
        assert!(values.len() < 2, "{name} is sent once at most");
        let text = |value: &actix_web::http::header::HeaderValue| value.to_str().map(str::to_owned);
        values
            .first()
            .map(|value| text(value).expect("a header in ASCII"))
    };
    let status = response.status().as_u16();
    let challenge = header("www-authenticate");
    let mut answer = Answer {
        status,
        challenge: challenge.map(|text| without_route_parameters(status, &text)),
        retry_after: header("retry-after"),
        allow: header("allow"),
        content_type: header("content-type"),
        body: Body::default(),
    };
    let bytes = test::read_body(response).await;
    let is_json = answer
        .content_type
        .as_deref()
        .is_some_and(|kind| kind.ends_with("json"));
    answer.body = match is_json {
        true => Body::Json(serde_json::from_slice(&bytes).expect("a body of JSON")),
        false => Body::Text(String::from_utf8(bytes.to_vec()).expect("a body of text")),
    };
    answer
}
