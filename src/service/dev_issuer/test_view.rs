//! The Test view at `/`: choose a person, get a token, call the API with it.
//!
//! The page and its script are files of their own; who there is to choose and what there is to
//! call, the script learns from [`DATA`].

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::json;

use crate::access::table::Row;

use super::pages::{escape, html};
use super::users::PEOPLE;
use super::{Provider, token};

pub(super) const DATA: &str = "/test_view.json";
pub(super) const MESSAGE_SCRIPT: &str = "/assets/message.js";
pub(super) const PROOF_SCRIPT: &str = "/assets/proof.js";
pub(super) const SCRIPT: &str = "/assets/test_view.js";
pub(super) const STYLE: &str = "/assets/style.css";

/// The API that the page calls.
#[derive(Debug, Serialize)]
pub(super) struct TestedApi {
    origin: String,
    routes: Vec<TestedRoute>,
}

#[derive(Debug, Serialize)]
struct TestedRoute {
    method: String,
    path: String,
    requirement: String,
}

impl TestedApi {
    pub(super) fn new<'a>(origin: String, rows: impl IntoIterator<Item = Row<'a>>) -> Self {
        let route = |row: Row<'_>| TestedRoute {
            method: row.method.to_string(),
            path: row.path,
            requirement: row.requirement.to_string(),
        };
        Self {
            origin,
            routes: rows.into_iter().map(route).collect(),
        }
    }
}

pub(super) async fn show(provider: web::Data<Provider>) -> HttpResponse {
    let api = provider.api.as_ref();
    let api = api.map(|api| api.origin.as_str()).unwrap_or_default();
    let policy = format!(
        "script-src 'self'; style-src 'self'; img-src data:; form-action 'none'; connect-src 'self' {api}"
    );
    let page = format!(
        include_str!("assets/test_view.html"),
        issuer = escape(&provider.url),
        audience = escape(&provider.audience),
    );
    html(StatusCode::OK, &policy, page)
}

pub(super) async fn show_data(provider: web::Data<Provider>) -> HttpResponse {
    let people: Vec<_> = PEOPLE
        .iter()
        .map(|person| {
            json!({
                "name": person.name,
                "role": person.role,
                "subject": person.subject,
                "scopes": person.scopes,
            })
        })
        .collect();
    HttpResponse::Ok().json(json!({
        "people": people,
        "token_endpoint": provider.at(token::PATH),
        "api": provider.api,
    }))
}

pub(super) async fn show_script() -> HttpResponse {
    script(include_str!("assets/test_view.js"))
}

pub(super) async fn show_proof_script() -> HttpResponse {
    script(include_str!("assets/proof.js"))
}

pub(super) async fn show_message_script() -> HttpResponse {
    script(include_str!("assets/message.js"))
}

pub(super) async fn show_style() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .body(include_str!("assets/style.css"))
}

fn script(text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/javascript; charset=utf-8")
        .body(text)
}
