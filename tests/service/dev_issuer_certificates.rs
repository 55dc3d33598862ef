//! The development issuer over TLS: tokens that are bound to the certificate of the client.

use std::net::SocketAddr;

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{ProofBuilder, SigningKey};
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::app::{Launch, TestApp};
use crate::certificates::{Authority, Files, Signed};
use crate::dev_issuer::address;
use crate::encrypted::Client;
use crate::expected::{PRIVATE, assert_answer};
use crate::wire::{Answer, Request};

const FORM: &str = "application/x-www-form-urlencoded";
const CREDENTIALS: &str = "grant_type=client_credentials&client_id=demo-read&client_secret=any";

/// A service that requests client certificates, and a client with one.
struct Stage {
    authority: Authority,
    signed: Signed,
    app: TestApp,
    _files: Files,
}

impl Stage {
    fn new() -> Self {
        let authority = Authority::new();
        let files = Files::of(&authority.sign("127.0.0.1"));
        let launch = Launch::new().variable("APP__AUTH__MTLS__ENABLED", "true");
        Self {
            app: files.launch(launch).serve(),
            signed: authority.sign("client.example"),
            authority,
            _files: files,
        }
    }

    /// A client without a certificate.
    fn without_certificate(&self) -> Client {
        Client::trusting(&self.authority)
    }

    fn client(&self) -> Client {
        self.without_certificate().certificate(&self.signed)
    }

    fn metadata(&self) -> Value {
        let request = Request::get("/.well-known/openid-configuration");
        request.send(address(&self.app)).json()
    }

    /// The URL of an endpoint for clients with certificates, from the metadata.
    fn alias(&self, endpoint: &str) -> (String, SocketAddr) {
        let metadata = self.metadata();
        let url = metadata["mtls_endpoint_aliases"][endpoint]
            .as_str()
            .unwrap();
        let (host, _) = url
            .strip_prefix("https://")
            .unwrap()
            .split_once('/')
            .unwrap();
        let port: u16 = host.strip_prefix("localhost:").unwrap().parse().unwrap();
        (url.to_owned(), ([127, 0, 0, 1], port).into())
    }

    fn thumbprint(&self) -> String {
        BASE64URL_NOPAD.encode(digest(&SHA256, &self.signed.der).as_ref())
    }
}

fn send(client: &Client, request: &Request, address: SocketAddr) -> Answer {
    client.connect(address).unwrap().send(request, address)
}

fn token_request() -> Request {
    Request::new("POST", "/oauth/token").body(FORM, CREDENTIALS)
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

fn confirmation(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1).unwrap();
    let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    claims.get("cnf").cloned()
}

#[test]
fn a_token_is_bound_to_the_clients_certificate_and_rejected_without_it() {
    let stage = Stage::new();
    assert_eq!(
        stage.metadata()["tls_client_certificate_bound_access_tokens"],
        true
    );
    let (_, endpoint) = stage.alias("token_endpoint");
    let answer = send(&stage.client(), &token_request(), endpoint);
    assert_eq!(answer.json()["token_type"], "Bearer");
    let bound = token(&answer);
    let expected = json!({"x5t#S256": stage.thumbprint()});
    assert_eq!(confirmation(&bound), Some(expected));
    let request = Request::get("/api/private").bearer(&bound);
    let api = stage.app.address;
    assert_answer(&send(&stage.client(), &request, api), PRIVATE, "the client");
    let stolen = send(&stage.without_certificate(), &request, api);
    assert_eq!(stolen.status, 401, "{stolen:?}");

    for unbound in [
        send(&stage.without_certificate(), &token_request(), endpoint),
        token_request().send(address(&stage.app)),
    ] {
        assert_eq!(confirmation(&token(&unbound)), None);
    }
}

#[test]
fn a_token_may_be_bound_to_a_key_too() {
    let stage = Stage::new();
    let (url, endpoint) = stage.alias("token_endpoint");
    let key = SigningKey::generate(Algorithm::Es256);
    let proof = |url: &str| ProofBuilder::new(&key, "POST", url).build();
    let request = |url: &str| token_request().header("DPoP", proof(url));
    let answer = send(&stage.client(), &request(&url), endpoint);
    let expected = json!({"jkt": key.thumbprint(), "x5t#S256": stage.thumbprint()});
    assert_eq!(confirmation(&token(&answer)), Some(expected));
    let plain = format!("{}oauth/token", stage.app.dev_issuer());
    let elsewhere = send(&stage.client(), &request(&plain), endpoint);
    assert_eq!(elsewhere.status, 400, "{elsewhere:?}");
    assert_eq!(elsewhere.json()["error"], "invalid_dpop_proof");
}

#[test]
fn userinfo_accepts_a_bound_token_only_with_its_certificate() {
    let stage = Stage::new();
    let (_, endpoint) = stage.alias("userinfo_endpoint");
    let claims = "sub=auth0|manager&claims={\"scope\":\"openid\"}";
    let asked = Request::new("POST", "/oauth/token").body(FORM, &format!("{CREDENTIALS}&{claims}"));
    let bound = token(&send(&stage.client(), &asked, endpoint));
    let request = Request::get("/userinfo").bearer(&bound);
    assert_eq!(send(&stage.client(), &request, endpoint).status, 200);
    assert_eq!(
        send(&stage.without_certificate(), &request, endpoint).status,
        401
    );
    assert_eq!(request.send(address(&stage.app)).status, 401);
}

#[test]
fn without_mtls_there_is_no_listener_for_certificates() {
    let app = Launch::new().serve();
    let request = Request::get("/.well-known/openid-configuration");
    let metadata = request.send(address(&app)).json();
    assert_eq!(metadata.get("mtls_endpoint_aliases"), None);
}

#[test]
fn a_port_in_use_is_reported() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let authority = Authority::new();
    let files = Files::of(&authority.sign("127.0.0.1"));
    let launch = Launch::new().variables(&[
        ("PORT", "0"),
        ("APP__AUTH__MTLS__ENABLED", "true"),
        ("APP__DEV_ISSUER__PORT", "0"),
        ("APP__DEV_ISSUER__TLS_PORT", &port),
    ]);
    let ended = files.launch(launch).run();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let part = "(dev_issuer.tls_port, variable APP__DEV_ISSUER__TLS_PORT): ";
    assert!(ended.log.contains(part), "{ended:?}");
}
