//! The service's TLS: its certificate and reloading it; slow and unsuitable clients.

use std::io::{Read, Write};
use std::time::Instant;

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::TestIssuer;
use rcgen::KeyPair;
use rustls::ProtocolVersion;
use rustls::version::{TLS12, TLS13};

use crate::app::{Launch, TestApp};
use crate::certificates::{Authority, Files};
use crate::encrypted::{Client, Connection};
use crate::expected::{NO_CREDENTIALS, PRIVATE, assert_answer};
use crate::settings::assert_rejected;
use crate::transcript::LIMIT;
use crate::wire::{Request, attempt, connect};

const PUBLIC: &str = "/api/public";

/// A service with a certificate for its address, and the authority that signed it.
struct Stage {
    authority: Authority,
    files: Files,
    app: TestApp,
}

impl Stage {
    fn new(launch: Launch) -> Self {
        let authority = Authority::new();
        let files = Files::of(&authority.sign("127.0.0.1"));
        let app = files.launch(launch).serve();
        Self {
            authority,
            files,
            app,
        }
    }

    fn client(&self) -> Client {
        Client::trusting(&self.authority)
    }

    fn connect(&self) -> Connection {
        self.client().connect(self.app.address).unwrap()
    }
}

#[test]
fn tls_1_2_and_1_3_are_supported_with_http_1_1() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let stage = Stage::new(Launch::trusting(&issuer));
    let address = stage.app.address;
    stage
        .app
        .wait_for_log(&format!("listening on https://{address}"));
    let request = Request::get("/api/private").bearer(&issuer.token().build());
    for (version, spoken) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let client = stage
            .client()
            .version(version)
            .protocols(&["h2", "http/1.1"]);
        let connection = client.connect(address).unwrap();
        assert_eq!(connection.session().protocol_version(), Some(spoken));
        assert_eq!(connection.session().alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_answer(&connection.send(&request, address), PRIVATE, "a token");
    }
    let answer = stage.connect().send(&Request::get("/api/private"), address);
    assert_answer(&answer, NO_CREDENTIALS, "no token");
}

#[test]
fn a_client_of_another_protocol_is_rejected() {
    let stage = Stage::new(Launch::new());
    let refused = stage.client().protocols(&["h2"]).connect(stage.app.address);
    let error = refused.err().unwrap().to_string();
    assert!(error.contains("NoApplicationProtocol"), "{error}");
}

#[test]
fn a_client_without_the_authority_rejects_the_certificate() {
    let stage = Stage::new(Launch::new());
    let client = Client::trusting(&Authority::new());
    assert!(client.connect(stage.app.address).is_err());
    assert!(stage.connect().ask(PUBLIC).contains("200 OK"));
}

#[test]
fn after_sighup_new_connections_get_the_new_certificate() {
    let stage = Stage::new(Launch::new());
    let mut old = stage.connect();
    let first = old.shown().clone();
    assert!(old.ask(PUBLIC).contains("200 OK"));
    let second = stage.authority.sign("127.0.0.1");
    stage.files.replace(&second);
    stage.app.signal("HUP");
    stage
        .app
        .wait_for_log("SIGHUP: the files of server.tls are read anew");
    let mut new = stage.connect();
    assert_eq!(new.shown(), &second.der);
    assert_ne!(new.shown(), &first);
    for connection in [&mut new, &mut old] {
        assert!(connection.ask(PUBLIC).contains("200 OK"));
    }
}

#[test]
fn replaced_files_are_served_without_a_signal_and_their_expiry_is_measured() {
    let stage = Stage::new(Launch::new());
    let second = stage.authority.sign_until("127.0.0.1", 2033);
    // One after the other: meanwhile they do not fit.
    stage.files.write("certificate.pem", &second.pem);
    stage.files.write("key.pem", &second.key.serialize_pem());
    stage
        .app
        .wait_for_log("the files of server.tls have changed and are read anew");
    let new = stage.connect();
    assert_eq!(new.shown(), &second.der);
    let metrics = new.send(&Request::get("/metrics"), stage.app.address).body;
    let expiry = "\nars_tls_certificate_expiry_seconds 1988150400\n";
    assert!(metrics.contains(expiry), "{metrics}");
    // One that does not fit is reported once it has been there for a while.
    let other = KeyPair::generate().unwrap().serialize_pem();
    stage.files.write("key.pem", &other);
    stage
        .app
        .wait_for_log("the certificates stay as they are: server.tls.key (variable ");
    assert_eq!(stage.connect().shown(), &second.der);
}

#[test]
fn a_certificate_that_has_expired_is_logged_at_the_start() {
    let authority = Authority::new();
    let files = Files::of(&authority.sign_until("127.0.0.1", 2020));
    let app = files.launch(Launch::new()).serve();
    app.wait_for_log(
        "server.tls.certificate (variable APP__SERVER__TLS__CERTIFICATE): the certificate has expired",
    );
}

#[test]
fn unusable_files_leave_the_previous_certificate_in_use() {
    let stage = Stage::new(Launch::new());
    let before = stage.connect().shown().clone();
    let unfit = [
        ("key.pem", KeyPair::generate().unwrap().serialize_pem()),
        ("certificate.pem", "nonsense".to_owned()),
    ];
    for (name, text) in unfit {
        stage.files.write(name, &text);
        let setting = name.trim_end_matches(".pem");
        stage.app.signal("HUP");
        stage.app.wait_for_log(&format!(
            "SIGHUP: the certificates stay as they are: server.tls.{setting} (variable \
             APP__SERVER__TLS__{})",
            setting.to_uppercase()
        ));
        assert_eq!(stage.connect().shown(), &before);
    }
}

#[test]
fn unusable_files_stop_the_start() {
    let authority = Authority::new();
    let signed = authority.sign("127.0.0.1");
    let (certificate, key) = (&signed.pem, signed.key.serialize_pem());
    let other = KeyPair::generate().unwrap().serialize_pem();
    let cut = &certificate[..certificate.len() / 2];
    let public = signed.key.public_key_pem();
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cases = [
        ("", &*key, "certificate"),
        ("nonsense", &key, "certificate"),
        (cut, &key, "certificate"),
        (&key, &key, "certificate"),
        (garbage, &key, "certificate"),
        (certificate, "", "key"),
        (certificate, &public, "key"),
        (certificate, certificate, "key"),
        (certificate, &other, "key"),
    ];
    for (certificate, key, blamed) in cases {
        for command in ["serve", "check"] {
            let launch = Launch::new()
                .file("certificate.pem", certificate)
                .file("key.pem", key)
                .variable("APP__SERVER__TLS__CERTIFICATE", "certificate.pem")
                .variable("APP__SERVER__TLS__KEY", "key.pem");
            let ended = launch.arguments(&[command]).run();
            let variable = blamed.to_uppercase();
            let beginning =
                format!("server.tls.{blamed} (variable APP__SERVER__TLS__{variable}): ");
            assert_rejected(&ended, &beginning);
        }
    }
    let missing = Launch::new()
        .file("key.pem", &key)
        .variable("APP__SERVER__TLS__CERTIFICATE", "nowhere.pem")
        .variable("APP__SERVER__TLS__KEY", "key.pem");
    let beginning = "server.tls.certificate (variable APP__SERVER__TLS__CERTIFICATE): names a \
                     file that cannot be read: ";
    assert_rejected(&missing.run(), beginning);
}

#[test]
fn a_stalled_handshake_is_closed_in_time() {
    let stage = Stage::new(Launch::new().variable("APP__SERVER__CLIENT_TIMEOUT", "1s"));
    let begun = Instant::now();
    let beginning_of_a_hello = b"\x16\x03\x01\x02\x00\x01";
    for sent in [&b""[..], beginning_of_a_hello] {
        let mut client = connect(stage.app.address).unwrap();
        client.write_all(sent).unwrap();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"");
    }
    assert!(begun.elapsed() < LIMIT / 2, "{:?}", begun.elapsed());
    assert!(stage.connect().ask(PUBLIC).contains("200 OK"));
}

#[test]
fn a_stalled_request_is_closed_in_time() {
    let stage = Stage::new(Launch::new().variable("APP__SERVER__CLIENT_TIMEOUT", "1s"));
    let mut client = stage.connect();
    let begun = Instant::now();
    client.write(b"GET /api/public HTTP/1.1\r\n");
    let rest = client.rest().unwrap();
    assert!(rest.starts_with(b"HTTP/1.1 408 Request Timeout"));
    assert!(begun.elapsed() < LIMIT / 2, "{:?}", begun.elapsed());
}

#[test]
fn a_stalled_handshake_blocks_no_other_client() {
    let stage = Stage::new(Launch::new().variables(&[
        ("APP__SERVER__MAX_CONNECTIONS", "2"),
        ("APP__SERVER__WORKERS", "1"),
    ]));
    let silent = connect(stage.app.address).unwrap();
    for _ in 0..3 {
        assert!(stage.connect().ask(PUBLIC).contains("200 OK"));
    }
    drop(silent);
}

#[test]
fn plain_http_on_the_tls_port_is_closed() {
    let stage = Stage::new(Launch::new());
    let mut client = connect(stage.app.address).unwrap();
    client
        .write_all(&Request::get(PUBLIC).bytes(stage.app.address))
        .unwrap();
    let mut answer = Vec::new();
    // A reset ends the connection, too.
    let _ = client.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
    assert!(stage.connect().ask(PUBLIC).contains("200 OK"));
    assert!(!stage.app.log().text().contains("ERROR"));
}

#[test]
fn tls_on_the_plain_port_is_rejected() {
    let app = Launch::new().serve();
    let hello = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00";
    let answer = attempt(app.address, hello);
    assert!(answer.is_none_or(|answer| answer.status == 400));
    assert_eq!(app.get(PUBLIC).status, 200);
}

#[test]
fn neither_idle_connections_nor_handshakes_delay_the_exit() {
    let stage = Stage::new(Launch::new().variable("APP__SERVER__SHUTDOWN_TIMEOUT", "1h"));
    let _silent = connect(stage.app.address).unwrap();
    let mut idle = stage.connect();
    assert!(idle.ask(PUBLIC).contains("200 OK"));
    stage.app.signal("TERM");
    assert_eq!(idle.rest().unwrap(), b"");
    let ended = stage.app.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_request_in_progress_is_answered_before_the_exit() {
    let stage = Stage::new(Launch::new());
    let mut client = stage.connect();
    client.write(b"GET /api/public HTTP/1.1\r\n");
    assert!(stage.connect().ask(PUBLIC).contains("200 OK"));
    stage.app.signal("TERM");
    stage.app.wait_for_log("SIGTERM");
    client.write(b"Host: localhost\r\n\r\n");
    let answer = client.rest().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    assert_eq!(stage.app.wait().code, Some(0));
}

#[test]
fn health_works_over_tls() {
    let stage = Stage::new(Launch::new());
    let port = stage.app.address.port().to_string();
    let health = |launch: Launch| launch.variable("PORT", &port).arguments(&["health"]).run();
    assert_eq!(health(stage.files.launch(Launch::new())).code, Some(0));
    // Over plain HTTP the service does not answer.
    let plain = health(Launch::new());
    assert_eq!(plain.code, Some(1));
    let asked = format!("http://127.0.0.1:{port}/livez (server.port, PORT changes the port): ");
    assert!(plain.log.contains(&asked), "{plain:?}");
}

#[test]
fn the_test_view_calls_the_api_by_https() {
    let stage = Stage::new(Launch::new());
    let view = Request::get("/test_view.json").send(crate::dev_issuer::address(&stage.app));
    let origin = format!("https://{}", stage.app.address);
    assert_eq!(view.json()["api"]["origin"], origin);
}

#[test]
fn private_keys_are_never_shown() {
    let authority = Authority::new();
    let signed = authority.sign("127.0.0.1");
    let files = Files::of(&signed);
    let app = files
        .launch(Launch::new().variable("RUST_LOG", "trace"))
        .serve();
    let client = Client::trusting(&authority);
    assert!(
        client
            .connect(app.address)
            .unwrap()
            .ask(PUBLIC)
            .contains("200 OK")
    );
    app.signal("HUP");
    app.wait_for_log("read anew");
    let key = signed.key.serialize_pem();
    let log = app.log().text();
    for line in key.lines().filter(|line| !line.starts_with('-')) {
        assert!(!log.contains(line));
    }
    let check = files.launch(Launch::new()).arguments(&["check"]).run();
    assert!(check.output.contains("server.tls.key"), "{check:?}");
    assert!(!check.output.contains("key.pem"), "{check:?}");
}

#[test]
fn the_start_logs_the_source_of_client_certificates() {
    let proxy = ("APP__SERVER__TRUSTED_PROXIES", "127.0.0.1");
    let cases = [
        ("tls", "the TLS connection"),
        ("client-cert", "the header client-cert of trusted proxies"),
        (
            "escaped-pem",
            "the header x-ssl-client-cert of trusted proxies",
        ),
        (
            "xfcc",
            "the header x-forwarded-client-cert of trusted proxies",
        ),
    ];
    for (source, named) in cases {
        let enabled = ("APP__AUTH__MTLS__ENABLED", "true");
        let source = ("APP__AUTH__MTLS__SOURCE", source);
        let stage = Stage::new(Launch::new().variables(&[proxy, enabled, source]));
        stage
            .app
            .wait_for_log(&format!("client certificates are taken from {named}\n"));
    }
}
