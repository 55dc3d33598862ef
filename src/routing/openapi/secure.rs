//! What the rows declare, added to the operations of a document.

use std::collections::BTreeMap;
use std::fmt;

use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::response::Response;
use utoipa::openapi::{Components, ObjectBuilder, OpenApi, Ref, RefOr, Required, Type};

use super::rejections::{Rejected, problem_schema};
use super::row::{METHODS, Row, http_method, operation_mut, scopes};
use super::security::Schemes;
use super::template::Template;
use crate::extract::{Authentication, Requirement};
use crate::verifier::AcceptedTokens;

/// Where a document and tables differ; `Display` has a line for each operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "the operations that it lists are not secured"]
pub struct Differences {
    undocumented: Vec<String>,
    unknown: Vec<String>,
}

impl Differences {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.undocumented.is_empty() && self.unknown.is_empty()
    }

    /// The rows that the document does not have, such as `GET /api/orders/{id}`.
    pub fn undocumented(&self) -> impl Iterator<Item = &str> {
        self.undocumented.iter().map(String::as_str)
    }

    /// The operations of the document that no table has.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.unknown.iter().map(String::as_str)
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let undocumented = self.undocumented.iter();
        let undocumented = undocumented.map(|name| format!("{name} is not in the document"));
        let unknown = self.unknown.iter();
        let unknown = unknown.map(|name| format!("{name} is in no table"));
        f.write_str(&undocumented.chain(unknown).collect::<Vec<_>>().join("\n"))
    }
}

pub(super) fn secure(rows: &[Row], tokens: &AcceptedTokens, document: &mut OpenApi) -> Differences {
    let mut components = document.components.take().unwrap_or_default();
    let schemes = if rows.iter().any(|row| row.requirement.takes_token()) {
        Schemes::add(tokens, &scopes(rows), &mut components.security_schemes)
    } else {
        Schemes::default()
    };
    let mut responses = RejectionResponses {
        tokens,
        components: &mut components,
    };
    let mut secured: Vec<(String, HttpMethod)> = Vec::new();
    let mut differences = Differences::default();
    for row in rows {
        let Some((path, method, operation)) = operation_of(row, document) else {
            differences.undocumented.push(row.name());
            continue;
        };
        if secured.contains(&(path.clone(), method.clone())) {
            append(operation, &other_row(row));
            continue;
        }
        operation.security = Some(schemes.requirements(&row.requirement));
        responses.add_to(operation, row);
        describe_access(operation, &row.requirement, tokens);
        secured.push((path, method));
    }
    differences.unknown = unknown(document, &secured);
    document.components = Some(components).filter(|components| *components != Components::new());
    differences
}

/// The operation of the row, with its path and method in the document.
fn operation_of<'d>(
    row: &Row,
    document: &'d mut OpenApi,
) -> Option<(String, HttpMethod, &'d mut Operation)> {
    let method = http_method(&row.method)?;
    let mut items = document.paths.paths.iter_mut();
    let (path, item) = items.find(|(path, _)| Template::of(path).has_shape_of(&row.template))?;
    let operation = operation_mut(item, &method).as_mut()?;
    Some((path.clone(), method, operation))
}

fn unknown(document: &mut OpenApi, secured: &[(String, HttpMethod)]) -> Vec<String> {
    let mut unknown = Vec::new();
    for (path, item) in &mut document.paths.paths {
        for (method, name) in METHODS {
            let is_secured = secured
                .iter()
                .any(|(known, of)| known == path && *of == method);
            if !is_secured && operation_mut(item, &method).is_some() {
                unknown.push(format!("{name} {path}"));
            }
        }
    }
    unknown
}

/// The shared responses, which are added to the components when the first operation has them.
struct RejectionResponses<'d> {
    tokens: &'d AcceptedTokens,
    components: &'d mut Components,
}

impl RejectionResponses<'_> {
    fn add_to(&mut self, operation: &mut Operation, row: &Row) {
        for rejected in Rejected::by(&row.requirement, row.looks_at_origin, self.tokens) {
            let responses = &mut operation.responses.responses;
            match responses.get_mut(rejected.status()) {
                Some(RefOr::T(own)) => self.extend(own, rejected, row.has_problems),
                Some(RefOr::Ref(_)) => {}
                None => {
                    let response = self.response(rejected, row.has_problems);
                    responses.insert(rejected.status().to_owned(), response);
                }
            }
        }
    }

    /// Adds the headers and the media type to a response that the application describes.
    fn extend(&mut self, own: &mut Response, rejected: Rejected, has_problems: bool) {
        let response = self.inline(rejected, has_problems);
        for (name, header) in response.headers {
            own.headers.entry(name).or_insert(header);
        }
        for (media_type, content) in response.content {
            own.content.entry(media_type).or_insert(content);
        }
    }

    fn response(&mut self, rejected: Rejected, has_problems: bool) -> RefOr<Response> {
        let response = self.inline(rejected, has_problems).into();
        if !has_problems {
            return response;
        }
        let responses = &mut self.components.responses;
        let name = add(responses, rejected.name(), response);
        Ref::from_response_name(name).into()
    }

    fn inline(&mut self, rejected: Rejected, has_problems: bool) -> Response {
        let schemas = &mut self.components.schemas;
        let problem = has_problems.then(|| add(schemas, "Problem", problem_schema().into()));
        rejected.response(self.tokens, problem.as_deref())
    }
}

/// Adds a component, unless there is an equal one, under a name that no other has.
pub(super) fn add<T: PartialEq>(
    components: &mut BTreeMap<String, T>,
    name: &str,
    component: T,
) -> String {
    let is_used = |name: &str| {
        components
            .get(name)
            .is_some_and(|other| *other != component)
    };
    let name = super::unused(name, is_used);
    components.insert(name.clone(), component);
    name
}

/// Describes what a security requirement cannot express.
fn describe_access(operation: &mut Operation, requirement: &Requirement, tokens: &AcceptedTokens) {
    let Requirement {
        logins,
        rules,
        proven_sender,
        ..
    } = requirement;
    if *proven_sender {
        append(operation, BOUND);
        if tokens.dpop {
            let parameters = operation.parameters.get_or_insert_default();
            let proof = RefOr::T(proof(requirement, tokens));
            if !parameters.contains(&proof) {
                parameters.push(proof);
            }
        }
    }
    for login in logins {
        append(operation, &format!("Requires {login} (RFC 9470)."));
    }
    for rule in rules {
        append(operation, rule);
    }
}

/// The header of a DPoP proof.
fn proof(requirement: &Requirement, tokens: &AcceptedTokens) -> Parameter {
    let is_required = requirement.caller == Authentication::Required && !tokens.certificates;
    let required = if is_required {
        Required::True
    } else {
        Required::False
    };
    ParameterBuilder::new()
        .name("DPoP")
        .parameter_in(ParameterIn::Header)
        .required(required)
        .description(Some(
            "A proof of possession of the token's key: a JWT (RFC 9449, section 4).",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

/// A row that OpenAPI cannot tell from one that is described.
fn other_row(row: &Row) -> String {
    let summary = row
        .summary
        .map(|text| format!(", {text}"))
        .unwrap_or_default();
    format!(
        "`{}` is another operation: {}{summary}.",
        row.name(),
        row.requirement
    )
}

/// Adds a paragraph to the description.
fn append(operation: &mut Operation, text: &str) {
    let description = operation.description.get_or_insert_default();
    if description.contains(text) {
        return;
    }
    if !description.is_empty() {
        description.push_str("\n\n");
    }
    description.push_str(text);
}

const BOUND: &str = "The token must be bound to its sender, who proves possession of the key (RFC 9449) or of the client \
                     certificate (RFC 8705).";
