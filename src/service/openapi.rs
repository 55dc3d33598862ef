//! The OpenAPI document of the service: printed by the command `openapi`, and served at `/openapi.json`.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use actix_web::web::{self, Bytes};
use actix_web::{HttpResponse, Responder};
use arc_swap::ArcSwapOption;
use utoipa::openapi::OpenApi;

use super::config;
use super::tables::Tables;
use crate::routing::Document;
use crate::verifier::AcceptedTokens;
use crate::{Api, Public, Verifier, get};

/// A function of the program that changes its document.
pub(super) type Adapt = Arc<dyn Fn(&mut OpenApi) + Send + Sync>;

/// What the document is made from, beside the tokens that are accepted.
#[derive(Clone)]
pub(super) struct Documentation {
    /// The title where no table has one.
    pub(super) title: String,
    pub(super) version: &'static str,
    pub(super) tables: Tables,
    pub(super) adapt: Option<Adapt>,
}

impl Documentation {
    /// Describes the tables as the settings say.
    pub(super) fn described_by(self, resource: &config::Resource) -> Self {
        Self {
            tables: self.tables.described_by(resource),
            ..self
        }
    }

    /// The document of all tables. `server` is the URL by which clients call the service, if it is known.
    pub(super) fn document(&self, server: Option<&str>, tokens: Option<AcceptedTokens>) -> OpenApi {
        let tables = self.tables.all();
        let title = tables.iter().find_map(Api::own_title);
        let title = title.unwrap_or(&self.title);
        let document = Document::new(title, self.version).accepting(tokens);
        let document = server.into_iter().fold(document, Document::server);
        let mut document = tables.iter().fold(document, Document::api).build();
        if let Some(adapt) = &self.adapt {
            adapt(&mut document);
        }
        document
    }
}

/// The URL of the server in the document: nothing that a request contains.
pub(super) fn public_url(server: &config::Server) -> Option<&str> {
    server.public_url.as_ref().map(url::Url::as_str)
}

/// The document as it is served; it is rendered again when more of the accepted tokens is known.
#[derive(Clone)]
pub(super) struct ServedDocument {
    documentation: Arc<Documentation>,
    server: Option<String>,
    verifier: Verifier,
    rendered: Arc<ArcSwapOption<Rendered>>,
}

struct Rendered {
    tokens: AcceptedTokens,
    json: Bytes,
}

impl ServedDocument {
    pub(super) fn new(
        documentation: Documentation,
        server: &config::Server,
        verifier: Verifier,
    ) -> Self {
        Self {
            documentation: Arc::new(documentation),
            server: public_url(server).map(str::to_owned),
            verifier,
            rendered: Arc::default(),
        }
    }

    /// Adds the routes to an app, which leave their paths to those that it has already.
    pub(super) fn configure(&self, app: &mut web::ServiceConfig) {
        app.app_data(web::Data::new(self.clone()));
        for api in apis() {
            let api = api.leaving_unknown_paths();
            app.service(api.verified_by(self.verifier.clone()));
        }
    }

    fn json(&self) -> Bytes {
        let tokens = self.verifier.accepted_tokens();
        if let Some(rendered) = &*self.rendered.load()
            && rendered.tokens == tokens
        {
            return rendered.json.clone();
        }
        let document = self
            .documentation
            .document(self.server.as_deref(), Some(tokens.clone()));
        let json = Bytes::from(serde_json::to_vec(&document).unwrap_or_default());
        self.rendered.store(Some(Arc::new(Rendered {
            tokens,
            json: json.clone(),
        })));
        json
    }
}

#[cfg(feature = "docs-page")]
impl ServedDocument {
    pub(super) fn accepted_tokens(&self) -> AcceptedTokens {
        self.verifier.accepted_tokens()
    }

    pub(super) fn title(&self) -> &str {
        &self.documentation.title
    }

    /// The URL by which clients call the service, if it is known.
    pub(super) fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }
}

/// The document, and in a build that has it, the page that shows it.
fn apis() -> Vec<Api> {
    vec![
        Api::new("").route(PATH, get(openapi)),
        #[cfg(feature = "docs-page")]
        super::docs_page::api(),
    ]
}

async fn openapi(_: Public, document: web::Data<ServedDocument>) -> impl Responder {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        // It changes when discovery has succeeded, and with the program.
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(document.json())
}

/// The path of the document.
pub(super) const PATH: &str = "/openapi.json";

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};

    use super::*;
    use crate::service::tables::quickstart;
    use crate::{Issuer, post};

    fn served(server: Option<&str>) -> ServedDocument {
        ServedDocument {
            documentation: Arc::new(Documentation {
                title: "Test".to_owned(),
                version: "1",
                tables: quickstart::tables(),
                adapt: None,
            }),
            server: server.map(str::to_owned),
            verifier: Verifier::start([]).unwrap(),
            rendered: Arc::default(),
        }
    }

    #[test]
    fn the_document_is_rendered_once_for_the_same_tokens() {
        let document = served(None);
        let first = document.json();
        assert_eq!(document.json().as_ptr(), first.as_ptr());
        let issuer = Issuer::with_secret("b", &"s".repeat(32), crate::Algorithm::Hs256);
        let issuer = issuer.audience("api").build().unwrap();
        document.verifier.add_issuer(issuer).unwrap();
        let second = document.json();
        assert_ne!(second, first);
        assert_eq!(document.json().as_ptr(), second.as_ptr());
    }

    #[actix_web::test]
    async fn paths_of_the_application_precede() {
        async fn own(_: Public) -> &'static str {
            "own"
        }
        let get_own = || Api::new("").route(PATH, get(own));
        let post_own = || Api::new("").route(PATH, post(own));
        for (method, api, is_own) in [
            ("GET", get_own(), true),
            ("GET", post_own(), false),
            ("POST", post_own(), true),
        ] {
            let document = served(None);
            let api = api.leaving_unknown_paths();
            let app = App::new()
                .service(api.verified_by(document.verifier.clone()))
                .configure(|app| document.configure(app));
            let app = init_service(app).await;
            let request = TestRequest::with_uri(PATH).method(method.parse().unwrap());
            let response = call_service(&app, request.to_request()).await;
            assert_eq!(response.status(), 200, "{method}");
            assert_eq!(read_body(response).await == "own", is_own, "{method}");
        }
        let document = served(None);
        let own = web::resource(PATH).route(web::get().to(async || "own"));
        let app = App::new()
            .service(own)
            .configure(|app| document.configure(app));
        let app = init_service(app).await;
        let request = TestRequest::with_uri(PATH).to_request();
        assert_eq!(read_body(call_service(&app, request).await).await, "own");
    }
}
