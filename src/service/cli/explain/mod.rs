//! Explains the server's decision on a token: the verdict, its cause and its remedy, then what the token contains.
//!
//! The decision is the server's own: the same settings, verifier and access types. The token's signature is never shown.

mod advice;
mod context;
mod report;
#[cfg(all(test, feature = "test-kit"))]
mod tests;

use std::io::{self, Read};

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderValue};
use actix_web::test::TestRequest;
use url::Url;

use self::context::{Context, Token};
use self::report::Report;
use super::output::{print, print_json};
use super::routes::{self, Route};
use crate::authorization::{CredentialsError, DPOP};
use crate::extract::{AuthenticationError, authenticate, finish, public_url};
use crate::sender::TargetUriSource;
use crate::service::config::Settings;
use crate::service::error::Error;
use crate::service::issuers::TrustedIssuers;
use crate::service::tables::Tables;
use crate::service::verifier;
use crate::verifier::clock::since_epoch;
use crate::{Caller, Rejection, Verifier};

/// Which token is explained, and for which route.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The access token; - reads it from standard input, so that other users of this machine cannot see it.
    #[arg(value_name = "TOKEN")]
    token: String,

    /// Explain the decision of this route, such as "GET /api/private-scoped".
    #[arg(long, value_name = "ROUTE")]
    route: Option<String>,

    /// The DPoP proof that is sent with the token; it needs --route.
    #[arg(long, value_name = "PROOF", requires = "route")]
    dpop: Option<String>,

    /// List the checks in the order in which the server makes them.
    #[arg(long, short)]
    verbose: bool,

    /// Print one JSON object for scripts.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, settings: Settings, tables: Tables) -> Result<(), Error> {
    let mut input = Input::read(&token(&arguments.token)?, arguments.dpop.as_deref());
    if settings.revocation.is_some() {
        input.notes.push(REVOCATIONS_UNKNOWN);
    }
    let routes = routes::all(&tables);
    let named = arguments.route.as_deref();
    let route = named.map(|named| Route::find(&routes, named)).transpose()?;
    let verifier = verifier::schemes_only(&settings)?;
    let verifier = match input.target_uri(&settings) {
        Some(url) => verifier.target_uri(TargetUriSource::public_url(&url)?),
        None => verifier.target_uri(verifier::target_uri(&settings.server)?),
    };
    let tables = tables.described_by(&settings.resource);
    let trusted = TrustedIssuers::of(settings.trust)?.accepting(&tables)?;
    if trusted.issuers.is_empty() {
        return Err(Error::NoPort);
    }
    let verifier = verifier.start(trusted.issuers.iter().cloned())?;
    let report = explain(input, route, &routes, &trusted, &verifier);
    let report = actix_web::rt::System::new().block_on(report);
    if arguments.json {
        print_json(&report)?;
    } else {
        print(&report.text(arguments.verbose))?;
    }
    if report.accepted {
        Ok(())
    } else {
        Err(Error::TokenRejected)
    }
}

const REVOCATIONS_UNKNOWN: &str =
    "Only the running service knows which tokens are revoked; it rejects them.";

/// The argument, or the content of standard input.
fn token(argument: &str) -> Result<String, Error> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut text = String::new();
    let read = io::stdin().take(MAX_INPUT).read_to_string(&mut text);
    read.map(|_| text).map_err(Error::Input)
}

/// Explains rejections of a running service with the service's own verifier.
#[cfg(feature = "dev-issuer")]
pub(in crate::service) struct Explainer {
    pub(in crate::service) verifier: Verifier,
    pub(in crate::service) trusted: TrustedIssuers,
    pub(in crate::service) tables: Tables,
}

#[cfg(feature = "dev-issuer")]
impl Explainer {
    /// Explains the decision on a request to `route`, such as `GET /api/items/{id}`, at `url`.
    ///
    /// # Errors
    /// [`Error::NoSuchRoute`].
    pub(in crate::service) async fn explain(
        &self,
        (route, url): (&str, &Url),
        token: &str,
        proof: Option<&str>,
    ) -> Result<impl serde::Serialize + use<>, Error> {
        let routes = routes::all(&self.tables);
        let route = Route::find(&routes, route)?;
        let mut input = Input::read(token, proof);
        input.url = Some(url.clone());
        Ok(explain(input, Some(route), &routes, &self.trusted, &self.verifier).await)
    }
}

async fn explain(
    input: Input,
    route: Option<&Route>,
    routes: &[Route],
    trusted: &TrustedIssuers,
    verifier: &Verifier,
) -> Report {
    let verdict = Verdict::of(&input, verifier, route).await;
    let context = Context {
        token: Token::decode(&input.token),
        issuers: &trusted.issuers,
        is_development: trusted.development,
        unready: verifier.unready(),
        now: since_epoch(verifier.now()),
        metadata: input.metadata(route, verifier),
        requirement: route.map(|route| &route.requirement),
    };
    let mut notes = input.notes;
    notes.extend(route.and_then(Route::other_credentials));
    Report::new(verdict, verifier, context, notes, route, routes)
}

/// The server's decision.
#[derive(Debug)]
enum Verdict {
    /// The route is open: credentials are not read.
    Open,
    /// The request is not authenticated.
    Unauthenticated(AuthenticationError),
    /// The token is valid, and the route's access type rejects the caller.
    Denied(Caller, Rejection),
    Granted(Caller),
}

impl Verdict {
    /// Decides as `route` does, or as a route that requires any valid token.
    async fn of(input: &Input, verifier: &Verifier, route: Option<&Route>) -> Self {
        if route.is_some_and(|route| !route.requirement.takes_token()) {
            return Self::Open;
        }
        let caller = match input.authenticate(verifier, route).await {
            Ok(caller) => caller,
            Err(error) => return Self::Unauthenticated(error),
        };
        match route.map_or(Ok(()), |route| route.grant.decide(Some(caller.clone()))) {
            Ok(()) => Self::Granted(caller),
            Err(rejection) => Self::Denied(caller, rejection),
        }
    }

    /// The caller, if the token is valid.
    fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Denied(caller, _) | Self::Granted(caller) => Some(caller),
            Self::Open | Self::Unauthenticated(_) => None,
        }
    }
}

/// What a request would send.
#[derive(Debug, PartialEq, Eq)]
struct Input {
    /// One word if all is well; several are separated by one space.
    token: String,
    proof: Option<String>,
    /// The URL that is called, where it is known.
    url: Option<Url>,
    /// What was removed from around the token, and what is not known.
    notes: Vec<&'static str>,
}

impl Input {
    /// Takes the token out of what was copied with it.
    fn read(text: &str, proof: Option<&str>) -> Self {
        let mut notes = Vec::new();
        let line = text.strip_suffix('\n').unwrap_or(text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let mut rest = line.trim();
        if rest.len() < line.len() {
            notes.push("Spaces or line breaks around the token were removed.");
        }
        if let Some(value) = without_prefix(rest, "Authorization:") {
            rest = value;
            notes.push("The header name before the token was removed.");
        }
        for scheme in ["Bearer", "DPoP"] {
            let value = without_prefix(rest, scheme);
            if let Some(value) = value.filter(|value| value.len() + scheme.len() < rest.len()) {
                rest = value;
                notes.push("The authentication scheme before the token was removed.");
                break;
            }
        }
        let words: Vec<_> = rest.split_whitespace().collect();
        Self {
            token: words.join(" "),
            proof: proof.map(|proof| proof.trim().to_owned()),
            url: None,
            notes,
        }
    }

    /// The URL that clients call: the configured one, or that of the proof.
    fn target_uri(&self, settings: &Settings) -> Option<String> {
        let proof = self.proof.as_deref()?;
        let configured = settings.server.public_url.as_ref().map(Url::to_string);
        configured.or_else(|| Token::decode(proof).origin())
    }

    /// The URL that challenges of the route name, where the service knows its own.
    fn metadata(&self, route: Option<&Route>, verifier: &Verifier) -> Option<String> {
        let request = self.request(route).ok()?;
        Some(
            route?
                .resource
                .as_ref()?
                .url(&public_url(&request, verifier)?),
        )
    }

    async fn authenticate(
        &self,
        verifier: &Verifier,
        route: Option<&Route>,
    ) -> Result<Caller, AuthenticationError> {
        let request = self.request(route)?;
        let progress = authenticate(verifier, &request)?;
        let caller = finish(verifier, &request, progress).await?;
        caller.ok_or(AuthenticationError::Credentials(
            None,
            CredentialsError::Unusable,
        ))
    }

    fn request(&self, route: Option<&Route>) -> Result<HttpRequest, CredentialsError> {
        let scheme = if self.proof.is_some() {
            "DPoP"
        } else {
            "Bearer"
        };
        let mut request = TestRequest::default()
            .insert_header((AUTHORIZATION, header(&format!("{scheme} {}", self.token))?));
        if let Some(route) = route {
            let method = Method::from_bytes(route.method.as_bytes()).unwrap_or_default();
            request = request.method(method).uri(&route.path);
        }
        if let Some(url) = &self.url {
            let host = url.authority();
            request = request.uri(url.path()).insert_header((HOST, header(host)?));
        }
        if let Some(proof) = &self.proof {
            request = request.insert_header((DPOP, header(proof)?));
        }
        Ok(request.to_http_request())
    }
}

fn header(value: &str) -> Result<HeaderValue, CredentialsError> {
    HeaderValue::from_bytes(value.as_bytes()).map_err(|_| CredentialsError::NoToken)
}

/// The rest after `prefix`, in any case, without leading white space.
fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start
        .eq_ignore_ascii_case(prefix)
        .then(|| rest.trim_start())
}

/// More than any token that a server reads, in bytes.
const MAX_INPUT: u64 = 1024 * 1024;
