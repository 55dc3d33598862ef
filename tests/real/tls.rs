//! TLS of the service with curl: client certificates, and renewal of the service's certificate.

use std::time::Instant;

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::TestIssuer;

use crate::app::{Launch, TestApp};
use crate::certificates::{Authority, Files};
use crate::curl::Curl;
use crate::sender::{PATH, bound_to, error};
use crate::transcript::LIMIT;

const HOST: &str = "localhost";

/// A service with TLS that requests client certificates.
struct Stage {
    issuer: TestIssuer,
    authority: Authority,
    files: Files,
    app: TestApp,
}

impl Stage {
    fn new(settle: impl FnOnce(Launch) -> Launch) -> Self {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let authority = Authority::new();
        let files = Files::of(&authority.sign(HOST));
        let launch = Launch::trusting(&issuer).variable("APP__AUTH__MTLS__ENABLED", "true");
        let app = settle(files.launch(launch)).serve();
        Self {
            issuer,
            authority,
            files,
            app,
        }
    }

    fn curl(&self, path: &str) -> Curl {
        self.curl_trusting(&self.authority, path)
    }

    fn curl_trusting(&self, authority: &Authority, path: &str) -> Curl {
        Curl::https(HOST, self.app.address.port(), path).trusting(authority)
    }

    fn wait_until_ready(&self) {
        let begun = Instant::now();
        while self.curl("/readyz").answer().status != 200 {
            assert!(begun.elapsed() < LIMIT, "{}", self.app.log().text());
        }
    }
}

#[test]
#[ignore = "needs what tests/real/run installs"]
fn a_bound_token_requires_its_certificate() {
    let stage = Stage::new(|launch| launch);
    stage.wait_until_ready();
    let clients = Authority::new();
    let client = clients.sign("client-1");
    let token = bound_to(&client, &stage.issuer);
    let curl = || stage.curl(PATH).bearer(&token);
    assert_eq!(curl().certificate(&client).answer().status, 200);
    let rejections = [curl(), curl().certificate(&clients.sign("client-2"))];
    for rejected in rejections.map(Curl::answer) {
        assert_eq!(
            (rejected.status, error(&rejected)),
            (401, Some("invalid_token"))
        );
    }
    let unbound = stage.issuer.token().build();
    assert_eq!(stage.curl(PATH).bearer(&unbound).answer().status, 200);
}

#[test]
#[ignore = "needs what tests/real/run installs"]
fn certificates_of_another_authority_fail_the_handshake() {
    let clients = Authority::new();
    let file = &clients.pem;
    let stage = Stage::new(|launch| {
        let launch = launch.file("client-ca.pem", file);
        launch.variable("APP__SERVER__TLS__CLIENT_CA", "client-ca.pem")
    });
    stage.wait_until_ready();
    let known = clients.sign("client-1");
    let curl = stage.curl(PATH).bearer(&bound_to(&known, &stage.issuer));
    assert_eq!(curl.certificate(&known).answer().status, 200);
    let untrusted = Authority::new().sign("client-1");
    let curl = stage
        .curl(PATH)
        .bearer(&bound_to(&untrusted, &stage.issuer));
    let failure = curl.certificate(&untrusted).failure();
    assert!(HANDSHAKE_FAILED.contains(&failure), "{failure:?}");
    assert_eq!(stage.curl("/api/public").answer().status, 200);
}

#[test]
#[ignore = "needs what tests/real/run installs"]
fn a_new_certificate_is_served_after_sighup() {
    let stage = Stage::new(|launch| launch);
    let renewed = Authority::new();
    assert_eq!(stage.curl("/api/public").answer().status, 200);
    assert_eq!(
        stage.curl_trusting(&renewed, "/api/public").failure(),
        UNKNOWN_AUTHORITY
    );
    stage.files.replace(&renewed.sign(HOST));
    stage.app.signal("HUP");
    stage
        .app
        .wait_for_log("SIGHUP: the files of server.tls are read anew");
    assert_eq!(
        stage.curl_trusting(&renewed, "/api/public").answer().status,
        200
    );
    assert_eq!(stage.curl("/api/public").failure(), UNKNOWN_AUTHORITY);
}

/// curl's own name for it is `CURLE_PEER_FAILED_VERIFICATION`.
const UNKNOWN_AUTHORITY: Option<i32> = Some(60);

/// With TLS 1.3 the server's alert comes when curl already reads (or writes) the request.
const HANDSHAKE_FAILED: [Option<i32>; 3] = [Some(35), Some(55), Some(56)];
