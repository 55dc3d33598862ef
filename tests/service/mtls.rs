//! Tokens bound to a client's certificate, which the service's TLS receives (RFC 8705 §3).

use std::sync::Arc;

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{ProofBuilder, TestIssuer, TokenBuilder, shared};
use rcgen::{CertificateParams, KeyPair};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind};
use serde_json::json;

use crate::app::{Launch, TestApp};
use crate::certificates::{Authority, Files, Signed};
use crate::encrypted::{Client, Connection};
use crate::expected::{
    BOUND, Expected, MALFORMED_CONFIRMATION, NO_CERTIFICATE, NO_CERTIFICATE_BOUND, NO_CREDENTIALS,
    OTHER_CERTIFICATE, Offer, PRIVATE, PUBLIC, SCOPED, assert_offer,
};
use crate::wire::{Answer, Request};

use Offer::{ByBearer, ByDpop};

const ENABLED: (&str, &str) = ("APP__AUTH__MTLS__ENABLED", "true");
const REQUIRED: (&str, &str) = ("APP__AUTH__MTLS__REQUIRED", "true");
const WITHOUT_DPOP: (&str, &str) = ("APP__AUTH__DPOP__ENABLED", "false");

/// A service with TLS, and a client with a self-signed certificate.
struct Stage {
    issuer: TestIssuer,
    authority: Authority,
    app: TestApp,
    own: Signed,
    /// Kept so that the files are not removed.
    _files: Files,
}

impl Stage {
    fn new(variables: &[(&str, &str)]) -> Self {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let authority = Authority::new();
        let files = Files::of(&authority.sign("127.0.0.1"));
        let launch = Launch::trusting(&issuer).variables(variables);
        Self {
            issuer,
            app: files.launch(launch).serve(),
            authority,
            own: self_signed(),
            _files: files,
        }
    }

    fn bare(&self) -> Client {
        Client::trusting(&self.authority)
    }

    fn with(&self, certificate: &Signed) -> Client {
        self.bare().certificate(certificate)
    }

    /// A token bound to the client's certificate.
    fn bound(&self) -> TokenBuilder {
        let token = self.issuer.token().scope("read:messages");
        token.bound_to_certificate(&self.own.thumbprint())
    }

    fn send(&self, client: &Client, request: &Request) -> Answer {
        let connection = client.connect(self.app.address).unwrap();
        connection.send(request, self.app.address)
    }

    #[track_caller]
    fn check(&self, client: &Client, token: TokenBuilder, expected: Expected, offer: Offer) {
        let request = Request::get("/api/private").bearer(&token.build());
        let answer = self.send(client, &request);
        assert_offer(&answer, expected, offer, "a token");
    }
}

#[test]
fn a_bound_token_is_accepted_only_with_its_certificate() {
    let stage = Stage::new(&[ENABLED]);
    let (own, bare) = (stage.with(&stage.own), stage.bare());
    let other = stage.with(&self_signed());
    let signed = stage.with(&stage.authority.sign("client"));
    let plain = || stage.issuer.token();
    for _ in 0..3 {
        stage.check(&own, stage.bound(), PRIVATE, ByBearer);
        stage.check(&bare, stage.bound(), NO_CERTIFICATE, ByBearer);
        stage.check(&other, stage.bound(), OTHER_CERTIFICATE, ByBearer);
        stage.check(&signed, stage.bound(), OTHER_CERTIFICATE, ByBearer);
    }
    for client in [own, bare, other] {
        stage.check(&client, plain(), PRIVATE, ByBearer);
        let answer = stage.send(&client, &Request::get("/api/private"));
        assert_offer(&answer, NO_CREDENTIALS, ByBearer, "no token");
        let answer = stage.send(&client, &Request::get("/api/public"));
        assert_offer(&answer, PUBLIC, ByBearer, "open");
    }
}

#[test]
fn a_token_that_is_bound_to_a_key_too_needs_both() {
    let stage = Stage::new(&[ENABLED]);
    let key = shared(Algorithm::Es256);
    let certificate = stage.own.thumbprint();
    let token = stage.issuer.token().claim(
        "cnf",
        json!({"jkt": key.thumbprint().unwrap(), "x5t#S256": certificate}),
    );
    let token = token.build();
    let url = format!("https://{}/api/private", stage.app.address);
    let proven = || {
        let proof = ProofBuilder::new(&key, "GET", &url).token(&token);
        Request::get("/api/private").dpop(&token, &proof.build())
    };
    let bearer = Request::get("/api/private").bearer(&token);
    let (own, bare) = (stage.with(&stage.own), stage.bare());
    for (client, request, expected, offer) in [
        (&own, proven(), PRIVATE, ByDpop),
        (&own, bearer.clone(), BOUND, ByBearer),
        (&bare, proven(), NO_CERTIFICATE, ByDpop),
        (&bare, bearer, NO_CERTIFICATE, ByBearer),
        (
            &stage.with(&self_signed()),
            proven(),
            OTHER_CERTIFICATE,
            ByDpop,
        ),
    ] {
        let case = format!("{request:?}");
        assert_offer(&stage.send(client, &request), expected, offer, &case);
    }
}

#[test]
fn the_scope_decides_as_for_bearer_tokens() {
    let stage = Stage::new(&[ENABLED]);
    let scoped = |token: TokenBuilder| {
        let request = Request::get("/api/private-scoped").bearer(&token.build());
        stage.send(&stage.with(&stage.own), &request)
    };
    assert_offer(&scoped(stage.bound()), SCOPED, ByBearer, "read:messages");
    let lacking = scoped(stage.bound().without("scope"));
    assert_offer(&lacking, Expected::InsufficientScope, ByBearer, "no scope");
}

#[test]
fn either_version_of_tls_and_a_resumed_session_work() {
    let stage = Stage::new(&[ENABLED]);
    let request = Request::get("/api/private").bearer(&stage.bound().build());
    for version in [&TLS12, &TLS13] {
        let config = stage.with(&stage.own).version(version).config();
        let without_certificate = stage.bare().version(version).config();
        for (config, expected) in [(config, PRIVATE), (without_certificate, NO_CERTIFICATE)] {
            for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
                let (answer, shaken) = over(&stage, &config, &request);
                assert_eq!(shaken, kind, "{version:?}");
                assert_offer(
                    &answer,
                    expected,
                    ByBearer,
                    &format!("{version:?} {kind:?}"),
                );
            }
        }
    }
}

/// Sends it over a new connection, which may resume an earlier session.
fn over(stage: &Stage, config: &Arc<ClientConfig>, request: &Request) -> (Answer, HandshakeKind) {
    let connection = Connection::open(config.clone(), stage.app.address).unwrap();
    let kind = connection.session().handshake_kind().unwrap();
    (connection.send(request, stage.app.address), kind)
}

#[test]
fn when_it_is_off_bound_tokens_are_rejected() {
    let stage = Stage::new(&[]);
    for client in [stage.with(&stage.own), stage.bare()] {
        stage.check(&client, stage.bound(), BOUND, ByBearer);
        stage.check(&client, stage.issuer.token(), PRIVATE, ByBearer);
    }
}

#[test]
fn when_it_is_required_other_tokens_are_rejected() {
    let stage = Stage::new(&[ENABLED, REQUIRED]);
    let (own, bare) = (stage.with(&stage.own), stage.bare());
    stage.check(&own, stage.bound(), PRIVATE, ByBearer);
    stage.check(&bare, stage.bound(), NO_CERTIFICATE, ByBearer);
    for client in [own, bare] {
        stage.check(
            &client,
            stage.issuer.token(),
            NO_CERTIFICATE_BOUND,
            ByBearer,
        );
        let empty = stage.issuer.token().claim("cnf", json!({}));
        stage.check(&client, empty, NO_CERTIFICATE_BOUND, ByBearer);
        let foreign = stage.issuer.token().claim("cnf", json!({"kid": "a"}));
        stage.check(&client, foreign, NO_CERTIFICATE_BOUND, ByBearer);
        let answer = stage.send(&client, &Request::get("/api/public"));
        assert_offer(&answer, PUBLIC, ByBearer, "open");
    }
}

#[test]
fn the_thumbprint_is_compared_exactly() {
    let stage = Stage::new(&[ENABLED]);
    let thumbprint = stage.own.thumbprint();
    let malformed = MALFORMED_CONFIRMATION;
    for (value, expected) in [
        (json!(thumbprint), PRIVATE),
        (json!(""), OTHER_CERTIFICATE),
        (json!(format!("{thumbprint}=")), OTHER_CERTIFICATE),
        (json!(thumbprint.to_lowercase()), OTHER_CERTIFICATE),
        (json!(&thumbprint[1..]), OTHER_CERTIFICATE),
        (json!(null), malformed),
        (json!(1), malformed),
        (json!([thumbprint]), malformed),
    ] {
        let token = stage
            .issuer
            .token()
            .claim("cnf", json!({ "x5t#S256": value }));
        stage.check(&stage.with(&stage.own), token, expected, ByBearer);
    }
    let old = stage
        .issuer
        .token()
        .claim("cnf", json!({"x5t": thumbprint}));
    stage.check(&stage.with(&stage.own), old, BOUND, ByBearer);
}

#[test]
fn a_token_that_is_bound_twice_needs_both_proofs() {
    let stage = Stage::new(&[ENABLED]);
    let key = shared(Algorithm::Es256);
    let twice = stage.bound().bound_to_key(&key).build();
    let by_key = stage.issuer.token().bound_to_key(&key).build();
    let by_certificate = stage.bound().build();
    let url = format!("https://{}/api/private", stage.app.address);
    let dpop = |token: &str| {
        let proof = ProofBuilder::new(&key, "GET", &url).token(token);
        Request::get("/api/private").dpop(token, &proof.build())
    };
    let bearer = |token: &str| Request::get("/api/private").bearer(token);
    let (own, bare, other) = (
        stage.with(&stage.own),
        stage.bare(),
        stage.with(&self_signed()),
    );
    for (client, request, expected, offer) in [
        (&own, dpop(&twice), PRIVATE, ByDpop),
        (&bare, dpop(&twice), NO_CERTIFICATE, ByDpop),
        (&other, dpop(&twice), OTHER_CERTIFICATE, ByDpop),
        (&own, bearer(&twice), BOUND, ByBearer),
        (&bare, dpop(&by_key), PRIVATE, ByDpop),
        (&own, dpop(&by_key), PRIVATE, ByDpop),
        (&own, bearer(&by_key), BOUND, ByBearer),
        (
            &own,
            dpop(&by_certificate),
            crate::expected::NO_KEY_BOUND,
            ByDpop,
        ),
    ] {
        let answer = stage.send(client, &request);
        assert_offer(&answer, expected, offer, &format!("{request:?}"));
    }
}

#[test]
fn proofs_over_tls_are_for_https() {
    let stage = Stage::new(&[]);
    let key = shared(Algorithm::Es256);
    let token = stage.issuer.token().bound_to_key(&key).build();
    for (scheme, expected) in [("https", PRIVATE), ("http", crate::expected::PROOF_URL)] {
        let url = format!("{scheme}://{}/api/private", stage.app.address);
        let proof = ProofBuilder::new(&key, "GET", &url).token(&token).build();
        let request = Request::get("/api/private").dpop(&token, &proof);
        let answer = stage.send(&stage.bare(), &request);
        assert_offer(&answer, expected, ByDpop, scheme);
    }
}

#[test]
fn without_dpop_a_certificate_suffices_for_a_token_bound_only_to_it() {
    let stage = Stage::new(&[ENABLED, WITHOUT_DPOP]);
    let own = stage.with(&stage.own);
    stage.check(&own, stage.bound(), PRIVATE, Offer::BearerAlone);
    let twice = stage.bound().bound_to_key(&shared(Algorithm::Es256));
    stage.check(&own, twice, BOUND, Offer::BearerAlone);
}

#[test]
fn certificates_of_another_authority_fail_the_handshake() {
    let authority = Authority::new();
    let files = Files::of(&authority.sign("127.0.0.1"));
    files.write("authority.pem", &authority.pem);
    let client_ca = ("APP__SERVER__TLS__CLIENT_CA", &*files.path("authority.pem"));
    let stage = Stage::new(&[ENABLED, client_ca]);
    let known = authority.sign("client");
    let token = stage
        .issuer
        .token()
        .bound_to_certificate(&known.thumbprint());
    stage.check(&stage.with(&known), token, PRIVATE, ByBearer);
    stage.check(&stage.bare(), stage.bound(), NO_CERTIFICATE, ByBearer);
    // With TLS 1.3 the client receives the alert after its own handshake.
    let unknown = stage.with(&stage.own).version(&TLS12);
    assert!(unknown.connect(stage.app.address).is_err());
}

#[test]
fn headers_are_ignored_when_the_source_is_the_connection() {
    let stage = Stage::new(&[ENABLED, ("APP__SERVER__TRUSTED_PROXIES", "127.0.0.1")]);
    let token = stage.bound().build();
    for (name, value) in forged(&stage.own) {
        let request = Request::get("/api/private")
            .bearer(&token)
            .header(name, value);
        let answer = stage.send(&stage.bare(), &request);
        assert_offer(&answer, NO_CERTIFICATE, ByBearer, name);
    }
}

/// The headers in which proxies forward a certificate, as any client can send them.
pub(crate) fn forged(certificate: &Signed) -> [(&'static str, String); 4] {
    let escaped = escaped(&certificate.pem);
    let base64 = data_encoding::BASE64.encode(&certificate.der);
    [
        ("Client-Cert", format!(":{base64}:")),
        ("X-SSL-Client-Cert", escaped.clone()),
        ("X-Forwarded-Client-Cert", format!("Cert=\"{escaped}\"")),
        ("X-Client-Cert", escaped),
    ]
}

/// As nginx escapes a PEM.
fn escaped(pem: &str) -> String {
    let escape = |byte: u8| match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    pem.bytes().map(escape).collect()
}

/// A self-signed certificate.
pub(crate) fn self_signed() -> Signed {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["client".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Signed {
        der: certificate.der().clone(),
        pem: certificate.pem(),
        key,
    }
}
