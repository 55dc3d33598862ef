//! The start of the program: its ports, its address and its arguments.

use std::net::{Ipv6Addr, TcpListener};

use crate::app::Launch;
use crate::expected::{PUBLIC, assert_answer};

/// Trusts an issuer that gets no request, since the start fails before.
const TRUST: [(&str, &str); 2] = [
    ("ISSUER_BASE_URL", "https://tenant.test/"),
    ("AUDIENCE", "https://api.test/"),
];

#[test]
fn the_default_ports_are_3010_and_3011() {
    // With both ports taken, the error names the port.
    let _taken = ["3010", "3011"].map(|port| TcpListener::bind(format!("127.0.0.1:{port}")));
    for (other, line) in [
        (
            "APP__DEV_ISSUER__PORT",
            "127.0.0.1:3010 cannot be listened on ",
        ),
        (
            "PORT",
            "port 3011 cannot be listened on by the development issuer ",
        ),
    ] {
        let ended = Launch::new().variable(other, "0").run();
        assert_eq!(
            (ended.code, ended.output.as_str()),
            (Some(1), ""),
            "{ended:?}"
        );
        let last = ended.log.lines().last().unwrap();
        assert!(
            last.starts_with(&format!("actix-resource-server: {line}")),
            "{ended:?}"
        );
    }
}

#[test]
fn an_ipv6_address_may_have_brackets() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return;
    }
    for host in ["::1", "[::1]"] {
        let app = Launch::new().variable("HOST", host).serve();
        assert!(app.address.is_ipv6());
        assert_answer(&app.get("/api/public"), PUBLIC, host);
    }
}

#[test]
fn a_port_in_use_is_reported() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = Launch::new()
        .variables(&TRUST)
        .variable("PORT", &port)
        .run();
    assert_eq!(
        (ended.code, ended.output.as_str()),
        (Some(1), ""),
        "{ended:?}"
    );
    let line = format!("actix-resource-server: 127.0.0.1:{port} cannot be listened on ");
    let last = ended.log.lines().last().unwrap();
    assert!(
        last.starts_with(&line) && last.contains("variable"),
        "{ended:?}"
    );

    let launch = Launch::new().variables(&[("PORT", "0"), ("APP__DEV_ISSUER__PORT", &port)]);
    let ended = launch.run();
    assert_eq!(
        (ended.code, ended.output.as_str()),
        (Some(1), ""),
        "{ended:?}"
    );
    let last = ended.log.lines().last().unwrap();
    assert!(
        last.contains(&port) && last.contains("APP__DEV_ISSUER__PORT"),
        "{ended:?}"
    );
}

#[test]
fn wrong_arguments_are_rejected_with_help() {
    for arguments in [&["--broken_documents"][..], &["nonsense"], &["--config"]] {
        let ended = Launch::new().arguments(arguments).run();
        assert_eq!(
            (ended.code, ended.output.as_str()),
            (Some(2), ""),
            "{ended:?}"
        );
        assert!(!ended.log.is_empty(), "{ended:?}");
    }
    let version = concat!("actix-resource-server ", env!("CARGO_PKG_VERSION"), "\n");
    let ended = Launch::new().arguments(&["--version"]).run();
    assert_eq!((ended.code, ended.output.as_str()), (Some(0), version));
    let ended = Launch::new().arguments(&["--help"]).run();
    assert_eq!((ended.code, ended.log.as_str()), (Some(0), ""));
    assert!(ended.output.contains("--config <FILE>"), "{ended:?}");
}

#[test]
fn an_authority_that_cannot_be_used_stops_the_start() {
    let named =
        "auth.ca_file (variable APP__AUTH__CA_FILE): must name a PEM file with X.509 certificates";
    let missing = "auth.ca_file (variable APP__AUTH__CA_FILE): names a file that cannot be read: ";
    for (file, content, expected) in [
        ("other.pem", "", missing),
        ("ca.pem", "", named),
        ("ca.pem", "not PEM", named),
        (
            "ca.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            named,
        ),
    ] {
        let launch = Launch::new().variables(&TRUST).file(file, content);
        let ended = launch.variable("APP__AUTH__CA_FILE", "ca.pem").run();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let last = ended.log.lines().last().unwrap();
        let expected = format!("actix-resource-server: {expected}");
        assert!(last.starts_with(&expected), "{ended:?}");
    }
}
