//! A protected route without a verifier responds with 500, and the log names the remedy.

use actix_resource_server::{Api, AuthenticatedUser, MaybeUser, ProtectedRoute, Scoped, get};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, web};

use crate::app::{self, Answer, ReadMessages, ask, bearer, get_with};
use crate::logged;

async fn private(user: AuthenticatedUser) -> String {
    user.subject().unwrap_or_default().to_owned()
}

async fn scoped(_: Scoped<ReadMessages>) -> &'static str {
    "in"
}

async fn maybe(_: MaybeUser) -> &'static str {
    "in"
}

#[actix_web::test]
async fn a_missing_verifier_is_a_500_and_a_log_line_that_names_the_remedy() {
    logged::keep();
    let app = App::new()
        .route("/private", web::get().protected(private))
        .route("/scoped", web::get().protected(scoped));
    let app = init_service(app.route("/maybe", web::get().protected(maybe))).await;
    let expected = Answer::problem(
        500,
        "Internal Server Error",
        "The server is not configured to verify access tokens.",
    );
    for path in ["/private", "/scoped", "/maybe"] {
        for request in [
            TestRequest::get(),
            TestRequest::get().insert_header(bearer("a.b.c")),
        ] {
            assert_eq!(ask!(app, request.uri(path)), expected, "{path}");
            let lines = logged::take();
            let [(log::Level::Error, line)] = lines.as_slice() else {
                panic!("one line for {path}: {lines:?}");
            };
            assert!(
                line.contains(".verified_by(verifier)") && line.contains(".app_data(verifier)"),
                "{line}"
            );
        }
    }
}

#[actix_web::test]
async fn a_verifier_may_be_shared_as_web_data() {
    logged::keep();
    let issuer = app::issuer();
    let verifier = app::warm_verifier(&issuer).await;
    let token = issuer.token().build();
    let data = App::new().app_data(web::Data::new(verifier.clone()));
    let data = init_service(data.route("/private", web::get().protected(private))).await;
    assert_eq!(get_with!(data, "/private", &token), Answer::text("user-1"));
    let plain = App::new().app_data(verifier.clone());
    let plain = init_service(plain.route("/private", web::get().protected(private))).await;
    assert_eq!(get_with!(plain, "/private", &token), Answer::text("user-1"));
    let scope = web::scope("/v1").app_data(web::Data::new(verifier));
    let scope = scope.route("/private", web::get().protected(private));
    let scope = init_service(App::new().service(scope)).await;
    assert_eq!(
        get_with!(scope, "/v1/private", &token),
        Answer::text("user-1")
    );
    assert_eq!(logged::take(), []);
}

#[actix_web::test]
async fn the_innermost_verifier_is_used() {
    async fn subject(user: AuthenticatedUser) -> String {
        user.subject().unwrap_or_default().to_owned()
    }
    let (near, far) = (app::issuer(), app::issuer());
    let near_verifier = app::warm_verifier(&near).await;
    let far_verifier = app::warm_verifier(&far).await;
    let table = |prefix| Api::new(prefix).route("/private", get(subject));
    let plain = web::scope("/plain").app_data(near_verifier.clone());
    let shared = web::scope("/shared").app_data(web::Data::new(near_verifier.clone()));
    let in_plain = App::new().app_data(far_verifier.clone());
    let in_plain = in_plain.service(plain.route("/private", web::get().protected(private)));
    let in_plain = in_plain.service(table("/table").verified_by(near_verifier.clone()));
    let in_shared = App::new().app_data(web::Data::new(far_verifier));
    let in_shared = in_shared.service(shared.route("/private", web::get().protected(private)));
    let in_shared = in_shared.service(table("/table").verified_by(near_verifier));
    let (in_plain, in_shared) = (init_service(in_plain).await, init_service(in_shared).await);
    for (token, status) in [(near.token().build(), 200), (far.token().build(), 401)] {
        for path in ["/plain/private", "/table/private"] {
            assert_eq!(get_with!(in_plain, path, &token).status, status, "{path}");
        }
        for path in ["/shared/private", "/table/private"] {
            assert_eq!(get_with!(in_shared, path, &token).status, status, "{path}");
        }
    }
}
