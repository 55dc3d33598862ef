//! The report: in plain words, or as JSON.

use actix_web::ResponseError;
use actix_web::http::header::WWW_AUTHENTICATE;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Verdict;
use super::advice::Explanation;
use super::context::{Context, listed, moment, quoted};
use crate::extract::AuthenticationError;
use crate::service::cli::output::{columns, line};
use crate::service::cli::routes::Route;
use crate::verifier::VerifyError;
use crate::{Rejection, Verifier};

/// The decision on one token, with what led to it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether the server accepts the token.
    pub(super) accepted: bool,
    /// The route of the decision.
    route: Option<String>,
    /// The server's response, unless the handler makes it.
    pub(super) answer: Option<Answer>,
    #[serde(flatten)]
    pub(super) explanation: Option<Explanation>,
    checks: Vec<Checked>,
    /// The scopes that are granted, or would be, because others imply them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    implied_scopes: Vec<String>,
    /// Whether each route accepts the token, if it is valid.
    routes: Vec<Opened>,
    header: Option<Map<String, Value>>,
    claims: Option<Map<String, Value>>,
    notes: Vec<&'static str>,
    /// The content of the token as text.
    #[serde(skip)]
    content: String,
}

/// The head of a response that rejects the token.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) www_authenticate: Option<String>,
}

impl From<&Rejection> for Answer {
    fn from(rejection: &Rejection) -> Self {
        let response = rejection.error_response();
        let challenge = response.headers().get(WWW_AUTHENTICATE);
        let challenge = challenge.and_then(|challenge| challenge.to_str().ok());
        Self {
            status: response.status().as_u16(),
            www_authenticate: challenge.map(str::to_owned),
        }
    }
}

#[derive(Debug, Serialize)]
struct Checked {
    demand: &'static str,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Failed,
    NotReached,
    Passed,
}

#[derive(Debug, Serialize)]
struct Opened {
    route: String,
    open: bool,
}

impl Report {
    pub(super) fn new(
        verdict: Verdict,
        verifier: &Verifier,
        context: Context<'_>,
        notes: Vec<&'static str>,
        route: Option<&Route>,
        routes: &[Route],
    ) -> Self {
        let explanation = Explanation::of(&verdict, &context);
        let checks = checks(&verdict, &context, route);
        let implied_scopes = implied(&verdict, &context, route);
        let routes = opened(&verdict, routes);
        let schemes = verifier.senders().schemes();
        let rejection = match verdict {
            Verdict::Open | Verdict::Granted(_) => None,
            Verdict::Unauthenticated(error) => Some(error.into_rejection(verifier)),
            Verdict::Denied(caller, rejection) => Some(rejection.after(Some(caller.scheme()))),
        };
        let scopes = || {
            route
                .map(|route| route.requirement.first_scopes())
                .unwrap_or_default()
        };
        let metadata = || context.metadata.clone();
        let rejection =
            rejection.map(|rejection| rejection.offering(schemes).for_route(scopes, metadata));
        Self {
            accepted: rejection.is_none(),
            route: route.map(Route::name),
            answer: rejection.as_ref().map(Answer::from),
            explanation,
            checks,
            implied_scopes,
            routes,
            content: content(&context),
            header: context.token.header,
            claims: context.token.claims,
            notes,
        }
    }

    /// The verdict, its cause and its remedy first; then what is known about the token, and the checks on request.
    pub(super) fn text(&self, verbose: bool) -> String {
        let mut text = self.verdict();
        if let Some(Explanation { why, remedy, .. }) = &self.explanation {
            text.push_str(&format!("Why:    {why}\nRemedy: {remedy}\n"));
        }
        text.extend(self.routes.iter().map(Opened::text));
        let implied = self.implied_scopes.iter();
        text.extend(implied.map(|implied| format!("Scopes: {implied}\n")));
        text.extend(self.notes.iter().map(|note| format!("Note: {note}\n")));
        if !self.content.is_empty() {
            text.push_str(&format!(
                "\nTHE TOKEN (unverified unless accepted)\n{}",
                self.content
            ));
        }
        if verbose {
            let checks: Vec<_> = self.checks.iter().map(Checked::row).collect();
            text.push_str(&format!(
                "\nTHE CHECKS, in the server's order\n{}",
                columns(&checks)
            ));
        }
        text
    }

    fn verdict(&self) -> String {
        let at = self.route.as_ref().map(|route| format!(" at {route}"));
        let at = at.unwrap_or_default();
        match &self.answer {
            None => format!("ACCEPTED{at}\n"),
            Some(Answer {
                status,
                www_authenticate: None,
            }) => format!("REJECTED{at}: {status}\n"),
            Some(Answer {
                status,
                www_authenticate: Some(challenge),
            }) => format!("REJECTED{at}: {status}, WWW-Authenticate: {challenge}\n"),
        }
    }
}

impl Opened {
    fn text(&self) -> String {
        let accepts = if self.open { "accepts" } else { "rejects" };
        format!("  {} {accepts} it.\n", self.route)
    }
}

impl Checked {
    fn row(&self) -> [String; 2] {
        let outcome = match self.outcome {
            Outcome::Failed => "  FAILED",
            Outcome::NotReached => "  not reached",
            Outcome::Passed => "  passed",
        };
        [outcome, self.demand].map(str::to_owned)
    }
}

fn checks(verdict: &Verdict, context: &Context<'_>, route: Option<&Route>) -> Vec<Checked> {
    let failed = Check::failed(verdict, context);
    let mut outcome = match verdict {
        Verdict::Open => Outcome::NotReached,
        _ => Outcome::Passed,
    };
    let made = Check::ALL
        .into_iter()
        .filter(|check| *check != Check::Access || route.is_some());
    made.map(|check| {
        let has_failed = failed == Some(check);
        let checked = Checked {
            demand: check.demand(),
            outcome: if has_failed { Outcome::Failed } else { outcome },
        };
        if has_failed {
            outcome = Outcome::NotReached;
        }
        checked
    })
    .collect()
}

/// The decision of each route that reads a token, if the token is valid.
fn opened(verdict: &Verdict, routes: &[Route]) -> Vec<Opened> {
    let Some(caller) = verdict.caller() else {
        return Vec::new();
    };
    let protected = routes
        .iter()
        .filter(|route| route.requirement.takes_token());
    let opened = protected.map(|route| Opened {
        route: route.name(),
        open: route.grant.decide(Some(caller.clone())).is_ok(),
    });
    opened.collect()
}

/// The implications that matter to the token and the route, a sentence each; those of settings and those of types.
fn implied(verdict: &Verdict, context: &Context<'_>, route: Option<&Route>) -> Vec<String> {
    let Some(caller) = verdict.caller() else {
        return Vec::new();
    };
    let granted = caller.scopes();
    let of_settings = context.issuer().into_iter();
    let of_settings = of_settings.flat_map(|issuer| issuer.rules.scope_implications.iter());
    let of_settings =
        of_settings
            .filter(|(wide, _)| granted.contains(wide))
            .map(|(wide, narrow)| {
                format!(
                    "{wide} implies {} (auth.scope_implications).",
                    narrow.join(", ")
                )
            });
    let of_types = route
        .into_iter()
        .flat_map(|route| &route.requirement.implied_by);
    let of_types = of_types.filter(|(narrow, _)| !granted.contains(narrow));
    let of_types =
        of_types.map(
            |(narrow, wider)| match wider.iter().find(|wide| granted.contains(wide)) {
                Some(wide) => format!("{wide} implies {narrow}."),
                None => format!("{narrow} is implied by {}, too.", wider.join(", ")),
            },
        );
    of_settings.chain(of_types).collect()
}

/// Header parameters and claims, a line each.
fn content(context: &Context<'_>) -> String {
    let token = &context.token;
    let parameters = ["alg", "kid", "typ"].into_iter().filter_map(|name| {
        let value = token.parameter(name)?;
        Some([format!("  {name}"), plain(value)])
    });
    let claims = token.claims.iter().flatten().map(|(name, value)| {
        let is_time = matches!(name.as_str(), "exp" | "nbf" | "iat" | "auth_time");
        let shown = match token.time(name) {
            Some(at) if is_time => moment(at, context.now),
            _ => plain(value),
        };
        [format!("  {}", line(name)), shown]
    });
    columns(&parameters.chain(claims).collect::<Vec<_>>())
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(list) if list.iter().all(Value::is_string) => {
            listed(list.iter().filter_map(Value::as_str))
        }
        other => {
            let text = quoted(&other.to_string());
            text.trim_matches('"').to_owned()
        }
    }
}

/// One check of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    Credentials,
    Activity,
    Form,
    KnownAlgorithm,
    Extensions,
    Type,
    KeyName,
    Payload,
    Issuer,
    IssuerType,
    Algorithm,
    Key,
    Signature,
    Audience,
    Expiry,
    NotBefore,
    Age,
    Texts,
    Actor,
    Kind,
    Required,
    Numbers,
    Profile,
    Revocation,
    Sender,
    Access,
}

impl Check {
    /// Every check, in order.
    const ALL: [Self; 26] = [
        Self::Credentials,
        Self::Activity,
        Self::Form,
        Self::KnownAlgorithm,
        Self::Extensions,
        Self::Type,
        Self::KeyName,
        Self::Payload,
        Self::Issuer,
        Self::IssuerType,
        Self::Algorithm,
        Self::Key,
        Self::Signature,
        Self::Audience,
        Self::Expiry,
        Self::NotBefore,
        Self::Age,
        Self::Texts,
        Self::Actor,
        Self::Kind,
        Self::Required,
        Self::Numbers,
        Self::Profile,
        Self::Revocation,
        Self::Sender,
        Self::Access,
    ];

    /// What the check requires.
    const fn demand(self) -> &'static str {
        match self {
            Self::Credentials => "one bearer token, in characters that a header may carry",
            Self::Activity => "the issuer says that the token is active, if it is introspected",
            Self::Form => "three parts of base64url between dots, the first a JSON object",
            Self::KnownAlgorithm => "alg is a supported signature algorithm, never none",
            Self::Extensions => "the header demands no extensions (crit, b64)",
            Self::Type => "typ is JWT, at+jwt, JOSE or absent",
            Self::KeyName => "kid is a string, or absent",
            Self::Payload => "the second part is a JSON object without duplicate members",
            Self::Issuer => {
                "iss is exactly the name of a trusted issuer, tid its tenant where it has tenants"
            }
            Self::IssuerType => "typ is one that is accepted (token_types); in strict mode at+jwt",
            Self::Algorithm => "alg is one that this issuer's keys are used with",
            Self::Key => "the issuer publishes the key that the token names",
            Self::Signature => "the signature is that key's",
            Self::Audience => {
                "aud names this API, or the claim that is configured to (audience_claims)"
            }
            Self::Expiry => "exp has not passed",
            Self::NotBefore => "nbf is not in the future, if present",
            Self::Age => "iat is a time, and not too long ago where max_token_age is set",
            Self::Texts => "sub, client_id and jti are strings, if present",
            Self::Actor => "act names actors by sub or client_id, eight at most, if present",
            Self::Kind => {
                "the token is an access token: no ID token, logout token or refresh token"
            }
            Self::Required => {
                "the claims that are required (required_claims) have the values that are"
            }
            Self::Numbers => "the token has at most 1,000 audiences and 1,000 scopes",
            Self::Profile => "in strict mode: iat, sub, client_id and jti are present",
            Self::Revocation => "the token is not revoked, nor its user or session",
            Self::Sender => "the sender proves possession, if the token is bound (cnf)",
            Self::Access => {
                "the token has the scopes, claims, login and actor that the route requires"
            }
        }
    }

    /// The check that failed, if any.
    fn failed(verdict: &Verdict, context: &Context<'_>) -> Option<Self> {
        match verdict {
            Verdict::Granted(_) | Verdict::Open => None,
            Verdict::Unauthenticated(AuthenticationError::Credentials(..)) => {
                Some(Self::Credentials)
            }
            Verdict::Unauthenticated(AuthenticationError::Token(_, error)) => {
                Some(Self::of_error(error, context))
            }
            Verdict::Unauthenticated(AuthenticationError::Sender(..)) => Some(Self::Sender),
            Verdict::Denied(..) => Some(Self::Access),
        }
    }

    fn of_error(error: &VerifyError, context: &Context<'_>) -> Self {
        match error {
            VerifyError::Bound => Self::Sender,
            VerifyError::CriticalHeader => Self::Extensions,
            VerifyError::Expired { .. } => Self::Expiry,
            VerifyError::Form(_) => Self::Form,
            VerifyError::IdToken
            | VerifyError::LogoutToken
            | VerifyError::RefreshToken
            | VerifyError::UnknownKind => Self::Kind,
            VerifyError::Inactive
            | VerifyError::IntrospectionNeeded(_)
            | VerifyError::IntrospectionUnavailable { .. } => Self::Activity,
            VerifyError::IssuedAhead | VerifyError::TooOld => Self::Age,
            VerifyError::Revoked | VerifyError::RevocationUnknown => Self::Revocation,
            VerifyError::Malformed { claim: "sid" } => Self::Revocation,
            VerifyError::Malformed { claim } => Self::of_claim(claim),
            VerifyError::MalformedActor => Self::Actor,
            VerifyError::MalformedAudience => Self::Audience,
            VerifyError::RequiredClaim(_) => Self::Required,
            VerifyError::MalformedKeyId => Self::KeyName,
            VerifyError::MalformedPayload => Self::Payload,
            VerifyError::Missing { claim: "iat" } if context.has_max_age() => Self::Age,
            VerifyError::Missing {
                claim: claim @ ("iss" | "aud" | "exp" | "tid"),
            } => Self::of_claim(claim),
            VerifyError::Missing { .. } => Self::Profile,
            VerifyError::NotYetValid => Self::NotBefore,
            VerifyError::AlgorithmNotAllowed => Self::Algorithm,
            VerifyError::WrongAudience | VerifyError::SeveralAudiences => Self::Audience,
            VerifyError::WrongType if context.token_type().is_some() => Self::IssuerType,
            VerifyError::WrongType => Self::Type,
            VerifyError::OutdatedKey(_) | VerifyError::Signature => Self::Signature,
            VerifyError::TooManyAudiences | VerifyError::TooManyScopes => Self::Numbers,
            VerifyError::UnknownAlgorithm => Self::KnownAlgorithm,
            VerifyError::IssuerUndetermined { .. }
            | VerifyError::OtherTenant
            | VerifyError::UnknownIssuer
            | VerifyError::UnknownTenant => Self::Issuer,
            VerifyError::KeyOfOtherTenant
            | VerifyError::KeyUndetermined { .. }
            | VerifyError::KeysUnavailable { .. }
            | VerifyError::UnknownKey(_) => Self::Key,
        }
    }

    fn of_claim(claim: &str) -> Self {
        match claim {
            "iss" | "tid" => Self::Issuer,
            "aud" => Self::Audience,
            "exp" => Self::Expiry,
            "nbf" => Self::NotBefore,
            "iat" => Self::Age,
            _ => Self::Texts,
        }
    }
}
