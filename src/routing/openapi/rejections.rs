//! The responses of the access types, with their headers and the problem document that is their body.

use serde_json::json;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::{ArrayBuilder, Content, ObjectBuilder, Ref, Schema, Type};

use crate::extract::Requirement;
use crate::verifier::AcceptedTokens;

/// A response to callers that are rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rejected {
    BadRequest,
    Unauthorized,
    Forbidden,
    TooManyRequests,
    ServiceUnavailable,
}

impl Rejected {
    /// Those that a route with this requirement can have.
    pub(super) fn by(
        requirement: &Requirement,
        looks_at_origin: bool,
        tokens: &AcceptedTokens,
    ) -> Vec<Self> {
        if !requirement.takes_token() {
            return Vec::new();
        }
        let is_authorized = !requirement.scopes.is_empty() || !requirement.rules.is_empty();
        let rejected = [
            (Self::BadRequest, true),
            (Self::Unauthorized, true),
            (Self::Forbidden, is_authorized || looks_at_origin),
            (Self::TooManyRequests, tokens.dpop),
            (Self::ServiceUnavailable, tokens.may_be_undetermined),
        ];
        let possible = rejected.into_iter().filter(|(_, is_possible)| *is_possible);
        possible.map(|(rejected, _)| rejected).collect()
    }

    pub(super) fn status(self) -> &'static str {
        match self {
            Self::BadRequest => "400",
            Self::Unauthorized => "401",
            Self::Forbidden => "403",
            Self::TooManyRequests => "429",
            Self::ServiceUnavailable => "503",
        }
    }

    /// The name of the shared response.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "BadRequest",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::TooManyRequests => "TooManyRequests",
            Self::ServiceUnavailable => "ServiceUnavailable",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::BadRequest => "The request has two credentials, or is malformed.",
            Self::Unauthorized => {
                "There is no access token, it is not valid, or the login of its user does not suffice."
            }
            Self::Forbidden => "The access token does not grant what the operation requires.",
            Self::TooManyRequests => "Too many DPoP proofs by this key have not expired yet.",
            Self::ServiceUnavailable => {
                "Whether the access token is valid cannot be determined at the moment."
            }
        }
    }

    /// The response; its body is described by the schema `problem`, or not at all.
    pub(super) fn response(self, tokens: &AcceptedTokens, problem: Option<&str>) -> Response {
        let mut response = ResponseBuilder::new().description(self.description());
        match self {
            Self::BadRequest => {
                response = response.header(WWW_AUTHENTICATE, challenge(false));
            }
            Self::Unauthorized | Self::Forbidden => {
                response = response.header(WWW_AUTHENTICATE, challenge(true));
            }
            Self::TooManyRequests | Self::ServiceUnavailable => {
                response = response.header("Retry-After", retry_after());
            }
        }
        if self == Self::Unauthorized && tokens.dpop {
            response = response.header("DPoP-Nonce", nonce());
        }
        if let Some(problem) = problem {
            let body = Content::new(Some(Ref::from_schema_name(problem)));
            response = response.content("application/problem+json", body);
        }
        response.build()
    }
}

fn challenge(is_always_there: bool) -> Header {
    let header = header("The credentials that are accepted, and the error (RFC 6750, section 3).");
    required(header, is_always_there)
}

fn retry_after() -> Header {
    let seconds = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1));
    let header = HeaderBuilder::new().schema(Some(seconds));
    required(header.description(Some("In seconds.")).build(), true)
}

fn nonce() -> Header {
    header("The nonce for the next DPoP proof, where one is needed (RFC 9449, section 8).")
}

fn header(description: &str) -> Header {
    HeaderBuilder::new().description(Some(description)).build()
}

/// utoipa's headers have no field for this one.
fn required(mut header: Header, is_required: bool) -> Header {
    if is_required {
        let extensions = [("required", json!(true))];
        header.extensions = Some(extensions.into_iter().collect());
    }
    header
}

/// The schema of a problem document (RFC 9457), with the members that rejections add.
pub(super) fn problem_schema() -> Schema {
    let list = || ArrayBuilder::new().items(of_type(Type::String));
    ObjectBuilder::new()
        .description(Some("The cause of a rejection (RFC 9457)."))
        .property("type", described("A URI of the kind of problem."))
        .property("title", described("The reason phrase of the status."))
        .property("status", of_type(Type::Integer))
        .property("detail", described("What is wrong, in one sentence."))
        .property("required_scopes", list().description(Some(SCOPES)))
        .property(
            "alternatives",
            ArrayBuilder::new().items(list()).description(Some(WAYS)),
        )
        .property("acr_values", list().description(Some(CLASSES)))
        .property("amr_values", list().description(Some(METHODS)))
        .property("max_age", of_type(Type::Integer).description(Some(AGE)))
        .required("type")
        .required("title")
        .required("status")
        .required("detail")
        .into()
}

fn described(text: &str) -> ObjectBuilder {
    of_type(Type::String).description(Some(text))
}

fn of_type(of: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(of)
}

const SCOPES: &str = "The scopes that a token needs.";

const WAYS: &str = "The sufficient sets of scopes, where there are several.";

const CLASSES: &str = "The classes of login of which one is required (RFC 9470).";

const METHODS: &str = "The methods that the login must use.";

const AGE: &str = "How old the login may be, in seconds (RFC 9470).";

const WWW_AUTHENTICATE: &str = "WWW-Authenticate";
