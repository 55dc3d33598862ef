//! Protected routes in an actix app that exists: its logger, compression, CORS, sessions and plain routes stay as they are.

use actix_cors::Cors;
use actix_resource_server::{
    Api, AuthenticatedUser, Issuer, ProtectedRoute, Scoped, Verifier, get, scope,
};
use actix_session::storage::CookieSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::middleware::{Compress, Logger};
use actix_web::{App, HttpServer, web};

scope!(pub ReadReports = "read:reports");

/// A plain route, with the app's own session.
async fn home(session: Session) -> actix_web::Result<String> {
    let visits = session.get::<u32>("visits")?.unwrap_or(0).saturating_add(1);
    session.insert("visits", visits)?;
    Ok(format!("visit {visits}"))
}

async fn reports(_: Scoped<ReadReports>) -> &'static str {
    "the reports"
}

async fn upload(user: AuthenticatedUser, body: web::Bytes) -> String {
    let name = user.subject().unwrap_or("a client");
    format!("{} bytes of {name}", body.len())
}

/// A table beside plain routes, and one protected route that is registered as any other.
fn configure(app: &mut web::ServiceConfig, verifier: Verifier) {
    app.app_data(verifier.clone())
        .route("/", web::get().to(home))
        .route("/upload", web::post().protected(upload))
        .service(
            Api::new("/api")
                .route("/reports", get(reports))
                .verified_by(verifier),
        );
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("info"));
    let issuer = Issuer::discover("https://tenant.eu.auth0.com/").audience("https://my/api");
    let verifier = Verifier::start([issuer.build()?])?;
    // Sessions end with the process; a key from the settings keeps them.
    let key = Key::generate();
    HttpServer::new(move || {
        App::new()
            .configure(|app| configure(app, verifier.clone()))
            .wrap(Compress::default())
            .wrap(SessionMiddleware::new(
                CookieSessionStore::default(),
                key.clone(),
            ))
            // Outside the access check: a browser's preflight request has no token. Credentials stay off, so that no
            // other page can use the sessions.
            .wrap(
                Cors::default()
                    .allowed_origin("https://app.example")
                    .allowed_methods(["GET", "POST"])
                    .allowed_headers([AUTHORIZATION, CONTENT_TYPE]),
            )
            .wrap(Logger::default())
    })
    .bind("127.0.0.1:3010")?
    .run()
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use actix_resource_server::Algorithm;
    use actix_resource_server::test_kit::TestIssuer;
    use actix_web::http::header::{COOKIE, SET_COOKIE};
    use actix_web::test::{TestRequest, call_and_read_body, call_service, init_service};

    use super::*;

    #[actix_web::test]
    async fn sessions_and_tokens_stand_side_by_side() {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
        let verifier = Verifier::start([trusted.build().unwrap()]).unwrap();
        let session = SessionMiddleware::new(CookieSessionStore::default(), Key::generate());
        let app = App::new().configure(|app| configure(app, verifier));
        let app = init_service(app.wrap(session)).await;

        let first = call_service(&app, TestRequest::get().uri("/").to_request()).await;
        let cookie = first.headers().get(SET_COOKIE).unwrap().clone();
        let again = TestRequest::get().uri("/").insert_header((COOKIE, cookie));
        assert_eq!(
            call_and_read_body(&app, again.to_request()).await,
            "visit 2"
        );

        let token = issuer.token().scope("read:reports").build();
        let bearer = (AUTHORIZATION, format!("Bearer {token}"));
        for (request, status) in [
            (TestRequest::get().uri("/api/reports"), 401),
            (TestRequest::post().uri("/upload"), 401),
            (
                TestRequest::get()
                    .uri("/api/reports")
                    .insert_header(bearer.clone()),
                200,
            ),
            (
                TestRequest::post().uri("/upload").insert_header(bearer),
                200,
            ),
        ] {
            let response = call_service(&app, request.to_request()).await;
            assert_eq!(response.status(), status);
        }
    }
}
