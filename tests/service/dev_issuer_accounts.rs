//! Users and clients of the development issuer from settings, tokens with a fault, and their explanation.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::app::{Launch, TestApp};
use crate::dev_issuer::address;
use crate::expected::{PRIVATE, SCOPED, assert_answer};
use crate::wire::{Answer, Request};

const FORM: &str = "application/x-www-form-urlencoded";
const DEMO: &str = "grant_type=client_credentials&client_id=demo-read&client_secret=any";

const ACCOUNTS: &str = r#"
    [[dev_issuer.users]]
    name = "Ada <Lovelace>"
    subject = "ada"
    claims = { roles = ["editor"], orgId = 7 }

    [[dev_issuer.users]]
    name = "Grace"
    scopes = ["read:messages", "audit"]

    [[dev_issuer.clients]]
    id = "worker"
    secret = "right"
    scopes = ["audit"]

    [[dev_issuer.clients]]
    id = "my-app"
    redirect_uris = ["http://localhost:5173/callback"]
    "#;

fn ask(app: &TestApp, form: &str) -> Answer {
    let request = Request::new("POST", "/oauth/token").body(FORM, form);
    request.send(address(app))
}

fn token(app: &TestApp, form: &str) -> String {
    let answer = ask(app, form);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
}

fn configured() -> TestApp {
    Launch::new().file("Settings.toml", ACCOUNTS).serve()
}

#[test]
fn tokens_of_configured_users_have_their_claims() {
    let app = configured();
    let claims = part(&token(&app, &format!("{DEMO}&sub=ada")), 1);
    assert_eq!(claims["roles"], json!(["editor"]));
    assert_eq!(claims["orgId"], 7);
    assert_eq!(claims["gty"], Value::Null, "a user's token");
    let claims = part(&token(&app, &format!("{DEMO}&sub=auth0|manager")), 1);
    assert_eq!(claims["roles"], Value::Null, "no user of these settings");
    let claims = part(&token(&app, DEMO), 1);
    assert_eq!(claims["gty"], "client-credentials");
    let data = Request::get("/test_view.json").send(address(&app)).json();
    let expected = json!([
        {"name": "Ada <Lovelace>", "role": "editor", "subject": "ada",
         "scopes": ["read:messages", "write:messages"]},
        {"name": "Grace", "role": "auth0|Grace", "subject": "auth0|Grace",
         "scopes": ["read:messages", "audit"]},
    ]);
    assert_eq!(data["users"], expected);
    let document = Request::get("/.well-known/openid-configuration").send(address(&app));
    let scopes = document.json()["scopes_supported"].clone();
    let expected = "openid profile email offline_access read:messages write:messages audit";
    assert_eq!(scopes, json!(expected.split(' ').collect::<Vec<_>>()));
}

#[test]
fn a_configured_client_needs_its_secret_and_its_redirect_uri() {
    let app = configured();
    let worker = "grant_type=client_credentials&client_id=worker&client_secret=";
    assert_eq!(
        ask(&app, &format!("{worker}right")).json()["scope"],
        "audit"
    );
    let answer = ask(&app, &format!("{worker}wrong"));
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (401, &json!("invalid_client"))
    );
    let answer = ask(&app, &format!("{worker}right&scope=read:messages"));
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (403, &json!("access_denied"))
    );
    let challenge = "A".repeat(43);
    let authorize = |client: &str, path: &str| {
        let target = format!(
            "/authorize?response_type=code&client_id={client}&code_challenge={challenge}\
             &code_challenge_method=S256&redirect_uri=http://localhost:5173/{path}"
        );
        Request::get(&target).send(address(&app))
    };
    let page = authorize("my-app", "callback");
    assert_eq!(page.status, 200);
    for part in ["Ada &lt;Lovelace&gt;", "value=\"Grace\"", "editor"] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    assert_eq!(authorize("my-app", "other").status, 400);
    assert_eq!(authorize("other", "other").status, 200, "not registered");
}

#[test]
fn a_wrong_account_ends_the_start_with_one_line() {
    let ended = Launch::new()
        .file(
            "Settings.toml",
            "[[dev_issuer.users]]\nname = \"a\"\nclaims = { aud = \"hush\" }",
        )
        .run();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let expected = "dev_issuer.users[0].claims (file Settings.toml): \
                    must not set iss, sub, aud, exp, iat, nbf: the issuer does\n";
    assert!(ended.log.ends_with(expected), "{ended:?}");
    assert_eq!(ended.log.lines().count(), 1, "{ended:?}");
}

#[test]
fn check_lists_users_and_clients_without_secrets() {
    let ended = Launch::new()
        .file("Settings.toml", ACCOUNTS)
        .arguments(&["check", "--json"])
        .run();
    let report: Value = serde_json::from_str(&ended.output).unwrap();
    let shown = |key: &str| {
        let settings = report["settings"].as_array().unwrap();
        let setting = settings.iter().find(|setting| setting["key"] == key);
        setting.unwrap_or_else(|| panic!("{key}: {ended:?}"))["value"].clone()
    };
    assert_eq!(shown("dev_issuer.users[0].name"), "Ada <Lovelace>");
    assert_eq!(
        shown("dev_issuer.users[0].claims"),
        r#"{"orgId":7,"roles":["editor"]}"#
    );
    assert_eq!(shown("dev_issuer.users[1].scopes"), "read:messages, audit");
    assert_eq!(shown("dev_issuer.clients[0].secret"), "(not shown)");
    assert!(!ended.output.contains("right"), "{ended:?}");
}

/// The faults with the cause that `explain` finds.
const FAULTS: [(&str, &str); 7] = [
    ("dev_fault=expired", "expired"),
    ("dev_fault=wrong_audience", "audience"),
    (
        "dev_fault=wrong_audience&audience=https://other.test/",
        "audience",
    ),
    ("dev_fault=wrong_issuer", "issuer"),
    ("issuer=https://other.test/", "issuer"),
    ("dev_fault=id_token", "id_token"),
    ("dev_fault=foreign_key", "signature"),
];

#[test]
fn a_token_with_a_fault_is_rejected_and_explained() {
    let app = Launch::new().serve();
    app.wait_for(200, &Request::get("/readyz"));
    for (fault, cause) in FAULTS {
        let token = token(&app, &format!("{DEMO}&{fault}"));
        let answer = app.scoped(&token);
        assert_eq!(answer.status, 401, "{fault}: {answer:?}");
        let report = explained(&app, &token, "GET /api/private-scoped").json();
        assert_eq!(report["accepted"], false, "{fault}");
        assert_eq!(
            report["answer"]["www_authenticate"],
            answer.header("www-authenticate").unwrap()
        );
        let code = report["code"].as_str().unwrap();
        assert!(code.contains(cause), "{fault}: {report}");
        assert!(report["remedy"].is_string(), "{fault}: {report}");
    }
    assert_answer(&app.scoped(&token(&app, DEMO)), SCOPED, "no fault");
    let unknown = ask(&app, &format!("{DEMO}&dev_fault=other"));
    assert_eq!(
        (unknown.status, &unknown.json()["error"]),
        (400, &json!("invalid_request"))
    );
}

#[test]
fn faults_are_what_they_are_named() {
    let app = Launch::new().serve();
    let good = token(&app, DEMO);
    let (header, claims) = (part(&good, 0), part(&good, 1));
    let with = |fault: &str| token(&app, &format!("{DEMO}&{fault}"));
    let expired = part(&with("dev_fault=expired&lifetime=60"), 1);
    let [iat, exp] = ["iat", "exp"].map(|name| expired[name].as_u64().unwrap());
    assert_eq!(exp - iat, 60);
    assert!(
        exp + 3600 <= claims["iat"].as_u64().unwrap() + 60,
        "{expired}"
    );
    let audience = |fault: &str| part(&with(fault), 1)["aud"].clone();
    assert_eq!(audience("dev_fault=wrong_audience&audience=mine"), "mine");
    assert_eq!(
        audience("dev_fault=wrong_audience"),
        "https://wrong-audience.example/"
    );
    assert_eq!(audience("dev_fault=id_token"), "demo-read");
    let issuer = |fault: &str| part(&with(fault), 1)["iss"].clone();
    assert_eq!(issuer("issuer=https://other.test/"), "https://other.test/");
    assert_eq!(
        issuer("dev_fault=wrong_issuer"),
        "https://wrong-issuer.example/"
    );
    let foreign = with("dev_fault=foreign_key");
    assert_eq!(part(&foreign, 0), header);
    assert_eq!(part(&with("dev_fault=id_token"), 0)["typ"], "JWT");
}

fn request(app: &TestApp, token: &str, route: &str, origin: &str) -> Request {
    let body = json!({
        "route": route, "url": format!("http://{}/api/private-scoped", app.address), "token": token,
    });
    Request::new("POST", "/explain")
        .header("Origin", origin)
        .body("application/json", &body.to_string())
}

fn explained(app: &TestApp, token: &str, route: &str) -> Answer {
    let own = format!("http://{}", address(app));
    let answer = request(app, token, route, &own).send(address(app));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

#[test]
fn only_the_issuers_own_page_gets_explanations() {
    let app = Launch::new().variable("RUST_LOG", "trace").serve();
    app.wait_for(200, &Request::get("/readyz"));
    let token = token(&app, DEMO);
    let report = explained(&app, &token, "GET /api/private-scoped").json();
    assert_eq!(report["accepted"], true, "{report}");
    let port = address(&app).port();
    for origin in [
        "http://localhost:5173".to_owned(),
        format!("http://localhost:{port}"),
        "null".to_owned(),
        "https://evil.example".to_owned(),
    ] {
        let answer = request(&app, &token, "GET /api/private-scoped", &origin).send(address(&app));
        assert_eq!(answer.status, 403, "{origin}: the host is 127.0.0.1");
    }
    let own = format!("http://{}", address(&app));
    let answer = request(&app, &token, "GET /nowhere", &own).send(address(&app));
    assert_eq!(answer.status, 400, "{answer:?}");
    let signature = token.rsplit('.').next().unwrap();
    assert!(!app.log().text().contains(signature));
}

#[test]
fn the_root_of_the_api_leads_to_the_test_view() {
    let app = Launch::new().serve();
    let answer = app.get("/");
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("location"), Some(app.dev_issuer().as_str()));
    app.wait_for_log(&format!("the Test view is at {}", app.dev_issuer()));
    for (method, target) in [("POST", "/"), ("PUT", "/"), ("GET", "/x"), ("GET", "//")] {
        let answer = app.send(&Request::new(method, target));
        assert_eq!(answer.status, 404, "{method} {target}");
    }
    let issuer = actix_resource_server::test_kit::TestIssuer::start();
    let app = TestApp::ready(Launch::trusting(&issuer));
    assert_eq!(app.get("/").status, 404, "no development issuer");
    assert_answer(&app.private(&issuer.token().build()), PRIVATE, "");
}
