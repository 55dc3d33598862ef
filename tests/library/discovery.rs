//! Discovery: the issuer's document determines its name and the URL of its keys.

use actix_resource_server::test_kit::{Document, Fault, Reply};
use actix_resource_server::{Cause, Issuer, Rejection, UnreadyReason};
use serde_json::json;

use crate::app;

const UNTRUSTED: Cause =
    Cause::InvalidToken("The token is from an issuer that is not trusted here.");

/// Whether the keys could not be fetched.
fn is_unavailable<T>(judged: &Result<T, Cause>) -> bool {
    matches!(judged, Err(Cause::KeysUnavailable { .. }))
}

#[actix_web::test]
async fn the_issuer_may_be_configured_with_or_without_a_trailing_slash() {
    let issuer = app::issuer();
    let bare = issuer.url().trim_end_matches('/');
    for base_url in [issuer.url(), bare] {
        let trusted = Issuer::discover(base_url).audience(issuer.audience());
        let verifier = app::verifier_of(trusted);
        assert!(
            app::admit(&verifier, &issuer.token().build()).await.is_ok(),
            "{base_url}"
        );
        let other = app::admit(&verifier, &issuer.token().claim("iss", bare).build()).await;
        assert_eq!(other.err(), Some(UNTRUSTED), "{base_url}");
    }
}

#[actix_web::test]
async fn iss_must_equal_the_documents_issuer_exactly() {
    let issuer = app::issuer();
    let bare = issuer.url().trim_end_matches('/').to_owned();
    let document = json!({"issuer": bare, "jwks_uri": issuer.jwks_uri()});
    issuer.set_fault(Document::Discovery, Some(Fault::json(&document)));
    let verifier = app::verifier(&issuer);
    let slashed = app::admit(&verifier, &issuer.token().build()).await;
    assert_eq!(slashed.err(), Some(UNTRUSTED));
    let token = issuer.token().claim("iss", bare).build();
    assert!(app::admit(&verifier, &token).await.is_ok());
}

#[actix_web::test]
async fn either_spelling_waits_for_the_document() {
    let issuer = app::issuer();
    let gate = app::shut(&issuer);
    let verifier = app::verifier(&issuer);
    let bare = issuer.url().trim_end_matches('/');
    let bare = app::request(&verifier, &issuer.token().claim("iss", bare).build());
    let full = app::request(&verifier, &issuer.token().build());
    type User = actix_resource_server::AuthenticatedUser;
    let mut bare = Box::pin(<User as actix_web::FromRequest>::extract(&bare));
    let mut full = Box::pin(<User as actix_web::FromRequest>::extract(&full));
    assert!(app::poll_once(bare.as_mut()).is_pending());
    assert!(app::poll_once(full.as_mut()).is_pending());
    gate.open();
    assert!(full.await.is_ok());
    assert_eq!(bare.await.err().map(Rejection::into_cause), Some(UNTRUSTED));
}

#[actix_web::test]
async fn the_oauth_document_is_used_if_there_is_no_openid_document() {
    let issuer = app::issuer();
    issuer.set_fault(Document::Discovery, Some(Fault::status(404)));
    issuer.set_fault(Document::AuthorizationServer, None);
    app::warm_verifier(&issuer).await;
    let requests = issuer.requests();
    assert_eq!(
        (
            requests.discovery,
            requests.authorization_server,
            requests.jwks
        ),
        (1, 1, 1)
    );
}

#[actix_web::test]
async fn the_next_place_is_tried_after_anything_but_the_document() {
    let issuer = app::issuer();
    issuer.set_fault(Document::AuthorizationServer, None);
    let html = "<!DOCTYPE html><title>Sign in</title>";
    let compressed = Reply::new(200)
        .header("Content-Encoding", "br")
        .body(*b"{}");
    let other = json!({"issuer": "https://other.test/", "jwks_uri": "https://other.test/k"});
    for answer in [
        Fault::status(404),
        Fault::status(500),
        Fault::status(204),
        Fault::redirect("http://other.test/"),
        Fault::body("text/html", html),
        Fault::body("application/json", ""),
        Fault::body("application/json", "{}"),
        Fault::body("application/json", "{\"issuer\":null}"),
        Fault::body("application/json", vec![b' '; 1024 * 1024 + 1]),
        Fault::json(&other),
        Fault::Reply(compressed),
    ] {
        let case = format!("{answer:?}");
        issuer.set_fault(Document::Discovery, Some(answer));
        let verifier = app::verifier(&issuer);
        let judged = app::admit(&verifier, &issuer.token().build()).await;
        assert!(judged.is_ok(), "{case:.80}: {judged:?}");
    }
}

#[actix_web::test]
async fn no_other_place_is_tried_after_a_connection_that_fails() {
    let issuer = app::issuer();
    issuer.set_fault(Document::AuthorizationServer, None);
    issuer.set_fault(Document::Discovery, Some(Fault::Close));
    let verifier = app::verifier(&issuer);
    assert!(is_unavailable(
        &app::admit(&verifier, &issuer.token().build()).await
    ));
    assert_eq!(issuer.requests().authorization_server, 0);
}

#[actix_web::test]
async fn the_answer_closest_to_the_document_is_reported() {
    let issuer = app::issuer();
    let other = json!({"issuer": "https://other.test/"});
    let html = || Fault::body("text/html", "<html>");
    for (first, second, expected) in [
        (
            Fault::status(404),
            Fault::json(&other),
            "its discovery document is another issuer's",
        ),
        (
            Fault::status(404),
            html(),
            "its discovery document is malformed: it is a page in HTML or XML",
        ),
        (
            html(),
            Fault::status(404),
            "its discovery document is malformed: it is a page in HTML or XML",
        ),
        (
            Fault::status(404),
            Fault::status(500),
            "its discovery document could not be fetched: the response status is 404",
        ),
    ] {
        issuer.set_fault(Document::Discovery, Some(first));
        issuer.set_fault(Document::AuthorizationServer, Some(second));
        let verifier = app::verifier(&issuer);
        assert!(is_unavailable(
            &app::admit(&verifier, &issuer.token().build()).await
        ));
        assert_eq!(verifier.unready()[0].details, expected);
    }
}

#[actix_web::test]
async fn a_metadata_url_may_have_a_query() {
    let issuer = app::issuer();
    let bare = issuer.url().trim_end_matches('/');
    for base_url in [
        format!("{bare}/.well-known/openid-configuration?appid=1"),
        format!("{bare}/?p=B2C_1_signin"),
    ] {
        let trusted = Issuer::discover(&base_url).audience(issuer.audience());
        let verifier = app::verifier_of(trusted);
        let judged = app::admit(&verifier, &issuer.token().build()).await;
        assert!(judged.is_ok(), "{base_url}: {judged:?}");
    }
}

#[actix_web::test]
async fn the_document_may_be_that_of_the_configured_issuer() {
    let issuer = app::issuer();
    let external = "https://login.example/tenant/v2.0/";
    let document = json!({"issuer": external, "jwks_uri": issuer.jwks_uri()});
    issuer.set_fault(Document::Discovery, Some(Fault::json(&document)));
    let verifier = app::verifier_of(app::trusted(&issuer).name(external));
    let token = issuer.token().claim("iss", external).build();
    assert!(app::admit(&verifier, &token).await.is_ok());
    let another = "https://login.example/other/";
    let verifier = app::verifier_of(app::trusted(&issuer).name(another));
    let token = issuer.token().claim("iss", another).build();
    assert!(is_unavailable(&app::admit(&verifier, &token).await));
}

#[actix_web::test]
async fn the_oauth_document_is_not_requested_if_there_is_an_openid_document() {
    let issuer = app::issuer();
    issuer.set_fault(Document::AuthorizationServer, None);
    app::warm_verifier(&issuer).await;
    assert_eq!(issuer.requests().authorization_server, 0);
}

#[actix_web::test]
async fn the_document_of_another_issuer_is_rejected() {
    let (issuer, other) = (app::issuer(), app::issuer());
    let names = [
        other.url().to_owned(),
        "https://issuer.test/".to_owned(),
        format!("{}tenant", issuer.url()),
        format!("{}/", issuer.url()),
        String::new(),
    ];
    for name in names {
        let document = json!({"issuer": name, "jwks_uri": issuer.jwks_uri()});
        issuer.set_fault(Document::Discovery, Some(Fault::json(&document)));
        let before = issuer.requests().jwks;
        let verifier = app::verifier(&issuer);
        assert!(
            is_unavailable(&app::admit(&verifier, &issuer.token().build()).await),
            "{name}"
        );
        let unready = &verifier.unready()[0];
        assert_eq!(unready.reason, UnreadyReason::OtherIssuer, "{name}");
        assert_eq!(
            unready.details, "its discovery document is another issuer's",
            "{name}"
        );
        assert_eq!(issuer.requests().jwks, before, "{name}");
    }
}

#[actix_web::test]
async fn a_document_without_a_jwks_uri_is_rejected() {
    let issuer = app::issuer();
    for (document, expected) in [
        (
            json!({"issuer": issuer.url()}),
            "its discovery document names no jwks_uri",
        ),
        (
            json!({"issuer": issuer.url(), "jwks_uri": "http://issuer.test/jwks.json"}),
            "its discovery document names a jwks_uri that is not https",
        ),
        (
            json!({"issuer": issuer.url(), "jwks_uri": "jwks.json"}),
            "its discovery document is malformed: an endpoint in it is not a URL",
        ),
        (
            json!({"jwks_uri": issuer.jwks_uri()}),
            "its discovery document is malformed: it names no issuer",
        ),
        (
            json!([]),
            "its discovery document is malformed: its JSON has another structure",
        ),
    ] {
        issuer.set_fault(Document::Discovery, Some(Fault::json(&document)));
        let verifier = app::verifier(&issuer);
        assert!(is_unavailable(
            &app::admit(&verifier, &issuer.token().build()).await
        ));
        let unready = &verifier.unready()[0];
        assert_eq!(unready.reason, UnreadyReason::UnusableAnswer);
        assert_eq!(unready.details, expected);
    }
}

#[actix_web::test]
async fn a_changed_jwks_uri_is_followed() {
    let (issuer, new_place) = (app::issuer(), app::issuer());
    let verifier = app::warm_verifier(&issuer).await;
    let old = issuer.token().build();
    let document = json!({"issuer": issuer.url(), "jwks_uri": new_place.jwks_uri()});
    issuer.set_fault(Document::Discovery, Some(Fault::json(&document)));
    let new = issuer.token().signed_by(&new_place.key()).build();
    assert!(app::admit(&verifier, &new).await.is_ok());
    assert!(app::admit(&verifier, &old).await.is_err());
    assert_eq!(issuer.requests().jwks, 1);
}

#[actix_web::test]
async fn a_configured_name_replaces_the_documents_issuer() {
    let issuer = app::issuer();
    let verifier = app::verifier_of(app::trusted(&issuer).name("https://name.test/"));
    let token = issuer.token().claim("iss", "https://name.test/").build();
    assert!(app::admit(&verifier, &token).await.is_ok());
    let own = app::admit(&verifier, &issuer.token().build()).await;
    assert_eq!(own.err(), Some(UNTRUSTED));
}

#[actix_web::test]
async fn configured_keys_replace_the_documents_jwks_uri() {
    let (issuer, keys) = (app::issuer(), app::issuer());
    let verifier = app::verifier_of(app::trusted(&issuer).jwks_uri(&keys.jwks_uri()));
    let token = issuer.token().signed_by(&keys.key()).build();
    assert!(app::admit(&verifier, &token).await.is_ok());
    assert_eq!(
        (issuer.requests().discovery, issuer.requests().jwks),
        (1, 0)
    );
}

#[actix_web::test]
async fn a_key_set_and_a_name_need_no_discovery() {
    let issuer = app::issuer();
    let trusted = Issuer::with_jwks_uri("https://name.test", &issuer.jwks_uri());
    let verifier = app::verifier_of(trusted.audience(issuer.audience()));
    let named = |name: &str| issuer.token().claim("iss", name).build();
    assert!(
        app::admit(&verifier, &named("https://name.test"))
            .await
            .is_ok()
    );
    let slashed = app::admit(&verifier, &named("https://name.test/")).await;
    assert_eq!(slashed.err(), Some(UNTRUSTED));
    assert_eq!(
        (issuer.requests().discovery, issuer.requests().jwks),
        (0, 1)
    );
}
