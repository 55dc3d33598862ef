//! The three endpoints: which callers, methods and paths are accepted.

use actix_resource_server::test_kit::TestIssuer;

use crate::app::TestApp;
use crate::expected::{
    Expected, NO_CREDENTIALS, Offer, PRIVATE, PUBLIC, SCOPED, assert_answer, assert_head,
};
use crate::wire::Request;

#[test]
fn each_endpoint_accepts_the_callers_that_it_is_for() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let plain = issuer.token().build();
    let reader = issuer.token().scope("read:messages").build();
    let cases = [
        ("/api/public", [PUBLIC, PUBLIC, PUBLIC]),
        ("/api/private", [NO_CREDENTIALS, PRIVATE, PRIVATE]),
        (
            "/api/private-scoped",
            [NO_CREDENTIALS, Expected::InsufficientScope, SCOPED],
        ),
    ];
    for (path, [without_token, with_token, with_scope]) in cases {
        assert_answer(&app.get(path), without_token, path);
        let send = |token| app.send(&Request::get(path).bearer(token));
        assert_answer(&send(&plain), with_token, path);
        assert_answer(&send(&reader), with_scope, path);
    }
}

#[test]
fn the_public_endpoint_ignores_credentials() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let public = || Request::get("/api/public");
    let cases = [
        public().bearer("invalidToken"),
        public().header("Authorization", ""),
        public().header("Authorization", "Basic ZGVtbzp4"),
        public().bearer("a").bearer("b"),
        Request::get("/api/public?access_token=a").bearer("b"),
    ];
    for request in cases {
        assert_answer(&app.send(&request), PUBLIC, &format!("{request:?}"));
    }
}

#[test]
fn head_is_answered_like_get_without_a_body() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().build();
    let paths = [
        ("/api/public", PUBLIC),
        ("/api/private", PRIVATE),
        ("/api/private-scoped", Expected::InsufficientScope),
        ("/api/nowhere", Expected::NotFound),
    ];
    for (path, expected) in paths {
        let head = app.send(&Request::new("HEAD", path).bearer(&token));
        assert_head(&head, expected, Offer::ByBearer, path);
        assert_eq!(head.body, "", "{path}");
        let get = app.send(&Request::get(path).bearer(&token));
        assert_eq!(
            head.header("content-length"),
            get.header("content-length"),
            "{path}"
        );
    }
    let head = app.send(&Request::new("HEAD", "/api/private"));
    assert_head(
        &head,
        NO_CREDENTIALS,
        Offer::ByBearer,
        "HEAD without a token",
    );
    assert_eq!(head.body, "");
}

#[test]
fn another_method_is_a_405_for_every_caller() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().scope("read:messages").build();
    let methods = [
        "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get",
    ];
    let paths = [
        "/api/public",
        "/api/private",
        "/api/private-scoped",
        "/livez",
        "/readyz",
        "/metrics",
    ];
    for method in methods {
        for path in paths {
            let case = format!("{method} {path}");
            let request = Request::new(method, path);
            assert_answer(&app.send(&request), Expected::MethodNotAllowed, &case);
            let answer = app.send(&request.bearer(&token));
            assert_answer(&answer, Expected::MethodNotAllowed, &case);
        }
    }
    let connect = Request::new("CONNECT", "/api/private");
    assert_answer(&app.send(&connect), Expected::MethodNotAllowed, "CONNECT");
    let post = Request::new("POST", "/api/private").body("application/json", "{");
    assert_answer(
        &app.send(&post),
        Expected::MethodNotAllowed,
        "POST with a body",
    );
}

#[test]
fn another_path_is_a_404_for_every_caller() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().scope("read:messages").build();
    let paths = [
        "/",
        "/api",
        "/api/",
        "/api/private/",
        "//api/private",
        "/api//private",
        "/API/private",
        "/api/Private",
        "/api/private%2f",
        "/api%2Fprivate",
        "/api/private;v=1",
        "/api/./private",
        "/api/public/../private",
        "/api/private%00",
        "/api/private.json",
        "/api/private-scope",
        "/private",
        "/oauth/token",
        "/.well-known/openid-configuration",
        "*",
    ];
    for path in paths {
        for method in ["GET", "POST", "HEAD"] {
            let request = Request::new(method, path).bearer(&token);
            let answer = app.send(&request);
            assert_head(&answer, Expected::NotFound, Offer::ByBearer, path);
        }
        assert_answer(&app.get(path), Expected::NotFound, path);
    }
}

#[test]
fn other_spellings_of_a_path_are_not_found() {
    let issuer = TestIssuer::start();
    let app = TestApp::trusting(&issuer);
    let token = issuer.token().build();
    let targets = [
        "/api/%70rivate",
        "/api/private?",
        "/api/private?scope=read:messages",
        "http://api.test/api/private",
    ];
    for target in targets {
        assert_answer(&app.get(target), NO_CREDENTIALS, target);
        let answer = app.send(&Request::get(target).bearer(&token));
        assert_answer(&answer, PRIVATE, target);
    }
}
