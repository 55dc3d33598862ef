//! The pages and their files: sign-in, notices, web messages, and the Test view.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, ContentType, HOST, ORIGIN, X_FRAME_OPTIONS,
};
use actix_web::{Error, HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::{Value, json};
use url::Url;

use crate::routing::RouteInfo;
use crate::service::html::escape;

use super::accounts::{Accounts, User};
use super::error::OAuthError;
use super::parameters::{ClientRedirect, Parameters};
use super::{Provider, token};

pub(super) const TEST_VIEW_DATA: &str = "/test_view.json";
pub(super) const EXPLAIN: &str = "/explain";

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// The files that pages load from `/assets`: name, content type and content.
pub(super) const ASSETS: [(&str, &str, &str); 4] = [
    ("message.js", JS, include_str!("assets/message.js")),
    ("proof.js", JS, include_str!("assets/proof.js")),
    ("style.css", CSS, include_str!("assets/style.css")),
    ("test_view.js", JS, include_str!("assets/test_view.js")),
];

/// What the client requests, as the sign-in page words it.
const CHOOSE: &str = "requests a sign-in. The users have no passwords.";
const CONFIRM: &str =
    "requests a sign-in with two factors. There is no second device: this button replaces it.";

/// What a page without scripts may load.
const STYLE_ONLY: &str = "style-src 'self'; img-src data:";

/// The page on which a user is chosen, or on which `user` confirms a second factor.
pub(super) fn sign_in(
    redirect: &ClientRedirect,
    action: &str,
    form_token: &str,
    user: Option<&User>,
    accounts: &Accounts,
) -> HttpResponse {
    let (title, heading, request, fields) = match user {
        None => ("Sign in", "Choose a user", CHOOSE, user_buttons(accounts)),
        Some(user) => (
            "Second factor",
            "Confirm the second factor",
            CONFIRM,
            confirm_button(user),
        ),
    };
    let body = format!(
        include_str!("assets/sign_in.html"),
        title = title,
        heading = heading,
        client = escape(&accounts.display_name(&redirect.client_id)),
        origin = escape(&redirect.redirect_uri.origin()),
        request = request,
        action = escape(action),
        form = escape(form_token),
        fields = fields,
    );
    // The response to the form redirects to the client, which browsers check against `form-action`.
    let policy = format!("{STYLE_ONLY}; form-action http: https:");
    html(StatusCode::OK, &policy, body)
}

fn user_buttons(accounts: &Accounts) -> String {
    let button = |user: &Arc<User>| {
        let [id, name, role] = [&user.id, &user.name, &user.role].map(|text| escape(text));
        let scopes = escape(&user.scopes.join(" "));
        format!(
            r#"<button name="person" value="{id}"><strong>{name}</strong><span>{role}: <code>{scopes}</code></span></button>"#
        )
    };
    accounts.users.iter().map(button).collect()
}

fn confirm_button(user: &User) -> String {
    let [id, name] = [&user.id, &user.name].map(|text| escape(text));
    format!(
        r#"<input type="hidden" name="person" value="{id}">
<button name="second_factor" value="confirmed"><strong>Confirm as {name}</strong><span>with a second factor</span></button>"#
    )
}

/// A page with a heading and a sentence.
pub(super) fn notice(status: StatusCode, heading: &str, sentence: &str) -> HttpResponse {
    let body = format!(
        include_str!("assets/notice.html"),
        heading = escape(heading),
        sentence = escape(sentence),
    );
    html(status, STYLE_ONLY, body)
}

/// Posts a JSON `message` to the window that opened or framed this one, if it is of the `target`
/// origin. This is the only page that may be framed.
pub(super) fn web_message(target: &str, message: &str) -> HttpResponse {
    let body = format!(
        include_str!("assets/message.html"),
        target = escape(target),
        response = escape(message),
    );
    let policy = "default-src 'none'; base-uri 'none'; script-src 'self'";
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .body(body)
}

/// A page that cannot be framed and may load what `policy` allows.
fn html(status: StatusCode, policy: &str, body: String) -> HttpResponse {
    let policy = format!("default-src 'none'; base-uri 'none'; frame-ancestors 'none'; {policy}");
    HttpResponse::build(status)
        .content_type(ContentType::html())
        .insert_header((X_FRAME_OPTIONS, "DENY"))
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .body(body)
}

/// The API that the Test view calls.
#[derive(Debug, Serialize)]
pub(super) struct TestedApi {
    origin: String,
    routes: Vec<Value>,
}

impl TestedApi {
    pub(super) fn new<'a>(origin: String, rows: impl IntoIterator<Item = RouteInfo<'a>>) -> Self {
        let route = |row: RouteInfo<'_>| {
            json!({
                "method": row.method.as_str(),
                "path": row.path,
                "requirement": row.requirement.to_string(),
            })
        };
        let routes = rows.into_iter().map(route).collect();
        Self { origin, routes }
    }
}

/// The Test view: choose a user, get a token, call the API with it.
pub(super) async fn test_view(provider: web::Data<Provider>) -> HttpResponse {
    let api = provider.api.as_ref().map_or("", |api| &api.origin);
    let policy =
        format!("script-src 'self'; {STYLE_ONLY}; form-action 'none'; connect-src 'self' {api}");
    let body = format!(
        include_str!("assets/test_view.html"),
        issuer = escape(&provider.url),
        audience = escape(&provider.audience),
    );
    html(StatusCode::OK, &policy, body)
}

/// Explains to the Test view why the API rejects a token, as the command `explain` does.
pub(super) async fn explain(
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, OAuthError> {
    if !is_from_own_page(&request) {
        return Err(OAuthError::FOREIGN_PAGE);
    }
    let parameters = Parameters::from_body(&request, body)?;
    let url = parameters.get("url").and_then(|url| Url::parse(url).ok());
    let [route, token] = ["route", "token"].map(|name| parameters.get(name).unwrap_or_default());
    let explainer = provider.explainer.get().zip(url);
    let (explainer, url) = explainer.ok_or(OAuthError::EXPLAIN)?;
    let report = explainer.explain((route, &url), token, parameters.get("proof"));
    let report = report.await.map_err(|_| OAuthError::EXPLAIN)?;
    Ok(HttpResponse::Ok().json(report))
}

/// Whether the page that sent a request is of the host that the request names.
fn is_from_own_page(request: &HttpRequest) -> bool {
    let value = |name| request.headers().get(name)?.to_str().ok();
    let origin = value(ORIGIN).and_then(|origin| origin.split_once("://"));
    origin.is_some_and(|(_, authority)| value(HOST) == Some(authority))
}

/// What the script of the Test view works with.
pub(super) async fn test_view_data(provider: web::Data<Provider>) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "users": provider.accounts.users.iter().map(Arc::as_ref).collect::<Vec<&User>>(),
        "token_endpoint": provider.endpoint(token::PATH),
        "api": provider.api,
    }))
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use actix_web::body::MessageBody;

    use super::super::error::{HtmlError, OAuthError};
    use super::*;

    fn body(response: HttpResponse) -> String {
        let bytes = response.into_body().try_into_bytes().ok().unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn texts_are_escaped() {
        let page = body(notice(StatusCode::OK, "<b>", "\"&"));
        assert!(page.contains("<h1>&lt;b&gt;</h1>"), "{page}");
        assert!(page.contains("<p>&quot;&amp;</p>"), "{page}");
        let page = body(web_message("\"", "\"</script>\""));
        assert!(page.contains("data-target=\"&quot;\""), "{page}");
        assert!(
            page.contains("data-response=\"&quot;&lt;/script&gt;&quot;\""),
            "{page}"
        );
    }

    #[test]
    fn only_the_web_message_can_be_framed() {
        let cases = [
            (notice(StatusCode::OK, "", ""), true),
            (
                HtmlError::from(OAuthError::REDIRECT_URI).error_response(),
                true,
            ),
            (web_message("", ""), false),
        ];
        for (response, is_protected) in cases {
            let header = |name| {
                response
                    .headers()
                    .get(name)
                    .map(|value| value.to_str().unwrap())
            };
            let policy = header(CONTENT_SECURITY_POLICY).unwrap();
            assert!(
                policy.starts_with("default-src 'none'; base-uri 'none'"),
                "{policy}"
            );
            assert_eq!(
                policy.contains("frame-ancestors 'none'"),
                is_protected,
                "{policy}"
            );
            assert_eq!(header(X_FRAME_OPTIONS), is_protected.then_some("DENY"));
        }
    }
}
