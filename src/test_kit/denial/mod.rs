//! Tries every way not to be let in, on every route of a table.
//!
//! A hole in what routes refuse is silent, and easily left untested. The table that serves the
//! routes is the one that is tried, so a route that is added is tried too.

mod answer;
mod demand;
mod path;
mod report;
#[cfg(test)]
mod tests;
mod way;

use std::time::SystemTime;

use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;
use actix_web::test::TestRequest;

pub use self::answer::Answer;
use self::answer::Expected;
pub use self::report::{DenialReport, Outcome, Tried};
pub use self::way::Way;
use super::{SigningKey, TestIssuer, TokenBuilder};
use crate::Api;

/// Every way not to be let in, for all routes of an [`Api`].
///
/// Each route that looks at tokens is called without one and with tokens that are wrong in one place,
/// as [`Way`] lists them; each answer must be the refusal, to the letter, in status, challenge
/// and body. A handler that runs answers otherwise.
///
/// # Examples
/// ```
/// use actix_resource_server::test_kit::{Algorithm, DenialMatrix, TestIssuer};
/// use actix_resource_server::{Api, AuthenticatedUser, Issuer, Verifier, get};
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
    issued_at: SystemTime,
    key: SigningKey,
    parameters: Vec<(String, String)>,
}

impl DenialMatrix {
    /// Takes the tokens of `issuer`, whom the routes must trust.
    #[must_use]
    pub fn new(issuer: &TestIssuer) -> Self {
        Self {
            token: issuer.token(),
            issued_at: SystemTime::now(),
            key: issuer.key(),
            parameters: Vec::new(),
        }
    }

    /// Begins with this token of the issuer instead of the plain one; each try breaks it in one place.
    ///
    /// It must be good for every route but for scopes, of which it must grant none: it has the claims that
    /// rules and the application's own types ask for, and the audience where that is another. The login that
    /// a [`StepUp`](crate::StepUp) asks for is put into it where it is needed, and scopes are, as the claim `scope`.
    #[must_use]
    pub fn token(mut self, token: TokenBuilder) -> Self {
        self.token = token;
        self
    }

    /// Takes `time` for now, where the verifier's clock is another than the system's.
    #[must_use]
    pub fn at(mut self, time: SystemTime) -> Self {
        self.issued_at = time;
        self
    }

    /// Puts `value` where a path has `{name}`; a parameter that is not named becomes `1`.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What is tried on the routes of `api`, in the order of the table.
    #[must_use]
    pub fn tries(&self, api: &Api) -> Vec<Try> {
        let tries = api.routes().flat_map(|row| {
            let path = path::fill(&row.path, &self.parameters);
            let ways = Way::ALL
                .iter()
                .copied()
                .filter_map(move |way| Some((way, way.expected(row.requirement)?)));
            ways.filter_map(move |(way, expected)| {
                Some(Try {
                    way,
                    method: row.method.clone(),
                    path: path.clone(),
                    authorization: way.authorization(self, row.requirement)?,
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

    /// Calls a running server, by whatever client `send` uses.
    pub async fn try_server(&self, api: &Api, send: impl AsyncFn(&Try) -> Answer) -> DenialReport {
        let mut report = DenialReport::default();
        for tried in self.tries(api) {
            let answer = send(&tried).await;
            report.add(&tried, &answer);
        }
        report
    }

    /// The good token, as of the matrix's time.
    fn good(&self) -> TokenBuilder {
        self.token.clone().issued_at(self.issued_at)
    }
}

/// One request that must be refused.
#[derive(Clone, Debug)]
pub struct Try {
    way: Way,
    method: Method,
    path: String,
    authorization: Option<String>,
    expected: Expected,
}

impl Try {
    /// The way in which it is wrong.
    #[must_use]
    pub fn way(&self) -> Way {
        self.way
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        self.method.as_str()
    }

    /// The whole path, its parameters filled in.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The `Authorization` header; `None` where none is to be sent.
    #[must_use]
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }

    /// The request, for an app of `actix_web::test`.
    #[must_use]
    pub fn request(&self) -> TestRequest {
        let request = TestRequest::with_uri(&self.path).method(self.method.clone());
        match &self.authorization {
            Some(authorization) => request.insert_header((AUTHORIZATION, authorization.as_str())),
            None => request,
        }
    }
}
