//! The metadata of an API as a protected resource (RFC 9728), and the challenges that name it.

use actix_resource_server::sender::{CertificateSource, ClientCertificates, Dpop, TargetUriSource};
use actix_resource_server::test_kit::{Document, Fault, TestIssuer};
use actix_resource_server::{
    Algorithm, AnyOf, Api, AuthenticatedUser, Issuer, MaybeUser, Public, Scoped, Verifier, get,
    post, scope,
};
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HOST, WWW_AUTHENTICATE};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, web};
use serde_json::{Value, json};

scope!(Read = "notes:read");
scope!(Write = "notes:write");
scope!(Refresh = "offline_access");

async fn open(_: Public) -> &'static str {
    "open"
}

async fn read(_: Scoped<Read>) -> &'static str {
    "read"
}

async fn write(_: Scoped<Write, Scoped<Read>>) -> &'static str {
    "written"
}

async fn either(_: Scoped<AnyOf<((Write, Refresh), Read)>>) -> &'static str {
    "either"
}

async fn maybe(_: MaybeUser) -> &'static str {
    "maybe"
}

async fn user(_: AuthenticatedUser) -> &'static str {
    "user"
}

fn notes() -> Api {
    Api::new("/notes")
        .title("Notes")
        .documentation("https://docs.example/notes")
        .route("", get(read))
        .route("", post(write))
        .route("/either", get(either))
        .route("/open", get(open))
}

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The public URL that the tests configure.
fn public() -> TargetUriSource {
    TargetUriSource::public_url("https://api.example/v1").expect("a public URL")
}

fn verifier(issuer: &TestIssuer, source: TargetUriSource) -> Verifier {
    let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
    let builder = Verifier::builder().target_uri(source);
    let trusted = trusted.build().expect("an issuer");
    builder.start([trusted]).expect("a verifier")
}

async fn ready(issuer: &TestIssuer, source: TargetUriSource) -> Verifier {
    let verifier = verifier(issuer, source);
    verifier.ready().await;
    verifier
}

/// Status, headers by name, and the body as JSON.
struct Answer {
    status: u16,
    response: Vec<(String, String)>,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let header = self.response.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| value.as_str())
    }
}

async fn send<S, B>(app: &S, request: TestRequest) -> Answer
where
    S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    let response = call_service(app, request.to_request()).await;
    let headers = response.headers().iter();
    Answer {
        status: response.status().as_u16(),
        response: headers
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes());
                (name.to_string(), value.into_owned())
            })
            .collect(),
        body: serde_json::from_slice(&read_body(response).await).unwrap_or_default(),
    }
}

fn request(path: &str) -> TestRequest {
    TestRequest::with_uri(path)
}

macro_rules! serving {
    ($verifier:expr, $($api:expr),+) => {{
        let verifier = $verifier;
        init_service(App::new()$(.service($api.verified_by(verifier.clone())))+).await
    }};
}

#[actix_web::test]
async fn the_document_is_made_of_the_table_the_issuers_and_the_public_url() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let app = serving!(ready(&issuer, public()).await, notes());
    let algorithms = "RS256 RS384 RS512 ES256 ES384 ES512 PS256 PS384 PS512 EdDSA";
    let expected = json!({
        "resource": "https://api.example/v1/notes",
        "authorization_servers": [issuer.url()],
        "scopes_supported": ["notes:read", "notes:write"],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": algorithms.split(' ').collect::<Vec<_>>(),
        "resource_name": "Notes",
        "resource_documentation": "https://docs.example/notes",
    });
    // At the path-inserted URL, with and without the path of the proxy, and at the root.
    for path in ["/v1/notes", "/notes", ""] {
        let answer = send(&app, request(&format!("{WELL_KNOWN}{path}"))).await;
        assert_eq!((answer.status, &answer.body), (200, &expected), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    for path in ["/other", "/notes/open", "/notes/", "/v1", "/v1/notes/x"] {
        let answer = send(&app, request(&format!("{WELL_KNOWN}{path}"))).await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[actix_web::test]
async fn a_row_that_matches_every_path_does_not_hide_it() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let pages = || Api::new("").route("/{path:.*}", get(open));
    let verifier = ready(&issuer, public()).await;
    let before = serving!(verifier.clone(), pages(), notes());
    let after = serving!(verifier.clone(), notes(), pages());
    for app in [&before, &after] {
        for path in ["/v1/notes", "/notes", ""] {
            let answer = send(app, request(&format!("{WELL_KNOWN}{path}"))).await;
            let resource = &answer.body["resource"];
            assert_eq!(resource, "https://api.example/v1/notes", "{path}");
        }
        for path in [
            "/page",
            WELL_KNOWN,
            "/.well-known/oauth-protected-resource/no",
        ] {
            let path = format!("{path}x");
            assert_eq!(send(app, request(&path)).await.status, 200, "{path}");
        }
    }
    let own = notes().route("/{path:.*}", get(read));
    let app = serving!(verifier, own);
    assert_eq!(send(&app, request(WELL_KNOWN)).await.status, 200);
}

#[actix_web::test]
async fn issuers_of_a_resolver_are_not_named() {
    let (issuer, customer) = (
        TestIssuer::start_with(Algorithm::Es256),
        TestIssuer::start_with(Algorithm::Es256),
    );
    let trusted = |issuer: &TestIssuer| {
        let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
        trusted.build().expect("an issuer")
    };
    let resolved = trusted(&customer);
    let builder = Verifier::builder()
        .target_uri(public())
        .issuer_resolver(move |_| Some(resolved.clone()));
    let verifier = builder.start([trusted(&issuer)]).expect("a verifier");
    verifier.ready().await;
    let token = customer.token().scope("notes:read").build();
    verifier.verify_or_fetch(&token).await.expect("a customer");
    let app = serving!(verifier, notes());
    let answer = send(&app, request(&format!("{WELL_KNOWN}/notes"))).await;
    assert_eq!(answer.body["authorization_servers"], json!([issuer.url()]));
}

#[actix_web::test]
async fn pages_of_every_origin_may_read_it() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let app = serving!(ready(&issuer, public()).await, notes());
    let path = format!("{WELL_KNOWN}/notes");
    let preflight = request(&path)
        .method(Method::OPTIONS)
        .insert_header(("origin", "https://inspector.example"))
        .insert_header(("access-control-request-method", "GET"))
        .insert_header(("access-control-request-headers", "mcp-protocol-version"));
    let answer = send(&app, preflight).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(
        answer.header("access-control-allow-methods"),
        Some("GET, HEAD")
    );
    assert_eq!(
        answer.header("access-control-allow-headers"),
        Some("MCP-Protocol-Version, *")
    );
    let head = send(&app, request(&path).method(Method::HEAD)).await;
    assert_eq!(head.status, 200);
    let post = send(&app, request(&path).method(Method::POST)).await;
    assert_eq!(post.status, 405);
    assert_eq!(post.header("allow"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(post.body["status"], 405);
}

#[actix_web::test]
async fn sender_constraints_are_described() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let described = async |builder: actix_resource_server::VerifierBuilder| {
        let trusted = Issuer::discover(issuer.url()).audience(issuer.audience());
        let trusted = trusted.build().expect("an issuer");
        let verifier = builder
            .target_uri(public())
            .start([trusted])
            .expect("a verifier");
        verifier.ready().await;
        let app = serving!(verifier, notes());
        send(&app, request(WELL_KNOWN)).await.body
    };
    let required = described(Verifier::builder().dpop(Dpop::default().required())).await;
    assert_eq!(required["bearer_methods_supported"], json!([]));
    assert_eq!(required["dpop_bound_access_tokens_required"], true);
    let off = described(Verifier::builder().without_dpop()).await;
    assert_eq!(off.get("dpop_signing_alg_values_supported"), None);
    assert_eq!(off.get("tls_client_certificate_bound_access_tokens"), None);
    let certificates = ClientCertificates::from_source(CertificateSource::Connection);
    let mtls = described(Verifier::builder().client_certificates(certificates)).await;
    assert_eq!(mtls["tls_client_certificate_bound_access_tokens"], true);
}

#[actix_web::test]
async fn each_challenge_names_the_metadata_and_all_scopes_of_its_route() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let other = Api::new("/other")
        .route("/user", get(user))
        .route("/maybe", get(maybe));
    let app = serving!(ready(&issuer, public()).await, notes(), other);
    let url = |prefix: &str| format!("https://api.example{WELL_KNOWN}/v1{prefix}");
    let token = issuer.token().build();
    let reader = issuer.token().scope("notes:read").build();
    let named = |scope: &str, prefix: &str| {
        let scope = if scope.is_empty() {
            String::new()
        } else {
            format!(r#"scope="{scope}", "#)
        };
        format!(r#"{scope}resource_metadata="{}""#, url(prefix))
    };
    for (method, path, token, status, scope) in [
        (Method::GET, "/notes", None, 401, "notes:read"),
        (Method::GET, "/notes", Some("x"), 401, "notes:read"),
        (Method::GET, "/notes", Some(&*token), 403, "notes:read"),
        (Method::POST, "/notes", None, 401, "notes:read notes:write"),
        (
            Method::POST,
            "/notes",
            Some(&*token),
            403,
            "notes:read notes:write",
        ),
        (
            Method::POST,
            "/notes",
            Some(&*reader),
            403,
            "notes:read notes:write",
        ),
        (
            Method::GET,
            "/notes/either",
            Some(&*token),
            403,
            "notes:write offline_access",
        ),
        (Method::GET, "/other/user", None, 401, ""),
        (Method::GET, "/other/maybe", Some("x"), 401, ""),
    ] {
        let mut request = request(path).method(method.clone());
        if let Some(token) = token {
            request = request.insert_header(("authorization", format!("Bearer {token}")));
        }
        let answer = send(&app, request).await;
        assert_eq!(answer.status, status, "{method} {path}");
        let prefix = path.split('/').nth(1).map(|name| format!("/{name}"));
        let named = named(scope, &prefix.unwrap_or_default());
        let challenge = answer.header("www-authenticate").expect("a challenge");
        assert!(
            challenge.starts_with("Bearer realm=\"api\", "),
            "{challenge}"
        );
        let offered = if status == 401 { 2 } else { 1 };
        assert_eq!(challenge.matches(&named).count(), offered, "{challenge}");
        assert_eq!(challenge.matches("resource_metadata=").count(), offered);
        assert_eq!(
            challenge.matches("scope=").count(),
            if scope.is_empty() { 0 } else { offered }
        );
    }
    // Several protected resources: none of them is that of the whole host.
    assert_eq!(send(&app, request(WELL_KNOWN)).await.status, 404);
    for prefix in ["/notes", "/other"] {
        let path = format!("{WELL_KNOWN}{prefix}");
        let answer = send(&app, request(&path)).await;
        assert_eq!(
            answer.body["resource"],
            format!("https://api.example/v1{prefix}")
        );
    }
}

#[actix_web::test]
async fn a_host_is_repeated_only_where_it_is_known() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let local = serving!(
        ready(&issuer, TargetUriSource::default().on_loopback()).await,
        notes()
    );
    let unknown = serving!(ready(&issuer, TargetUriSource::default()).await, notes());
    for (host, origin) in [
        ("localhost:3010", Some("http://localhost:3010")),
        ("127.0.0.1:3010", Some("http://127.0.0.1:3010")),
        ("evil.example", None),
    ] {
        let from = |path: &str| request(path).insert_header((HOST, host));
        let answer = send(&local, from(WELL_KNOWN)).await;
        let challenge = send(&local, from("/notes")).await;
        let challenge = challenge.header("www-authenticate").expect("a challenge");
        match origin {
            Some(origin) => {
                assert_eq!(answer.body["resource"], format!("{origin}/notes"));
                assert_eq!(answer.header("cache-control"), Some("no-store"));
                let url = format!(r#"resource_metadata="{origin}{WELL_KNOWN}/notes""#);
                assert!(challenge.contains(&url), "{challenge}");
            }
            None => {
                assert_eq!(answer.status, 404);
                assert!(!challenge.contains("resource_metadata"), "{challenge}");
                assert!(challenge.contains(r#"scope="notes:read""#), "{challenge}");
            }
        }
        assert_eq!(send(&unknown, from(WELL_KNOWN)).await.status, 404);
        let challenge = send(&unknown, from("/notes")).await;
        let challenge = challenge.header("www-authenticate").expect("a challenge");
        assert!(!challenge.contains("resource_metadata"), "{challenge}");
    }
}

#[actix_web::test]
async fn it_is_unavailable_until_an_authorization_server_is_known() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let fault = Some(Fault::status(503));
    issuer.set_fault(Document::Discovery, fault);
    let verifier = verifier(&issuer, public());
    let app = serving!(verifier, notes());
    let answer = send(&app, request(WELL_KNOWN)).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(
        answer.body["detail"],
        "The API's authorization server is not known yet."
    );
}

#[actix_web::test]
async fn it_can_be_turned_off_and_open_tables_have_none() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let off = serving!(ready(&issuer, public()).await, notes().without_metadata());
    let all_open = Api::new("/open").route("/a", get(open));
    let open = serving!(ready(&issuer, public()).await, all_open);
    let pattern = Api::new("/{tenant}/api").route("/user", get(user));
    let pattern = serving!(ready(&issuer, public()).await, pattern);
    for path in ["", "/notes", "/open", "/a/api", "/{tenant}/api"] {
        let path = format!("{WELL_KNOWN}{path}");
        assert_eq!(send(&off, request(&path)).await.status, 404, "{path}");
        assert_eq!(send(&open, request(&path)).await.status, 404, "{path}");
        assert_eq!(send(&pattern, request(&path)).await.status, 404, "{path}");
    }
    for (challenge, scope) in [
        (send(&off, request("/notes")).await, true),
        (send(&pattern, request("/a/api/user")).await, false),
    ] {
        let challenge = challenge.header("www-authenticate").expect("a challenge");
        assert!(!challenge.contains("resource_metadata"), "{challenge}");
        assert_eq!(challenge.contains("scope="), scope, "{challenge}");
    }
}

#[actix_web::test]
async fn tables_with_one_prefix_are_one_resource_beside_open_ones() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let more = Api::new("/notes")
        .route("/more", get(write))
        .route("/again", get(read));
    let open = Api::new("").route("/livez", get(open));
    let app = serving!(ready(&issuer, public()).await, open, more, notes());
    for path in ["", "/notes"] {
        let answer = send(&app, request(&format!("{WELL_KNOWN}{path}"))).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(
            answer.body["scopes_supported"],
            json!(["notes:read", "notes:write"])
        );
    }
}

#[actix_web::test]
async fn an_api_of_the_whole_host_is_the_resource_without_a_path() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let source = TargetUriSource::public_url("https://api.example").expect("a public URL");
    let host = Api::new("").route("/user", get(user));
    let app = serving!(ready(&issuer, source).await, host, notes());
    let answer = send(&app, request(WELL_KNOWN)).await;
    assert_eq!(answer.body["resource"], "https://api.example");
    let answer = send(&app, request(&format!("{WELL_KNOWN}/notes"))).await;
    assert_eq!(answer.body["resource"], "https://api.example/notes");
}

#[actix_web::test]
async fn a_table_in_a_scope_has_no_metadata() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let verifier = ready(&issuer, public()).await;
    let scoped = web::scope("/outer").service(notes().verified_by(verifier));
    let app = init_service(App::new().service(scoped)).await;
    let answer = send(&app, request("/outer/notes")).await;
    assert_eq!(answer.status, 401);
    let challenge = answer
        .header(WWW_AUTHENTICATE.as_str())
        .expect("a challenge");
    assert!(!challenge.contains("resource_metadata"), "{challenge}");
    for path in [WELL_KNOWN.to_owned(), format!("/outer{WELL_KNOWN}/notes")] {
        assert_eq!(send(&app, request(&path)).await.status, 404, "{path}");
    }
}
