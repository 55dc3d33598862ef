//! Where keys and the issuer's name come from: discovery, and settings beside it.

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{Document, Fault, SigningKey, TestIssuer};
use serde_json::json;

use crate::app::{Launch, TestApp};
use crate::expected::{PRIVATE, SIGNATURE, UNKNOWN_ISSUER, UNKNOWN_KEY, assert_answer};

#[test]
fn the_base_url_may_end_in_a_slash() {
    let issuer = TestIssuer::start();
    let bare = issuer.url().trim_end_matches('/');
    let whole = format!("{bare}/.well-known/openid-configuration");
    for url in [issuer.url(), bare, &whole] {
        let app = TestApp::ready(Launch::trusting(&issuer).variable("ISSUER_BASE_URL", url));
        assert_answer(&app.private(&issuer.token().build()), PRIVATE, url);
        let token = issuer.token().claim("iss", bare).build();
        assert_answer(&app.private(&token), UNKNOWN_ISSUER, url);
    }
}

#[test]
fn the_rfc_8414_document_is_used_if_there_is_no_other() {
    let issuer = TestIssuer::start();
    issuer.set_fault(Document::AuthorizationServer, None);
    issuer.set_fault(Document::Discovery, Some(Fault::status(404)));
    let app = TestApp::trusting(&issuer);
    assert_answer(&app.private(&issuer.token().build()), PRIVATE, "RFC 8414");
}

#[test]
fn a_redirect_within_the_origin_is_followed() {
    let issuer = TestIssuer::start();
    issuer.set_fault(Document::AuthorizationServer, None);
    let moved = Fault::redirect("/.well-known/oauth-authorization-server");
    issuer.set_fault(Document::Discovery, Some(moved));
    let app = TestApp::trusting(&issuer);
    assert_answer(&app.private(&issuer.token().build()), PRIVATE, "moved");
}

#[test]
fn a_key_set_and_an_issuer_need_no_discovery() {
    let issuer = TestIssuer::start();
    let app = Launch::new()
        .variable("ISSUER", "urn:issuer")
        .variable("JWKS_URI", &issuer.jwks_uri())
        .variable("AUDIENCE", issuer.audience());
    let app = TestApp::ready(app);
    let token = issuer.token().claim("iss", "urn:issuer").build();
    assert_answer(&app.private(&token), PRIVATE, "urn:issuer");
    let token = issuer.token().build();
    assert_answer(&app.private(&token), UNKNOWN_ISSUER, "its URL");
    let asked = issuer.requests();
    assert_eq!((asked.discovery, asked.authorization_server), (0, 0));
}

#[test]
fn a_configured_issuer_is_the_expected_iss() {
    let issuer = TestIssuer::start();
    let app = TestApp::ready(Launch::trusting(&issuer).variable("ISSUER", "urn:issuer"));
    let token = issuer.token().claim("iss", "urn:issuer").build();
    assert_answer(&app.private(&token), PRIVATE, "urn:issuer");
    let token = issuer.token().build();
    assert_answer(&app.private(&token), UNKNOWN_ISSUER, "its URL");
}

#[test]
fn a_configured_jwks_uri_replaces_the_discovered_one() {
    let (issuer, other) = (TestIssuer::start(), TestIssuer::start());
    let app = TestApp::ready(Launch::trusting(&issuer).variable("JWKS_URI", &other.jwks_uri()));
    let token = issuer.token().signed_by(&other.key()).build();
    assert_answer(&app.private(&token), PRIVATE, "the other's key");
    let token = issuer.token().build();
    assert_answer(&app.private(&token), UNKNOWN_KEY, "its own key");
    assert_eq!(issuer.requests().jwks, 0);
}

#[test]
fn with_a_secret_discovery_only_provides_the_issuer() {
    let issuer = TestIssuer::start();
    let secret = "0123456789".repeat(4);
    let launch = Launch::trusting(&issuer)
        .variable("SECRET", &secret)
        .variable("TOKEN_SIGNING_ALG", "HS256");
    let app = TestApp::ready(launch);
    let key = SigningKey::from_secret(&secret, Algorithm::Hs256);
    let token = issuer.token().signed_by(&key).build();
    assert_answer(&app.private(&token), PRIVATE, "the secret");
    let asked = issuer.requests();
    assert_eq!((asked.discovery, asked.jwks), (1, 0));
}

#[test]
fn a_configured_public_key_needs_no_fetch() {
    let issuer = TestIssuer::start();
    let jwk = issuer.key().public_jwk().unwrap();
    let mut unnamed = jwk.clone();
    unnamed.as_object_mut().unwrap().remove("kid");
    let set = json!({"keys": [jwk.clone()]});
    for (text, any_kid) in [(&jwk, false), (&unnamed, true), (&set, false)] {
        let inline = text.to_string();
        for value in [inline.as_str(), "issuer.jwk"] {
            let app = Launch::new()
                .file("issuer.jwk", &inline)
                .variable("ISSUER", issuer.url())
                .variable("AUDIENCE", issuer.audience())
                .variable("APP__AUTH__PUBLIC_KEY", value);
            let app = TestApp::ready(app);
            assert_answer(&app.private(&issuer.token().build()), PRIVATE, value);
            let token = issuer.token().header("kid", "x").build();
            let expected = if any_kid { PRIVATE } else { UNKNOWN_KEY };
            assert_answer(&app.private(&token), expected, value);
            let forged = issuer.token().raw_signature([0; 256]).build();
            assert_answer(&app.private(&forged), SIGNATURE, value);
        }
    }
    assert_eq!(issuer.requests().jwks, 0);
}

#[test]
fn a_configured_key_that_cannot_be_used_is_skipped_and_logged() {
    let issuer = TestIssuer::start();
    let encryption = json!({"kty": "RSA", "use": "enc"});
    let set = json!({"keys": [encryption, issuer.key().public_jwk()]}).to_string();
    let app = Launch::new()
        .variable("ISSUER", issuer.url())
        .variable("AUDIENCE", issuer.audience())
        .variable("APP__AUTH__PUBLIC_KEY", &set);
    let app = TestApp::ready(app);
    app.wait_for_log("a configured key is skipped: the key is for another use");
    assert_answer(&app.private(&issuer.token().build()), PRIVATE, "the other");
}

#[test]
fn hosts_that_allow_http_cause_a_warning() {
    let issuer = TestIssuer::start();
    let launch = Launch::trusting(&issuer).variable("APP__AUTH__ALLOW_HTTP_HOSTS", "keycloak");
    let app = TestApp::ready(launch);
    app.wait_for_log("plain http is accepted from the hosts that auth.allow_http_hosts lists");
}
