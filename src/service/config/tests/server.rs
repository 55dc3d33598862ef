use std::time::Duration;

use super::super::model::StartupMode;
use super::super::{Cors, Operations, Server, Startup, Tls};
use super::{configured, parsed};

fn server(text: &str) -> Result<Server, String> {
    configured(&format!("[server]\n{text}")).map(|settings| settings.server)
}

#[test]
fn every_key_of_the_server_is_used() {
    let text = "host = '0.0.0.0'\nport = 0\nworkers = 4\nmax_connections = 9\nmax_connections_per_address = 3\n\
                client_timeout = '1s'\nkeep_alive = '2s'\ndrain_delay = '3s'\nshutdown_timeout = '5s'\n\
                public_url = 'https://api.example/v1'\ntrusted_proxies = '10.0.0.0/8'";
    let server = server(text).unwrap();
    assert_eq!((&*server.host, server.port), ("0.0.0.0", 0));
    assert_eq!(server.drain_delay, Duration::from_secs(3));
    assert_eq!(server.shutdown_timeout, Duration::from_secs(5));
    let public_url = server.public_url.as_ref().map(url::Url::as_str);
    assert_eq!(public_url, Some("https://api.example/v1"));
    assert_eq!(server.trusted_proxies, ["10.0.0.0/8".parse().unwrap()]);
    let options = server.options();
    assert_eq!(options.workers.map(usize::from), Some(4));
    assert_eq!(options.max_connections, 9);
    assert_eq!(options.max_connections_per_address.map(u16::from), Some(3));
    assert_eq!(options.trusted_proxies, server.trusted_proxies);
    assert_eq!(options.client_timeout, Duration::from_secs(1));
    assert_eq!(options.keep_alive, Duration::from_secs(2));
}

#[test]
fn numbers_and_durations_of_the_server_have_bounds() {
    let workers = "must be a number from 1 to 1024";
    let duration = "must be a duration such as 500ms, 60s, 5m or 1h";
    for (key, value, remedy) in [
        ("port", "65536", "must be a number from 0 to 65535"),
        ("workers", "0", workers),
        ("workers", "1025", workers),
        ("max_connections", "0", "must be a number from 1 to 65535"),
        (
            "max_connections_per_address",
            "-1",
            "must be a number from 0 to 65535",
        ),
        ("client_timeout", "0", "must be longer than 0s"),
        ("keep_alive", "'0s'", "must be longer than 0s"),
        ("drain_delay", "-1", duration),
        ("shutdown_timeout", "'x'", duration),
    ] {
        let message = format!("server.{key} (file Settings.toml): {remedy}");
        let text = format!("{key} = {value}");
        assert_eq!(server(&text).map(drop), Err(message), "{text}");
    }
}

#[test]
fn any_host_is_trusted_where_other_machines_connect_and_no_url_is_configured() {
    let trusts = |text: &str| server(text).map(|server| server.trusts_any_host());
    for host in [
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "::ffff:127.0.0.1",
        "LocalHost",
    ] {
        assert_eq!(trusts(&format!("host = '{host}'")), Ok(false), "{host}");
    }
    for host in [
        "0.0.0.0",
        "::",
        "192.0.2.1",
        "api.example",
        "localhost.example",
    ] {
        let host = format!("host = '{host}'");
        assert_eq!(trusts(&host), Ok(true), "{host}");
        for url in [
            "public_url = 'https://a.example'",
            "trusted_proxies = '10.0.0.1'",
        ] {
            assert_eq!(trusts(&format!("{host}\n{url}")), Ok(false));
        }
    }
}

fn tls(text: &str) -> Result<Option<Tls>, String> {
    configured(&format!("[server.tls]\n{text}")).map(|settings| settings.server.tls)
}

#[test]
fn certificate_and_key_are_set_together() {
    assert_eq!(tls(""), Ok(None));
    let both = tls("certificate = 'a.pem'\nkey = 'b.pem'");
    assert!(both.is_ok_and(|tls| tls.is_some()));
    for (text, message) in [
        (
            "certificate = 'a.pem'",
            "server.tls.key is missing: server.tls.certificate (file Settings.toml) requires it",
        ),
        (
            "key = 'a.pem'",
            "server.tls.certificate is missing: server.tls.key (file Settings.toml) requires it",
        ),
        (
            "client_ca = 'a.pem'",
            "server.tls.certificate is missing: server.tls.client_ca (file Settings.toml) requires it",
        ),
    ] {
        assert_eq!(tls(text), Err(message.to_owned()));
    }
}

fn operations(text: &str) -> Result<Option<Operations>, String> {
    configured(&format!("[operations]\n{text}")).map(|settings| settings.operations)
}

#[test]
fn the_listener_for_operations_needs_a_port_and_is_on_loopback_unless_a_host_is_set() {
    let on = |host: &str| {
        let host = host.to_owned();
        Ok(Some(Operations { host, port: 9000 }))
    };
    assert_eq!(operations(""), Ok(None));
    assert_eq!(operations("port = 9000"), on("127.0.0.1"));
    assert_eq!(operations("port = 9000\nhost = '[::]'"), on("::"));
    let without_port = "operations.host (file Settings.toml): only applies when operations.port is set, such as 9000";
    let rejected = operations("host = '0.0.0.0'");
    assert_eq!(rejected, Err(without_port.to_owned()));
}

#[test]
fn the_port_for_operations_is_not_that_of_the_api() {
    let load =
        |host: &str, port: u16| operations(&format!("host = '{host}'\nport = {port}")).map(drop);
    let same = "operations.port (file Settings.toml): must be another port than server.port";
    assert_eq!(load("127.0.0.1", 3010), Err(same.to_owned()));
    assert_eq!(load("0.0.0.0", 3010), Err(same.to_owned()));
    assert_eq!(load("127.0.0.2", 3010), Ok(()));
    assert_eq!(load("127.0.0.1", 3009), Ok(()));
}

#[test]
fn cors_startup_and_log_are_used() {
    let text = "[cors]\nallowed_origins = ['*']\nmax_age = 0\n\
                [auth]\nstartup = 'wait'\nstartup_timeout = '3s'\n[log]\nformat = ' json '";
    let settings = configured(text).unwrap();
    let cors = Cors {
        allowed_origins: vec!["*".to_owned()],
        max_age: Duration::ZERO,
        ..configured("").unwrap().cors
    };
    assert_eq!(settings.cors, cors);
    let startup = Startup {
        mode: StartupMode::Wait,
        limit: Duration::from_secs(3),
    };
    assert_eq!(settings.startup, startup);
    assert_eq!(settings.log.format, super::super::LogFormat::Json);
    let required = configured("[auth]\nstartup = 'require'").unwrap();
    assert_eq!(required.startup.mode, StartupMode::Require);
}

#[test]
fn credentials_need_origins_that_are_listed() {
    let cors = |text: &str| configured(&format!("[cors]\n{text}")).map(|settings| settings.cors);
    let any = "allowed_origins = '*'\nallow_credentials = true";
    let message = "cors.allow_credentials (file Settings.toml): excludes * in cors.allowed_origins \
                   (file Settings.toml): list the origins";
    assert_eq!(cors(any).map(drop), Err(message.to_owned()));
    let opted_in = format!("{any}\nallow_credentials_for_wildcards = true");
    assert_eq!(cors(&opted_in).map(drop), Err(message.to_owned()));
    let label = "allowed_origins = 'https://*.app.example'\nallow_credentials = true";
    let message = "cors.allow_credentials (file Settings.toml): needs cors.allow_credentials_for_wildcards = true \
                   for the wildcard in cors.allowed_origins (file Settings.toml): list the origins, or set it";
    assert_eq!(cors(label).map(drop), Err(message.to_owned()));
    let opted_in = format!("{label}\nallow_credentials_for_wildcards = true");
    assert!(cors(&opted_in).unwrap().allow_credentials);
    let message = "cors.allow_credentials_for_wildcards (file Settings.toml): only applies when \
                   cors.allow_credentials = true";
    let alone = cors("allow_credentials_for_wildcards = true");
    assert_eq!(alone.map(drop), Err(message.to_owned()));
    let listed = cors("allowed_origins = 'https://a.example'\nallow_credentials = true");
    assert!(listed.unwrap().allow_credentials);
    let any_header = cors("allowed_headers = '*'").unwrap();
    assert_eq!(any_header.allowed_headers, None);
}

#[test]
fn a_build_without_the_development_issuer_logs_that_its_section_is_ignored() {
    let notes = |text| configured(text).map(|settings| settings.notes);
    let ignored = ["[dev_issuer] is ignored: this build has no development issuer".to_owned()];
    let expected = if cfg!(feature = "dev-issuer") {
        &[]
    } else {
        &ignored[..]
    };
    assert_eq!(notes("[dev_issuer]\nport = 1").as_deref(), Ok(expected));
    assert_eq!(notes("").as_deref(), Ok(&[][..]));
    let wrong = "dev_issuer.dpop_nonce (file Settings.toml): must be true or false";
    let wrong_value = parsed("[dev_issuer]\ndpop_nonce = 1", &[]);
    assert_eq!(wrong_value.map(drop), Err(wrong.to_owned()));
}
