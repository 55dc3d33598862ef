//! The signature of a handler is the one declaration of access: what others read follows when it changes.

use std::any::type_name;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;

use actix_resource_server::test_kit::{DenialMatrix, TestIssuer};
use actix_resource_server::{
    Access, Algorithm, Api, AuthenticatedUser, Issuer, Scope, Scoped, Service, Verifier, get, scope,
};
use actix_web::App;
use actix_web::test::{call_service, init_service};

use crate::app::{Launch, TestApp};
use crate::wire::{Answer, Request};

scope!(Read = "docs:read");
scope!(Write = "docs:write");
scope!(List = "docs:list");
scope!(All = "docs:all", implies List);

/// The variable that selects the signature of the handler.
pub(crate) const ACCESS: &str = "ONE_CHANGE";

/// The signatures: each the name of the variable's value.
const USER: &str = "user";
const READ: &str = "read";
const WRITE: &str = "write";
const LIST: &str = "list";

async fn document<A: Access>(_: A) -> &'static str {
    "granted"
}

/// The table whose handler has this signature.
fn api(access: &str) -> Api {
    let document = match access {
        USER => get(document::<AuthenticatedUser>),
        READ => get(document::<Scoped<Read>>),
        WRITE => get(document::<Scoped<Write>>),
        LIST => get(document::<Scoped<List>>),
        other => panic!("{other}"),
    };
    Api::new(PREFIX).route("/document", document)
}

pub(crate) fn service(access: String) -> Service<impl Send + Sync, impl Send + Sync> {
    Service::new(move || api(&access))
}

const PREFIX: &str = "/docs";
const PATH: &str = "/docs/document";

/// What others read of the app, each by its name; ports are left out.
fn view(access: &str) -> BTreeMap<&'static str, String> {
    let launch = || Launch::of(Command::new(std::env::current_exe().unwrap()));
    let launch = || launch().variable(ACCESS, access);
    let app = TestApp::ready(launch());
    let issuer = app.dev_issuer();
    let (_, issuer_address) = issuer
        .trim_end_matches('/')
        .split_once("localhost:")
        .unwrap();
    let issuer_address = SocketAddr::from(([127, 0, 0, 1], issuer_address.parse().unwrap()));
    let metadata = app.get(&format!("/.well-known/oauth-protected-resource{PREFIX}"));
    let openapi = app.get("/openapi.json").json();
    let discovery = Request::get("/.well-known/openid-configuration").send(issuer_address);
    // A token with exactly the scopes that the metadata names, and one with none of them.
    let scopes: Vec<String> = scopes(&metadata);
    let with = app.send(&Request::get(PATH).bearer(&token(issuer_address, &scopes.join(" "))));
    let without = app.send(&Request::get(PATH).bearer(&token(issuer_address, "")));
    let routes = launch().arguments(&["routes", "--json"]).run();
    let routes: serde_json::Value = serde_json::from_str(&routes.output).unwrap();
    let challenge =
        |answer: &Answer| format!("{} {:?}", answer.status, answer.all("www-authenticate"));
    let operation = &openapi["paths"][PATH]["get"];
    let scheme = &openapi["components"]["securitySchemes"]["accessToken"];
    let scheme = &scheme["flows"]["authorizationCode"]["scopes"];
    let view = [
        ("metadata", metadata.json()["scopes_supported"].to_string()),
        ("challenge without a token", challenge(&app.get(PATH))),
        ("answer to a token without scopes", challenge(&without)),
        (WITH_SCOPES, challenge(&with)),
        ("OpenAPI security", operation["security"].to_string()),
        (RESPONSES, operation["responses"].to_string()),
        ("OpenAPI scheme", scheme.to_string()),
        ("routes", routes[0].to_string()),
        (
            "development issuer",
            discovery.json()["scopes_supported"].to_string(),
        ),
        (
            "test view",
            Request::get("/test_view.json").send(issuer_address).json()["users"].to_string(),
        ),
        ("table", table(access)),
        ("denial matrix", denials(access)),
    ];
    let address = app.address.to_string();
    let view = view.map(|(name, text)| {
        (
            name,
            text.replace(&address, "api").replace(&issuer, "issuer"),
        )
    });
    view.into()
}

fn scopes(metadata: &Answer) -> Vec<String> {
    let metadata = metadata.json();
    let scopes = metadata["scopes_supported"].as_array();
    let scopes = scopes.into_iter().flatten();
    scopes
        .map(|scope| scope.as_str().unwrap().to_owned())
        .collect()
}

fn token(issuer: SocketAddr, scope: &str) -> String {
    let form =
        format!("grant_type=client_credentials&client_id=demo&client_secret=x&scope={scope}");
    let request = Request::new("POST", "/oauth/token");
    let answer = request
        .body("application/x-www-form-urlencoded", &form)
        .send(issuer)
        .json();
    answer["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

/// The table itself.
fn table(access: &str) -> String {
    let api = api(access);
    let rows: Vec<_> = api
        .routes()
        .map(|row| format!("{} {}", row.path, row.requirement))
        .collect();
    rows.join("\n")
}

/// The tries of the denial matrix, with the challenges that are expected.
fn denials(access: &str) -> String {
    actix_web::rt::System::new().block_on(async {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
        let verifier = Verifier::start([trusted.build().unwrap()]).unwrap();
        let app = init_service(App::new().service(api(access).verified_by(verifier))).await;
        let report = DenialMatrix::new(&issuer)
            .try_app(&api(access), async |request| {
                call_service(&app, request.to_request()).await
            })
            .await;
        report.assert_denied();
        report.to_string()
    })
}

pub(crate) fn everything_follows_the_signature_of_a_handler() {
    let [user, read, write] = [USER, READ, WRITE].map(view);
    // Where the signature of the handler is another, its scope and its type are, and nothing else.
    let changed = |text: &String| {
        let types = [type_name::<Read>(), type_name::<Write>()];
        text.replace(Read::NAME, Write::NAME)
            .replace(types[0], types[1])
    };
    let changed = read.iter().map(|(name, text)| (*name, changed(text)));
    assert_eq!(changed.collect::<BTreeMap<_, _>>(), write);
    for (name, text) in &read {
        let of_user = &user[name];
        // A token that has what is required is answered alike, and the responses of a document name no scope.
        let is_changed = *name != WITH_SCOPES;
        let names_scope = is_changed && *name != RESPONSES;
        assert_eq!(text != of_user, is_changed, "{name}: {text}");
        assert_eq!(text.contains(Read::NAME), names_scope, "{name}: {text}");
        assert!(!of_user.contains(Read::NAME), "{name}: {of_user}");
    }
}

pub(crate) fn a_wider_scope_is_known_where_tokens_are_requested_for_tests() {
    let view = view(LIST);
    let named = view.iter().filter(|(_, text)| text.contains(All::NAME));
    let named: Vec<_> = named.map(|(name, _)| *name).collect();
    let expected = [
        "OpenAPI scheme",
        "development issuer",
        "routes",
        "table",
        "test view",
    ];
    assert_eq!(named, expected);
}

const WITH_SCOPES: &str = "answer to a token with the scopes";
const RESPONSES: &str = "OpenAPI responses";
