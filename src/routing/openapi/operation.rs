//! Rows → operations, without what the access types declare.

use std::collections::{BTreeMap, HashSet};

use actix_web::http::StatusCode;
use utoipa::PartialSchema;
use utoipa::openapi::path::{Operation, OperationBuilder, Parameter, PathItem};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder, Responses, ResponsesBuilder};
use utoipa::openapi::{Content, RefOr, Required};

use super::described::{Body, Described};
use super::row::{Row, http_method, operation_mut};
use super::schemas::Schemas;
use super::template::Template;

/// The operations by path. Of several rows with the same method and shape of path, the first one is described.
pub(super) fn path_items(rows: &[Row], schemas: &mut Schemas) -> BTreeMap<String, PathItem> {
    let mut items = BTreeMap::new();
    let mut templates: Vec<Template> = Vec::new();
    for (row, id) in rows.iter().zip(operation_ids(rows)) {
        let Some(method) = http_method(&row.method) else {
            continue;
        };
        let known = templates.iter().find(|it| it.has_shape_of(&row.template));
        let template = match known {
            Some(known) => row.template.clone().renamed_as(known),
            None => {
                templates.push(row.template.clone());
                row.template.clone()
            }
        };
        let item: &mut PathItem = items.entry(template.path.clone()).or_default();
        operation_mut(item, &method).get_or_insert_with(|| operation(row, &template, id, schemas));
    }
    items
}

fn operation(row: &Row, template: &Template, id: String, schemas: &mut Schemas) -> Operation {
    let Described {
        description, tags, ..
    } = &row.described;
    let parameters = parameters(template, &row.described);
    OperationBuilder::new()
        .operation_id(Some(id))
        .summary(row.summary)
        .description(*description)
        .tags((!tags.is_empty()).then(|| tags.iter().copied()))
        .parameters((!parameters.is_empty()).then_some(parameters))
        .request_body(request_body(&row.described.request, schemas))
        .responses(responses(&row.described, schemas))
        .build()
}

/// Those that the application describes, and those of the path that it does not.
fn parameters(template: &Template, described: &Described) -> Vec<Parameter> {
    let mut parameters: Vec<_> = described
        .parameters
        .iter()
        .flat_map(|parameters| parameters())
        .collect();
    let is_same = |one: &Parameter, other: &Parameter| {
        one.name == other.name && one.parameter_in == other.parameter_in
    };
    for parameter in template.parameters() {
        if !parameters.iter().any(|known| is_same(known, &parameter)) {
            parameters.push(parameter);
        }
    }
    parameters
}

fn request_body(bodies: &[Body], schemas: &mut Schemas) -> Option<RequestBody> {
    let body = RequestBodyBuilder::new().required(Some(Required::True));
    let content =
        |body: RequestBodyBuilder, of: &Body| body.content(of.media_type, schemas.content(*of));
    (!bodies.is_empty()).then(|| bodies.iter().fold(body, content).build())
}

fn responses(described: &Described, schemas: &mut Schemas) -> Responses {
    let mut responses: BTreeMap<u16, Response> = BTreeMap::new();
    for (status, body) in &described.responses {
        let response = responses
            .entry(*status)
            .or_insert_with(|| without_content(*status));
        if !body.schema.is_unit() {
            let content = RefOr::T(schemas.content(*body));
            response.content.insert(body.media_type.to_owned(), content);
        }
    }
    if !responses.keys().any(|status| (200..400).contains(status)) {
        responses.insert(200, without_content(200));
    }
    for status in described.extractor_errors() {
        let response = || text(without_content(status));
        responses.entry(status).or_insert_with(response);
    }
    let responses = responses.into_iter();
    ResponsesBuilder::new()
        .responses_from_iter(responses.map(|(status, it)| (status.to_string(), it)))
        .build()
}

/// The response with a plain text, as Actix's errors are.
fn text(mut response: Response) -> Response {
    let text = Content::new(Some(String::schema()));
    response
        .content
        .insert("text/plain".to_owned(), text.into());
    response
}

fn without_content(status: u16) -> Response {
    let status = StatusCode::from_u16(status).ok();
    let reason = status.and_then(|status| status.canonical_reason());
    ResponseBuilder::new()
        .description(reason.unwrap_or("A response."))
        .build()
}

/// One for each row: that of the application, the name of the handler's function, or method and path where the function
/// has no name, or several rows.
pub(super) fn operation_ids(rows: &[Row]) -> Vec<String> {
    let set = rows.iter().filter_map(|row| row.described.operation_id);
    let mut used: HashSet<String> = set.map(str::to_owned).collect();
    let functions: Vec<_> = rows.iter().map(|row| function_name(row.handler)).collect();
    let is_shared = |name: &str| {
        let same = functions.iter().filter(|other| **other == Some(name));
        same.count() > 1
    };
    let id = |(row, function): (&Row, &Option<&str>)| {
        if let Some(id) = row.described.operation_id {
            return id.to_owned();
        }
        let function = function.filter(|name| !is_shared(name) && !used.contains(*name));
        let id = function.map_or_else(|| method_and_path(row), str::to_owned);
        let id = super::unused(&id, |id| used.contains(id));
        used.insert(id.clone());
        id
    };
    rows.iter().zip(&functions).map(id).collect()
}

/// The last segment of the path of a function; closures have none.
fn function_name(type_name: &str) -> Option<&str> {
    let path = type_name.split('<').next()?;
    let name = path.rsplit("::").next()?;
    (!name.is_empty() && !name.starts_with('{')).then_some(name)
}

/// Such as `get_api_orders_id`.
fn method_and_path(row: &Row) -> String {
    let text = format!(
        "{} {}",
        row.method.as_str().to_lowercase(),
        row.template.path
    );
    let words = text.split(|character: char| !character.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join("_")
}
