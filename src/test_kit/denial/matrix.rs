//! The denial matrix, and the requests that it sends.

use std::time::SystemTime;

use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::http::header::{
    AUTHORIZATION, CONNECTION, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use actix_web::test::TestRequest;
use serde_json::Value;

use super::answer::{Answer, Expected};
use super::path;
use super::report::DenialReport;
use super::way::Way;
use crate::errors::RevokeError;
use crate::jose::sign::random_id;
use crate::test_kit::{SigningKey, TestIssuer, TokenBuilder};
use crate::{Api, CutOff, Verifier};

/// Tests that every route of an [`Api`] rejects invalid credentials of every kind.
///
/// Each route that requires a token is called without one, and with tokens that are invalid in one place,
/// as listed in [`Way`]. Each response must be exactly the expected rejection in status, challenge and
/// body; a handler that runs responds differently.
///
/// # Examples
/// ```
/// use actix_resource_server::test_kit::{DenialMatrix, TestIssuer};
/// use actix_resource_server::{Algorithm, Api, AuthenticatedUser, Issuer, Verifier, get};
/// use actix_web::App;
/// use actix_web::test::{call_service, init_service};
///
/// async fn order(_: AuthenticatedUser) -> &'static str { "an order" }
///
/// fn api() -> Api {
///     Api::new("/api").route("/orders/{id}", get(order))
/// }
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let issuer = TestIssuer::start_with(Algorithm::Es256);
/// let trusted = Issuer::discover(issuer.url()).audience(issuer.audience()).build()?;
/// let verifier = Verifier::start([trusted])?;
/// let app = init_service(App::new().service(api().verified_by(verifier))).await;
///
/// let matrix = DenialMatrix::new(&issuer);
/// let report = matrix
///     .try_app(&api(), async |request| call_service(&app, request.to_request()).await)
///     .await;
/// report.assert_denied();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct DenialMatrix {
    token: TokenBuilder,
    pub(super) issued_at: SystemTime,
    pub(super) key: SigningKey,
    /// The session of the revoked token.
    pub(super) revoked_session: Option<String>,
    parameters: Vec<(String, String)>,
}

impl DenialMatrix {
    /// A matrix with tokens of `issuer`, which the routes must trust.
    #[must_use]
    pub fn new(issuer: &TestIssuer) -> Self {
        Self {
            token: issuer.token(),
            issued_at: SystemTime::now(),
            key: issuer.key(),
            revoked_session: None,
            parameters: Vec::new(),
        }
    }

    /// Replaces the issuer's default token; each try makes it invalid in one place.
    ///
    /// The token must be valid for every route but grant no scopes: it must have the claims that rules and the
    /// application's types require, and the audience if it is not the default. Claims about the login that a
    /// [`StepUp`](crate::StepUp) requires, the names of the actor that a [`Delegated`](crate::Delegated) requires, and scopes
    /// as the claim `scope`, are added as needed.
    #[must_use]
    pub fn token(mut self, token: TokenBuilder) -> Self {
        self.token = token;
        self
    }

    /// Sets the current time, for a verifier with another clock than the system's.
    #[must_use]
    pub fn at(mut self, time: SystemTime) -> Self {
        self.issued_at = time;
        self
    }

    /// Sets the value of the path parameter `{name}`; it is `1` by default.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Tries revoked tokens, too: revokes a session of its own with `verifier`, which the routes must use or share
    /// [revocations](crate::VerifierBuilder::revocations) with. Call it after [`token`](Self::token) and [`at`](Self::at).
    ///
    /// # Errors
    /// Those of [`Verifier::revoke`](crate::Verifier::revoke).
    pub async fn revoked_by(mut self, verifier: &Verifier) -> Result<Self, RevokeError> {
        let claims = self.valid().claims();
        let issuer = claims.get("iss").and_then(Value::as_str);
        let session = random_id();
        let cut_off = CutOff::session(issuer.unwrap_or_default(), &session, self.issued_at);
        verifier.revoke(&[cut_off]).await?;
        self.revoked_session = Some(session);
        Ok(self)
    }

    /// The requests to be sent to the routes of `api`, in the order of the routes.
    #[must_use]
    pub fn tries(&self, api: &Api) -> Vec<Try> {
        let tries = api.routes().flat_map(|row| {
            let path = path::fill(&row.path, &self.parameters);
            let ways = Way::ALL.iter().copied();
            let route = row.clone();
            let ways = ways
                .filter(move |way| way.concerns(&route))
                .filter_map(move |way| Some((way, way.expected(row.requirement)?)));
            ways.filter_map(move |(way, expected)| {
                Some(Try {
                    way,
                    method: row.method.clone(),
                    path: way.target(&path),
                    origin: (way == Way::ForeignOrigin).then_some(FOREIGN_ORIGIN),
                    authorization: way.authorization(self, row.requirement)?,
                    subprotocols: way.subprotocols(self, row.requirement),
                    expected,
                })
            })
        });
        tries.collect()
    }

    /// Calls an app of `actix_web::test`.
    pub async fn try_app<B: MessageBody>(
        &self,
        api: &Api,
        call: impl AsyncFn(TestRequest) -> ServiceResponse<B>,
    ) -> DenialReport {
        let send = async |tried: &Try| Answer::of(call(tried.request()).await).await;
        self.try_server(api, send).await
    }

    /// Calls a running server with the client that `send` uses.
    pub async fn try_server(&self, api: &Api, send: impl AsyncFn(&Try) -> Answer) -> DenialReport {
        let mut report = DenialReport::default();
        for tried in self.tries(api) {
            let answer = send(&tried).await;
            report.add(&tried, &answer);
        }
        report
    }

    /// The valid token at the matrix's time.
    pub(super) fn valid(&self) -> TokenBuilder {
        self.token.clone().issued_at(self.issued_at)
    }
}

/// One request that must be rejected.
#[derive(Clone, Debug)]
pub struct Try {
    pub(super) way: Way,
    pub(super) method: Method,
    pub(super) path: String,
    authorization: Option<String>,
    subprotocols: Option<String>,
    origin: Option<&'static str>,
    pub(super) expected: Expected,
}

impl Try {
    /// The kind of its credentials.
    #[must_use]
    pub fn way(&self) -> Way {
        self.way
    }

    /// The HTTP method.
    #[must_use]
    pub fn method(&self) -> &str {
        self.method.as_str()
    }

    /// The path with the values of its parameters, and the query where the credentials stand there.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The `Authorization` header; `None` if there is none.
    #[must_use]
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }

    /// The `Sec-WebSocket-Protocol` header, with which the request is the opening handshake of a WebSocket (RFC 6455 §4.1);
    /// `None` if it is none.
    #[must_use]
    pub fn subprotocols(&self) -> Option<&str> {
        self.subprotocols.as_deref()
    }

    /// The `Origin` header; `None` if there is none.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.origin
    }

    /// The request, for an app of `actix_web::test`.
    #[must_use]
    pub fn request(&self) -> TestRequest {
        let mut request = TestRequest::with_uri(&self.path).method(self.method.clone());
        if let Some(origin) = self.origin {
            request = request.insert_header((ORIGIN, origin));
        }
        if let Some(subprotocols) = &self.subprotocols {
            request = request
                .insert_header((CONNECTION, "upgrade"))
                .insert_header((UPGRADE, "websocket"))
                .insert_header((SEC_WEBSOCKET_VERSION, "13"))
                .insert_header((SEC_WEBSOCKET_KEY, "AAAAAAAAAAAAAAAAAAAAAA=="))
                .insert_header((SEC_WEBSOCKET_PROTOCOL, subprotocols.as_str()));
        }
        match &self.authorization {
            Some(authorization) => request.insert_header((AUTHORIZATION, authorization.as_str())),
            None => request,
        }
    }
}

/// No API allows it.
const FOREIGN_ORIGIN: &str = "https://foreign.test";
