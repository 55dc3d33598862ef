//! A page at `/docs`: Swagger UI with the document of the service. Nothing is loaded from other servers.

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use actix_web::web::{self, Bytes};
use url::Url;
use utoipa_swagger_ui::Config;

use super::html::escape;
use super::openapi::ServedDocument;
use crate::routing::Endpoint;
use crate::verifier::{AcceptedTokens, TokenSource};
use crate::{Api, Public, get};

/// The page and its files, which leave unknown paths to the app.
pub(super) fn api() -> Api {
    let api = Api::new(PATH).route("", get(page)).route(
        "/start.js",
        file(JS, Bytes::from_static(include_bytes!("start.js"))),
    );
    FILES.into_iter().fold(api, |api, (name, content_type)| {
        let config = Arc::new(Config::from(""));
        let content = utoipa_swagger_ui::serve(name, config).ok().flatten();
        let content = content.map(|file| Bytes::from(file.bytes.into_owned()));
        let path = format!("/{name}");
        api.route(&path, file(content_type, content.unwrap_or_default()))
    })
}

fn file(content_type: &'static str, content: Bytes) -> Endpoint {
    get(move |_: Public| {
        let mut response = HttpResponse::Ok();
        response
            .content_type(content_type)
            .insert_header((CACHE_CONTROL, "max-age=3600"))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((X_FRAME_OPTIONS, "DENY"))
            .insert_header((CONTENT_SECURITY_POLICY, FILE_POLICY));
        ready(response.body(content.clone()))
    })
}

async fn page(_: Public, document: web::Data<ServedDocument>) -> HttpResponse {
    let tokens = document.accepted_tokens();
    let only = match tokens.sources.as_slice() {
        [only] => only.clone(),
        _ => TokenSource::default(),
    };
    let issuer = only.issuer.unwrap_or_default();
    let body = format!(
        include_str!("page.html"),
        title = escape(document.title()),
        audience = escape(&only.audience.unwrap_or_default()),
        client = if issuer.starts_with(DEV_ISSUER) {
            CLIENT
        } else {
            ""
        },
    );
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((X_FRAME_OPTIONS, "DENY"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((CONTENT_SECURITY_POLICY, policy(&tokens, document.server())))
        .body(body)
}

/// What the page may load and call: its own server, and where tokens are issued.
fn policy(tokens: &AcceptedTokens, server: Option<&str>) -> String {
    let urls = tokens.sources.iter().flat_map(TokenSource::called_urls);
    let origins: BTreeSet<_> = urls
        .chain(server)
        .filter_map(|url| Url::parse(url).ok())
        .map(|url| url.origin().ascii_serialization())
        .collect();
    let origins: Vec<_> = origins.into_iter().collect();
    format!("{PAGE_POLICY}; connect-src 'self' {}", origins.join(" "))
}

impl TokenSource {
    /// The URLs that Swagger UI calls to get a token.
    fn called_urls(&self) -> impl Iterator<Item = &str> {
        let token = self.endpoints.as_ref().map(|known| known.token.as_str());
        token.into_iter().chain(self.discovery.as_deref())
    }
}

/// The path of the page.
pub(super) const PATH: &str = "/docs";

/// The client as which the page signs in at the development issuer, which registers none.
const CLIENT: &str = "documentation";

/// What the name of the development issuer begins with.
const DEV_ISSUER: &str = "http://localhost:";

/// The files of Swagger UI that the page needs, and the page to which the issuer redirects.
const FILES: [(&str, &str); 4] = [
    ("oauth2-redirect.html", "text/html; charset=utf-8"),
    ("oauth2-redirect.js", JS),
    ("swagger-ui-bundle.js", JS),
    ("swagger-ui.css", "text/css; charset=utf-8"),
];

const JS: &str = "text/javascript; charset=utf-8";

/// Swagger UI sets styles in attributes, and has images in its style sheet.
const PAGE_POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                           img-src 'self' data:; script-src 'self'; style-src 'self' 'unsafe-inline'";

const FILE_POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; script-src 'self'";
