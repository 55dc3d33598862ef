//! Shutdown: accepted requests are answered, then the process exits with 0.

use std::io::{Read, Write};
use std::thread;

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{Document, Fault, Gate, TestIssuer};

use crate::app::{Launch, TestApp};
use crate::expected::{Expected, PRIVATE, assert_answer};
use crate::wire::{Request, connect};

#[test]
fn a_request_in_progress_is_answered_and_the_exit_code_is_0() {
    for (signal, name) in [("TERM", "SIGTERM"), ("INT", "SIGINT")] {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let app = TestApp::trusting(&issuer);
        let gate = Gate::new();
        issuer.set_fault(Document::Jwks, Some(Fault::Hang(gate.clone())));
        issuer.rotate();
        let token = issuer.token().build();
        thread::scope(|scope| {
            let caller = scope.spawn(|| app.private(&token));
            assert!(issuer.wait_for(Document::Jwks, 2));
            app.signal(signal);
            app.wait_for_log(name);
            gate.open();
            assert_answer(&caller.join().unwrap(), PRIVATE, signal);
        });
        let ended = app.wait();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(!ended.log.contains("panicked"), "{ended:?}");
    }
}

#[test]
fn a_request_whose_keys_cannot_be_fetched_is_answered_too() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    issuer.set_fault(Document::Discovery, Some(Fault::Hang(Gate::new())));
    let launch = Launch::trusting(&issuer).variable("APP__AUTH__TIMEOUT_DURATION", "1s");
    let app = launch.serve();
    let token = issuer.token().build();
    thread::scope(|scope| {
        let caller = scope.spawn(|| app.private(&token));
        assert!(issuer.wait_for(Document::Discovery, 1));
        app.wait_for_metric("ars_key_set_waits_total", 1);
        app.signal("TERM");
        assert_answer(&caller.join().unwrap(), Expected::KeysUnavailable, "TERM");
    });
    assert_eq!(app.wait().code, Some(0));
}

#[test]
fn a_request_that_was_sent_before_the_signal_is_answered() {
    let app = Launch::new().serve();
    let request = b"GET /api/public HTTP/1.1\r\nHost: api.test\r\n\r\n";
    let mut callers: Vec<_> = (0..20).map(|_| connect(app.address).unwrap()).collect();
    let mut answered = [0; 15];
    for caller in &mut callers {
        caller.write_all(request).unwrap();
        caller.read_exact(&mut answered).unwrap();
    }
    // The rest of the first response, then the whole second one.
    for caller in &mut callers {
        caller.write_all(request).unwrap();
    }
    app.signal("TERM");
    for mut caller in callers {
        let mut rest = Vec::new();
        // A reset after the response loses nothing.
        let _ = caller.read_to_end(&mut rest);
        let rest = String::from_utf8(rest).unwrap();
        assert!(rest.contains("HTTP/1.1 200 OK"), "{rest}");
    }
    assert_eq!(app.wait().code, Some(0));
}

#[test]
fn a_signal_during_the_start_ends_the_service() {
    for _ in 0..20 {
        let app = Launch::new().serve();
        app.signal("TERM");
        let ended = app.wait();
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

#[test]
fn an_idle_connection_does_not_delay_the_exit() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let app = TestApp::trusting(&issuer);
    let mut idle = connect(app.address).unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: api.test\r\n\r\n")
        .unwrap();
    let mut first = [0; 15];
    idle.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    app.signal("TERM");
    assert_eq!(app.wait().code, Some(0));
}

#[test]
fn shutdown_waits_no_longer_than_the_timeout() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let app = TestApp::ready(Launch::trusting(&issuer).variables(&[
        ("APP__SERVER__SHUTDOWN_TIMEOUT", "1s"),
        ("APP__AUTH__TIMEOUT_DURATION", "1h"),
    ]));
    issuer.set_fault(Document::Jwks, Some(Fault::Hang(Gate::new())));
    issuer.rotate();
    let mut caller = connect(app.address).unwrap();
    let request = Request::get("/api/private").bearer(&issuer.token().build());
    caller.write_all(&request.bytes(app.address)).unwrap();
    assert!(issuer.wait_for(Document::Jwks, 2));
    app.signal("TERM");
    assert_eq!(app.wait().code, Some(0));
}

#[test]
fn a_service_with_its_development_issuer_shuts_down_in_order() {
    let app = Launch::new().serve();
    app.wait_for(200, &Request::get("/readyz"));
    app.signal("TERM");
    let ended = app.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.log.ends_with("stopped\n"), "{ended:?}");
}
