//! The metadata of the API (RFC 9728), and the challenges that name it.

use actix_resource_server::test_kit::TestIssuer;
use serde_json::json;

use crate::app::{Launch, TestApp};
use crate::expected::{OTHER_AUDIENCE, PRIVATE, assert_answer};
use crate::wire::{Answer, Request};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The `resource_metadata` of the response to a request without credentials.
fn named(app: &TestApp, host: Option<&str>) -> Option<String> {
    let request = Request::get("/api/private-scoped");
    let answer = app.send(&match host {
        Some(host) => request.header("Host", host),
        None => request,
    });
    assert_eq!(answer.status, 401, "{answer:?}");
    let challenge = answer.header("www-authenticate").expect("a challenge");
    assert!(
        challenge.contains(r#"scope="read:messages""#),
        "{challenge}"
    );
    let (_, url) = challenge.split_once("resource_metadata=\"")?;
    Some(url.split_once('"').expect("a URL").0.to_owned())
}

fn document(app: &TestApp, host: &str) -> Answer {
    app.send(&Request::get(&format!("{WELL_KNOWN}/api")).header("Host", host))
}

#[test]
fn without_configuration_a_client_on_this_machine_finds_the_development_issuer() {
    let app = TestApp::ready(Launch::new());
    for host in ["localhost:3010", "127.0.0.1:3010", "[::1]:3010"] {
        let url = named(&app, Some(host)).expect("a URL");
        assert_eq!(url, format!("http://{host}{WELL_KNOWN}/api"));
        let answer = document(&app, host);
        assert_eq!(answer.status, 200, "{answer:?}");
        let document = answer.json();
        assert_eq!(document["resource"], format!("http://{host}/api"));
        assert_eq!(document["authorization_servers"], json!([app.dev_issuer()]));
        assert_eq!(document["scopes_supported"], json!(["read:messages"]));
    }
    // A page whose host leads here by its DNS entry learns nothing, and nothing of it is repeated.
    assert_eq!(named(&app, Some("evil.example:3010")), None);
    assert_eq!(document(&app, "evil.example:3010").status, 404);
}

#[test]
fn a_configured_url_and_name_are_in_the_document_whatever_the_host() {
    let issuer = TestIssuer::start();
    let app = TestApp::ready(Launch::trusting(&issuer).variables(&[
        ("HOST", "0.0.0.0"),
        ("APP__SERVER__PUBLIC_URL", "https://api.example/v1/"),
        ("APP__RESOURCE__NAME", "Messages"),
        ("APP__RESOURCE__DOCUMENTATION", "https://docs.example/"),
        ("APP__AUTH__DPOP__ENABLED", "false"),
    ]));
    let url = format!("https://api.example{WELL_KNOWN}/v1/api");
    assert_eq!(named(&app, Some("evil.example")), Some(url));
    let answer = document(&app, "evil.example");
    let expected = json!({
        "resource": "https://api.example/v1/api",
        "authorization_servers": [issuer.url()],
        "scopes_supported": ["read:messages"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Messages",
        "resource_documentation": "https://docs.example/",
    });
    assert_eq!((answer.status, answer.json()), (200, expected));
}

#[test]
fn beyond_loopback_no_host_is_repeated_and_the_start_says_so() {
    let issuer = TestIssuer::start();
    let app = TestApp::ready(Launch::trusting(&issuer).variable("HOST", "0.0.0.0"));
    assert!(
        app.log()
            .text()
            .contains("set server.public_url, or server.allowed_hosts")
    );
    for host in ["localhost:3010", "api.example"] {
        assert_eq!(named(&app, Some(host)), None, "{host}");
        assert_eq!(document(&app, host).status, 404, "{host}");
    }
    let listed = Launch::trusting(&issuer).variables(&[
        ("HOST", "0.0.0.0"),
        (
            "APP__SERVER__ALLOWED_HOSTS",
            "api.example,other.example:8443",
        ),
    ]);
    let app = TestApp::ready(listed);
    let url = |host: &str| Some(format!("http://{host}{WELL_KNOWN}/api"));
    assert_eq!(named(&app, Some("api.example")), url("api.example"));
    assert_eq!(
        named(&app, Some("other.example:8443")),
        url("other.example:8443")
    );
    assert_eq!(named(&app, Some("other.example")), None);
    assert_eq!(named(&app, Some("localhost:3010")), None);
}

#[test]
fn it_can_be_turned_off() {
    let issuer = TestIssuer::start();
    let off = Launch::trusting(&issuer).variable("APP__RESOURCE__METADATA", "false");
    let app = TestApp::ready(off);
    assert_eq!(named(&app, None), None);
    assert_eq!(document(&app, "localhost").status, 404);
}

#[test]
fn pages_of_every_origin_read_it_whatever_cors_allows_for_the_api() {
    let issuer = TestIssuer::start();
    let origins = "https://app.example";
    for launch in [
        Launch::trusting(&issuer),
        Launch::trusting(&issuer).variable("APP__CORS__ALLOWED_ORIGINS", origins),
    ] {
        let app = TestApp::ready(launch);
        let preflight = Request::preflight(WELL_KNOWN, "https://inspector.example", "GET");
        let preflight = preflight.header("Access-Control-Request-Headers", "mcp-protocol-version");
        let preflight = app.send(&preflight);
        assert_eq!(preflight.status, 204, "{preflight:?}");
        let names = preflight.words("access-control-allow-headers");
        assert!(
            names.contains(&"mcp-protocol-version".to_owned()),
            "{preflight:?}"
        );
        let get = Request::get(WELL_KNOWN).header("Origin", "https://inspector.example");
        for answer in [preflight, app.send(&get)] {
            assert_eq!(
                answer.all("access-control-allow-origin"),
                ["*"],
                "{answer:?}"
            );
        }
    }
}

#[test]
fn the_identifier_of_the_api_is_an_audience_where_that_is_set() {
    let issuer = TestIssuer::start();
    let launch =
        || Launch::trusting(&issuer).variable("APP__SERVER__PUBLIC_URL", "https://api.example");
    let token = |audience: &str| issuer.token().claim("aud", audience).build();
    let identifier = token("https://api.example/api");
    let off = TestApp::ready(launch());
    assert_answer(&off.private(&identifier), OTHER_AUDIENCE, "off");
    let on = TestApp::ready(launch().variable("APP__RESOURCE__AUDIENCE", "true"));
    assert_answer(&on.private(&identifier), PRIVATE, "on");
    assert_answer(
        &on.private(&token(issuer.audience())),
        PRIVATE,
        "the configured one",
    );
    for other in [
        "https://api.example",
        "https://api.example/api/",
        "https://api.example/apis",
    ] {
        assert_answer(&on.private(&token(other)), OTHER_AUDIENCE, other);
    }
}
