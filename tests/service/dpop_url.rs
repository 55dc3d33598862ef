//! The URL that a proof is for, and the one that was called (RFC 9449 §4.3, check 9; RFC 3986 §6.2).

use crate::expected::{
    Expected, MALFORMED_HOST, Offer, PRIVATE, PROOF_NO_URL, PROOF_URL, UNKNOWN_TARGET, assert_offer,
};
use crate::sender::Sender;
use crate::wire::{Request, exchange};

/// Calls `target` of `host` with a proof for `htu`.
#[track_caller]
fn call(sender: &Sender, host: &str, target: &str, htu: &str, expected: Expected, offer: Offer) {
    let proof = sender.proof().claim("htu", htu).build();
    let request = Request::get(target).header("Host", host);
    let answer = sender.app.send(&request.dpop(&sender.token, &proof));
    assert_offer(
        &answer,
        expected,
        offer,
        &format!("{htu} for {target} at {host}"),
    );
}

#[track_caller]
fn check(sender: &Sender, host: &str, target: &str, htu: &str, expected: Expected) {
    call(sender, host, target, htu, expected, Offer::ByDpop);
}

#[test]
fn urls_are_compared_after_normalisation_by_rfc_3986() {
    let sender = Sender::new();
    let host = "api.example:8080";
    for htu in [
        "http://api.example:8080/api/private",
        "HTTP://api.example:8080/api/private",
        "http://API.Example:8080/api/private",
        "http://api.example:8080/api/private?",
        "http://api.example:8080/api/private?page=2",
        "http://api.example:8080/api/private#top",
        "http://api.example:8080/api/private?a#b?c",
        "http://api.example:8080/api/privat%65",
        "http://api.example:8080/%61pi/%70rivate",
        "http://api.example:8080/api/./private",
        "http://api.example:8080/api/x/../private",
        "http://api.example:08080/api/private",
    ] {
        check(&sender, host, "/api/private", htu, PRIVATE);
    }
}

#[test]
fn other_urls_are_rejected() {
    let sender = Sender::new();
    let host = "api.example:8080";
    for htu in [
        "https://api.example:8080/api/private",
        "http://api.example/api/private",
        "http://api.example:8081/api/private",
        "http://other.example:8080/api/private",
        "http://api.example.:8080/api/private",
        "http://api.example:8080",
        "http://api.example:8080/",
        "http://api.example:8080/api/private/",
        "http://api.example:8080/api//private",
        "http://api.example:8080//api/private",
        "http://api.example:8080/api/Private",
        "http://api.example:8080/api/private-scoped",
        "http://api.example:8080/api%2Fprivate",
        "http://api.example:8080/api/private%20",
        "http://api.example:8080/api/private;a=b",
        "http://api.example:8080/api/public",
        "http://api.example:8080/?/api/private",
    ] {
        check(&sender, host, "/api/private", htu, PROOF_URL);
    }
}

#[test]
fn a_target_that_is_not_an_http_url_is_rejected() {
    let sender = Sender::new();
    let host = "api.example:8080";
    for htu in [
        "",
        " ",
        "/api/private",
        "api/private",
        "//api.example:8080/api/private",
        "api.example:8080/api/private",
        "http:/api.example:8080/api/private",
        "http:api.example:8080/api/private",
        "http:///api/private",
        "http://",
        "http://:8080/api/private",
        "ftp://api.example:8080/api/private",
        "ws://api.example:8080/api/private",
        "http://user@api.example:8080/api/private",
        "http://user:word@api.example:8080/api/private",
        "http://@api.example:8080/api/private",
        "http://api.example:80a/api/private",
        "http://api.example:65536/api/private",
        "http://api.example:8080/api/priv ate",
        " http://api.example:8080/api/private",
        "http://api.example:8080/api/private\n",
        "http://api.example:8080\\api\\private",
        "http://api.exämple:8080/api/private",
        "http://api.example:8080/api/private%",
        "http://api.example:8080/api/private%2",
        "http://api.example:8080/api/private%zz",
        "http://[::1:8080/api/private",
        "http://api.example%3A8080/api/private",
    ] {
        check(&sender, host, "/api/private", htu, PROOF_NO_URL);
    }
}

#[test]
fn the_default_port_may_be_omitted() {
    let sender = Sender::new();
    for host in [
        "api.example",
        "api.example:80",
        "api.example:",
        "API.EXAMPLE",
    ] {
        for htu in [
            "http://api.example/api/private",
            "http://api.example:80/api/private",
            "http://api.example:/api/private",
        ] {
            check(&sender, host, "/api/private", htu, PRIVATE);
        }
        for htu in [
            "http://api.example:443/api/private",
            "https://api.example/api/private",
        ] {
            check(&sender, host, "/api/private", htu, PROOF_URL);
        }
    }
    let loopback = "http://[::1]:80/api/private";
    check(&sender, "[0:0::1]", "/api/private", loopback, PRIVATE);
}

#[test]
fn the_query_of_the_request_is_ignored() {
    let sender = Sender::new();
    let htu = "http://api.example/api/private";
    for target in [
        "/api/private?",
        "/api/private?a=b",
        "/api/private?a=http://x/",
    ] {
        check(&sender, "api.example", target, htu, PRIVATE);
    }
    let other = "http://api.example/api/private?other";
    check(&sender, "api.example", "/api/private?one", other, PRIVATE);
}

#[test]
fn the_request_target_may_be_an_absolute_url() {
    let sender = Sender::new();
    let htu = "http://api.example/api/private";
    let other = "http://other.example/api/private";
    check(&sender, "api.example", htu, htu, PRIVATE);
    check(&sender, "api.example", htu, other, PROOF_URL);
    // RFC 9112 §3.2.2 requires the two hosts to be equal.
    check(&sender, "other.example", htu, htu, UNKNOWN_TARGET);
    check(&sender, "other.example", htu, other, UNKNOWN_TARGET);
}

#[test]
fn a_malformed_host_makes_the_request_malformed() {
    let sender = Sender::new();
    let htu = "http://api.example/api/private";
    for host in [
        "",
        "a b",
        "api.example/",
        "user@api.example",
        "api.example:x",
        "[::1",
    ] {
        call(
            &sender,
            host,
            "/api/private",
            htu,
            MALFORMED_HOST,
            Offer::ByBearer,
        );
    }
    // A name that no `htu` can contain.
    check(
        &sender,
        "api%2eexample",
        "/api/private",
        htu,
        UNKNOWN_TARGET,
    );
}

#[test]
fn a_request_without_a_host_has_no_url() {
    let sender = Sender::new();
    let head = format!(
        "GET /api/private HTTP/1.0\r\nAuthorization: DPoP {}\r\nDPoP: {}\r\n\r\n",
        sender.token,
        sender.proof().build()
    );
    let answer = exchange(sender.app.address, head.as_bytes());
    assert_offer(&answer, UNKNOWN_TARGET, Offer::ByDpop, "HTTP/1.0");
}

#[test]
fn the_public_url_precedes_the_path_of_the_request() {
    let public_url = ("APP__SERVER__PUBLIC_URL", "https://API.example/v1/");
    let sender = Sender::with(&[public_url]);
    let trusted = [
        ("X-Forwarded-Host", "other.example"),
        ("Forwarded", "host=other.example"),
    ];
    for host in ["localhost", "other.example", "api.example:99"] {
        let good = "https://api.example/v1/api/private";
        check(&sender, host, "/api/private", good, PRIVATE);
        for htu in [
            "https://api.example/api/private",
            "https://api.example/v1",
            "https://api.example/v1//api/private",
            "http://api.example/v1/api/private",
            &format!("http://{host}/api/private"),
            &format!("https://{host}/v1/api/private"),
        ] {
            check(&sender, host, "/api/private", htu, PROOF_URL);
        }
    }
    for (name, value) in trusted {
        let proof = sender
            .proof()
            .claim("htu", "https://api.example/v1/api/private");
        let answer = sender.app.send(&sender.request(proof).header(name, value));
        assert_offer(&answer, PRIVATE, Offer::ByDpop, name);
    }
}
