//! The URL of a request behind proxies: only the headers of trusted proxies are read.

use crate::expected::{Expected, Offer, PRIVATE, PROOF_URL, UNKNOWN_TARGET, assert_offer};
use crate::sender::Sender;

const HTU: &str = "https://api.example/api/private";

/// Headers, and the responses to a proof for [`HTU`] and to one for the address that was called.
type Case<'a> = (&'a [(&'a str, &'a str)], Expected, Expected);

fn check(sender: &Sender, cases: &[Case<'_>]) {
    for (headers, named, called) in cases {
        for (proof, expected) in [
            (sender.proof().claim("htu", HTU), named),
            (sender.proof(), called),
        ] {
            let request = sender.request(proof);
            let request = headers.iter().fold(request, |request, (name, value)| {
                request.header(name, value)
            });
            let case = format!("{headers:?}");
            assert_offer(&sender.app.send(&request), *expected, Offer::ByDpop, &case);
        }
    }
}

const PROTO: (&str, &str) = ("X-Forwarded-Proto", "https");
const HOST: (&str, &str) = ("X-Forwarded-Host", "api.example");
const FORWARDED: (&str, &str) = ("Forwarded", "for=10.0.0.1;proto=https;host=api.example");

#[test]
fn forwarding_headers_of_untrusted_clients_are_ignored() {
    for variables in [
        &[][..],
        &[("APP__SERVER__TRUSTED_PROXIES", "10.0.0.0/8,192.0.2.1,::1")][..],
    ] {
        let sender = Sender::with(variables);
        let cases: [Case<'_>; 5] = [
            (&[], PROOF_URL, PRIVATE),
            (&[PROTO, HOST], PROOF_URL, PRIVATE),
            (&[FORWARDED], PROOF_URL, PRIVATE),
            (&[("Forwarded", "nonsense")], PROOF_URL, PRIVATE),
            (
                &[("X-Forwarded-For", "10.0.0.1"), PROTO, HOST],
                PROOF_URL,
                PRIVATE,
            ),
        ];
        check(&sender, &cases);
    }
}

#[test]
fn the_url_is_taken_from_a_trusted_proxy() {
    let sender = Sender::with(&[("APP__SERVER__TRUSTED_PROXIES", "127.0.0.1")]);
    let cases: [Case<'_>; 12] = [
        (&[], PROOF_URL, PRIVATE),
        (&[PROTO, HOST], PRIVATE, PROOF_URL),
        (&[FORWARDED], PRIVATE, PROOF_URL),
        (&[FORWARDED, PROTO, HOST], PRIVATE, PROOF_URL),
        (
            &[("Forwarded", r#"Host="API.example:443";Proto=HTTPS"#)],
            PRIVATE,
            PROOF_URL,
        ),
        (&[HOST], PROOF_URL, PROOF_URL),
        (&[PROTO], PROOF_URL, PROOF_URL),
        (&[("X-Forwarded-For", "192.0.2.7")], PROOF_URL, PRIVATE),
        (
            &[("X-Forwarded-Prefix", "/v1"), PROTO, HOST],
            PROOF_URL,
            PROOF_URL,
        ),
        (
            &[("X-Forwarded-Prefix", "/"), PROTO, HOST],
            PRIVATE,
            PROOF_URL,
        ),
        (
            &[("X-Forwarded-Port", "443"), PROTO, HOST],
            PRIVATE,
            PROOF_URL,
        ),
        (
            &[("X-Forwarded-Port", "8443"), PROTO, HOST],
            PROOF_URL,
            PROOF_URL,
        ),
    ];
    check(&sender, &cases);
}

#[test]
fn the_prefix_is_taken_from_a_trusted_proxy() {
    let sender = Sender::with(&[("APP__SERVER__TRUSTED_PROXIES", "127.0.0.1")]);
    for (htu, expected) in [
        ("https://api.example:8443/v1/api/private", PRIVATE),
        ("https://api.example:8443/api/private", PROOF_URL),
    ] {
        let request = sender.request(sender.proof().claim("htu", htu));
        let request = request.header("X-Forwarded-Prefix", "/v1");
        let request = request.header("X-Forwarded-Port", "8443");
        let request = request.header(PROTO.0, PROTO.1).header(HOST.0, HOST.1);
        assert_offer(&sender.app.send(&request), expected, Offer::ByDpop, htu);
    }
}

#[test]
fn only_the_element_of_the_trusted_proxy_is_used() {
    let sender = Sender::with(&[("APP__SERVER__TRUSTED_PROXIES", "127.0.0.0/8")]);
    let forged = ("X-Forwarded-Host", "api.example, other.example");
    let own = ("X-Forwarded-Host", "other.example, api.example");
    let cases: [Case<'_>; 6] = [
        (&[PROTO, forged], PROOF_URL, PROOF_URL),
        (&[PROTO, own], PRIVATE, PROOF_URL),
        (
            &[("X-Forwarded-Proto", "http, https"), own],
            PRIVATE,
            PROOF_URL,
        ),
        (
            &[("Forwarded", "proto=https;host=api.example, for=10.0.0.1")],
            PROOF_URL,
            PRIVATE,
        ),
        (
            &[(
                "Forwarded",
                "host=other.example, proto=https;host=api.example",
            )],
            PRIVATE,
            PROOF_URL,
        ),
        (
            &[HOST, ("X-Forwarded-Host", "other.example"), PROTO],
            PROOF_URL,
            PROOF_URL,
        ),
    ];
    check(&sender, &cases);
}

#[test]
fn unusable_headers_of_a_trusted_proxy_make_the_request_malformed() {
    let sender = Sender::with(&[("APP__SERVER__TRUSTED_PROXIES", "127.0.0.1")]);
    let headers: [&[(&str, &str)]; 13] = [
        &[("X-Forwarded-Port", "https")],
        &[("X-Forwarded-Prefix", "//evil.example")],
        &[
            ("X-Forwarded-Host", "api.example:8443"),
            ("X-Forwarded-Port", "443"),
        ],
        &[("X-Forwarded-Proto", "ftp")],
        &[("X-Forwarded-Proto", "")],
        &[("X-Forwarded-Host", "")],
        &[("X-Forwarded-Host", "a b")],
        &[("X-Forwarded-Host", "user@api.example")],
        &[("X-Forwarded-Host", "prü.example")],
        &[("Forwarded", "nonsense")],
        &[("Forwarded", "host=\"api.example")],
        &[("Forwarded", "host=a;host=b")],
        &[FORWARDED, ("X-Forwarded-Host", "other.example"), PROTO],
    ];
    for headers in headers {
        check(&sender, &[(headers, UNKNOWN_TARGET, UNKNOWN_TARGET)]);
    }
}

#[test]
fn bearer_tokens_do_not_depend_on_the_url() {
    let sender = Sender::with(&[("APP__SERVER__TRUSTED_PROXIES", "127.0.0.1")]);
    let token = sender.issuer.token().build();
    for (name, value) in [
        ("X-Forwarded-Host", "a b"),
        ("Forwarded", "nonsense"),
        PROTO,
    ] {
        let request = crate::wire::Request::get("/api/private").header(name, value);
        let answer = sender.app.send(&request.bearer(&token));
        crate::expected::assert_answer(&answer, PRIVATE, name);
    }
}
