use actix_web::http::header::{HeaderName, HeaderValue};

use super::*;

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        headers.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    headers
}

fn uri(text: &str) -> Uri {
    text.parse().expect("a URI")
}

fn request<'r>(
    headers: &'r HeaderMap,
    uri: &'r Uri,
    peer: Option<IpAddr>,
    is_secure: bool,
) -> RequestUri<'r> {
    RequestUri {
        headers,
        uri,
        peer,
        is_secure,
    }
}

fn proxy() -> Option<IpAddr> {
    "10.1.2.3".parse().ok()
}

fn behind_proxy() -> TargetUriSource {
    TargetUriSource::behind(["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("a network")))
}

/// What [`behind_proxy`] takes a request of `/a` to `Host: inner.example` for, over plain HTTP from the proxy.
fn forwarded(lines: &[(&str, &str)]) -> Result<String, TargetUriError> {
    let lines = [&[("host", "inner.example")], lines].concat();
    let called =
        behind_proxy().of_request(request(&headers(&lines), &uri("/a"), proxy(), false))?;
    Ok(called.as_str().to_owned())
}

fn direct(host: &[&str], target: &str, secure: bool) -> Result<String, TargetUriError> {
    let lines: Vec<_> = host.iter().map(|host| ("host", *host)).collect();
    let called = TargetUriSource::default().of_request(request(
        &headers(&lines),
        &uri(target),
        None,
        secure,
    ))?;
    Ok(called.as_str().to_owned())
}

#[test]
fn a_server_that_is_reached_directly_uses_the_host_and_its_own_scheme() {
    for (host, target, secure, expected) in [
        (&["api.example"][..], "/a?b", false, "http://api.example/a"),
        (
            &["API.example:443"],
            "/%61/b%2fc",
            true,
            "https://api.example/a/b%2Fc",
        ),
        (&["api.example:443"], "/", false, "http://api.example:443/"),
        (&["[::1]:3010"], "/a", false, "http://[::1]:3010/a"),
        // HTTP/2 has the host in the URI, and so has a request in absolute form.
        (&[], "https://api.example/a", true, "https://api.example/a"),
        (
            &["api.example:80"],
            "http://API.example/a",
            false,
            "http://api.example/a",
        ),
        // The scheme is the connection's, whatever the headers.
        (&[], "https://api.example/a", false, "http://api.example/a"),
    ] {
        assert_eq!(
            direct(host, target, secure).as_deref(),
            Ok(expected),
            "{host:?} {target}"
        );
    }
}

#[test]
fn a_request_without_one_valid_host_and_path_has_no_url() {
    for (host, target, expected) in [
        (&[][..], "/a", TargetUriError::Authority),
        (&[""], "/a", TargetUriError::Authority),
        (&["a b"], "/a", TargetUriError::Authority),
        (&["user@api.example"], "/a", TargetUriError::Authority),
        (
            &["api.example", "api.example"],
            "/a",
            TargetUriError::Authority,
        ),
        (
            &["other.example"],
            "http://api.example/a",
            TargetUriError::Authority,
        ),
        (
            &["api.example"],
            "http://user@api.example/a",
            TargetUriError::Authority,
        ),
        (&["api.example"], "/a/../b", TargetUriError::DotSegments),
        (&["api.example"], "/a/%2E%2e/b", TargetUriError::DotSegments),
        (&["api.example"], "/a/.", TargetUriError::DotSegments),
        (&["api.example"], "/a%2", TargetUriError::Escape),
        (&["api.example"], "*", TargetUriError::NoPath),
    ] {
        assert_eq!(
            direct(host, target, false),
            Err(expected),
            "{host:?} {target}"
        );
    }
}

#[test]
fn a_public_url_precedes_every_path() {
    let headers_of_proxy = headers(&[
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
    ]);
    for (url, target, expected) in [
        ("https://api.example", "/a", "https://api.example/a"),
        ("https://api.example/", "/a", "https://api.example/a"),
        (
            "https://API.example:443/v1",
            "/a?b",
            "https://api.example/v1/a",
        ),
        ("https://api.example/v1/", "/", "https://api.example/v1/"),
        (
            "http://api.example:8080/x/../v1",
            "http://evil.example/a",
            "http://api.example:8080/v1/a",
        ),
    ] {
        let origin = TargetUriSource::public_url(url).expect("a public URL");
        let called = origin.of_request(request(&headers_of_proxy, &uri(target), proxy(), false));
        assert_eq!(
            called.as_ref().map(TargetUri::as_str),
            Ok(expected),
            "{url}"
        );
    }
    let origin = TargetUriSource::public_url("https://api.example/v1").expect("a public URL");
    assert_eq!(
        origin.of_request(request(&headers_of_proxy, &uri("/../a"), None, true)),
        Err(TargetUriError::DotSegments)
    );
    for (url, expected) in [
        ("https://api.example/?a", TargetUriError::NotPlain),
        ("https://api.example/#a", TargetUriError::NotPlain),
        ("https://user@api.example/", TargetUriError::Authority),
        ("api.example", TargetUriError::Scheme),
    ] {
        assert_eq!(
            TargetUriSource::public_url(url).err(),
            Some(expected),
            "{url}"
        );
    }
}

#[test]
fn only_headers_of_a_trusted_proxy_are_used() {
    let headers_of_proxy = headers(&[
        ("host", "inner.example"),
        ("forwarded", "proto=https;host=api.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "api.example"),
    ]);
    let seen = |origin: &TargetUriSource, peer: Option<&str>| {
        let peer = peer.map(|peer| peer.parse().expect("an address"));
        let called = origin.of_request(request(&headers_of_proxy, &uri("/a"), peer, false));
        called.expect("a URL").as_str() == "https://api.example/a"
    };
    for (peer, is_used) in [
        (Some("10.255.0.1"), true),
        (Some("::ffff:10.0.0.1"), true),
        (Some("fd12::1"), true),
        (Some("11.0.0.1"), false),
        (Some("127.0.0.1"), false),
        (Some("::ffff:11.0.0.1"), false),
        (Some("2001:db8::1"), false),
        (None, false),
    ] {
        assert_eq!(seen(&behind_proxy(), peer), is_used, "{peer:?}");
        assert!(!seen(&TargetUriSource::default(), peer), "{peer:?}");
    }
    // Malformed headers of other peers are ignored, too.
    let broken = headers(&[("host", "inner.example"), ("forwarded", "\"")]);
    let called = behind_proxy().of_request(request(&broken, &uri("/a"), None, false));
    assert_eq!(
        called.as_ref().map(TargetUri::as_str),
        Ok("http://inner.example/a")
    );
}

#[test]
fn the_elements_of_the_last_proxy_count() {
    for (lines, expected) in [
        (&[][..], "http://inner.example/a"),
        (&[("x-forwarded-proto", "https")], "https://inner.example/a"),
        (&[("x-forwarded-proto", "HTTPS")], "https://inner.example/a"),
        (
            &[("x-forwarded-host", "API.example:80")],
            "http://api.example/a",
        ),
        (
            &[("x-forwarded-proto", "http, https")],
            "https://inner.example/a",
        ),
        (
            &[("x-forwarded-host", "evil.example ,api.example")],
            "http://api.example/a",
        ),
        (
            &[
                ("x-forwarded-host", "evil.example"),
                ("x-forwarded-host", "api.example"),
            ],
            "http://api.example/a",
        ),
        (
            &[
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "[::1]:443"),
            ],
            "https://[::1]/a",
        ),
        (&[("forwarded", "proto=https")], "https://inner.example/a"),
        (&[("forwarded", "for=1.2.3.4")], "http://inner.example/a"),
        (
            &[(
                "forwarded",
                "For=\"[::1]:1\"; HOST=\"api.example:8443\" ;Proto=HTTPS",
            )],
            "https://api.example:8443/a",
        ),
        (
            &[("forwarded", r#"host="api\.example""#)],
            "http://api.example/a",
        ),
        (
            &[(
                "forwarded",
                "host=evil.example;proto=https, for=_x;host=api.example",
            )],
            "http://api.example/a",
        ),
        (
            &[("forwarded", "for=\"a,b;c\",host=api.example")],
            "http://api.example/a",
        ),
        (
            &[
                ("forwarded", "host=evil.example"),
                ("forwarded", "host=api.example"),
            ],
            "http://api.example/a",
        ),
        // Both kinds of header are fine if they agree.
        (
            &[
                ("forwarded", "host=api.example;proto=https"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "api.example:443"),
            ],
            "https://api.example/a",
        ),
    ] {
        assert_eq!(forwarded(lines).as_deref(), Ok(expected), "{lines:?}");
    }
}

#[test]
fn headers_that_a_client_sends_past_the_proxy_contradict_it() {
    for lines in [
        &[
            ("forwarded", "host=evil.example"),
            ("x-forwarded-proto", "https"),
        ][..],
        &[
            ("forwarded", "proto=https"),
            ("x-forwarded-host", "evil.example"),
        ],
        &[("forwarded", "proto=https"), ("x-forwarded-proto", "http")],
    ] {
        assert_eq!(
            forwarded(lines),
            Err(TargetUriError::Contradiction),
            "{lines:?}"
        );
    }
}

#[test]
fn malformed_headers_of_the_proxy_are_rejected() {
    for value in [
        "",
        "host",
        "host=",
        "=api.example",
        "host=api.example,",
        ",host=api.example",
        "host=api.example;",
        "host=a;host=b",
        "host=a;HOST=b",
        "proto=http;proto=https",
        "host=\"api.example",
        "host=\"evil.example, host=api.example",
        "host=\"a\"b",
        "host=evil.example;x=\", proto=https;host=\"api:1\"",
        "host=api.example:8443",
        "host =a",
        "host= a",
        "proto=ftp",
        "proto=\"\"",
        "host=a b",
        "for=[::1]",
    ] {
        assert_eq!(
            forwarded(&[("forwarded", value)]),
            Err(TargetUriError::Forwarded),
            "{value}"
        );
    }
    for value in ["", "wss", "https,", "https http", "https;"] {
        let lines = [("x-forwarded-proto", value)];
        assert_eq!(forwarded(&lines), Err(TargetUriError::Forwarded), "{value}");
    }
    for value in ["", "a b", "a/b", "user@a", "a:b", "api.example,", "[::1"] {
        let lines = [("x-forwarded-host", value)];
        assert_eq!(forwarded(&lines), Err(TargetUriError::Authority), "{value}");
    }
    let quoted = [("forwarded", "host=\"user@a\"")];
    assert_eq!(forwarded(&quoted), Err(TargetUriError::Authority));
}

#[test]
fn a_proxy_forwards_the_port_that_was_called() {
    for (lines, expected) in [
        (
            &[("x-forwarded-port", "8080")][..],
            "http://inner.example:8080/a",
        ),
        (&[("x-forwarded-port", "80")], "http://inner.example/a"),
        (
            &[("x-forwarded-port", "1, 8080")],
            "http://inner.example:8080/a",
        ),
        (
            &[("x-forwarded-proto", "https"), ("x-forwarded-port", "443")],
            "https://inner.example/a",
        ),
        (
            &[
                ("x-forwarded-host", "api.example"),
                ("x-forwarded-port", "8443"),
            ],
            "http://api.example:8443/a",
        ),
        (
            &[("x-forwarded-host", "[::1]:81"), ("x-forwarded-port", "81")],
            "http://[::1]:81/a",
        ),
        (
            &[("x-forwarded-host", "[::1]"), ("x-forwarded-port", "81")],
            "http://[::1]:81/a",
        ),
    ] {
        assert_eq!(forwarded(lines).as_deref(), Ok(expected), "{lines:?}");
    }
    let other = [
        ("x-forwarded-host", "api.example:8443"),
        ("x-forwarded-port", "443"),
    ];
    assert_eq!(forwarded(&other), Err(TargetUriError::Contradiction));
    let other = [
        ("forwarded", "host=api.example"),
        ("x-forwarded-host", "api.example"),
        ("x-forwarded-port", "8443"),
    ];
    assert_eq!(forwarded(&other), Err(TargetUriError::Contradiction));
    for port in [
        "", "0", "080", "+80", "-1", "65536", "http", "80;", "80 81", "80,",
    ] {
        let lines = [("x-forwarded-port", port)];
        assert_eq!(forwarded(&lines), Err(TargetUriError::Forwarded), "{port}");
    }
}

#[test]
fn a_proxy_forwards_the_prefix_that_it_removed_from_the_path() {
    for (prefix, expected) in [
        ("/v1", "http://inner.example/v1/a"),
        ("/v1/", "http://inner.example/v1/a"),
        ("/", "http://inner.example/a"),
        ("/a%2fb/%7ec", "http://inner.example/a%2Fb/~c/a"),
        ("/evil, /v1", "http://inner.example/v1/a"),
    ] {
        let lines = [("x-forwarded-prefix", prefix)];
        assert_eq!(forwarded(&lines).as_deref(), Ok(expected), "{prefix}");
    }
    let both = [
        ("forwarded", "proto=https;host=api.example"),
        ("x-forwarded-prefix", "/v1"),
    ];
    assert_eq!(forwarded(&both).as_deref(), Ok("https://api.example/v1/a"));
    for prefix in [
        "",
        "v1",
        "//evil.example",
        "/v1//b",
        "/..",
        "/a/../b",
        "/./a",
        "/%2e%2e",
        "/a?b",
        "/a#b",
        "/%zz",
        "/%",
        "/a b",
        "/a\\b",
        "https://evil.example/",
        "/v1,",
        "/a//",
    ] {
        let lines = [("x-forwarded-prefix", prefix)];
        assert_eq!(
            forwarded(&lines),
            Err(TargetUriError::Forwarded),
            "{prefix}"
        );
    }
}

/// What the server calls itself to a client of this request.
fn public_url(
    source: &TargetUriSource,
    lines: &[(&str, &str)],
    peer: Option<IpAddr>,
    is_secure: bool,
) -> Option<String> {
    let url = source.public_url_for(request(&headers(lines), &uri("/a"), peer, is_secure));
    url.map(|url| {
        assert!(!url.is_fixed);
        url.origin + &url.path
    })
}

#[test]
fn a_configured_url_is_the_public_one_whatever_a_request_says() {
    let source = TargetUriSource::public_url("https://api.example/v1/").expect("a public URL");
    let lines = headers(&[
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
    ]);
    assert_eq!(
        source.public_url_for(request(&lines, &uri("/a"), proxy(), false)),
        Some(PublicUrl {
            origin: "https://api.example".to_owned(),
            path: "/v1".to_owned(),
            is_fixed: true,
        })
    );
}

#[test]
fn no_host_of_a_request_is_repeated_unless_it_is_known() {
    let host = |host: &'static str| [("host", host)];
    for source in [TargetUriSource::default(), behind_proxy()] {
        for name in ["localhost:3010", "127.0.0.1", "api.example"] {
            assert_eq!(
                public_url(&source, &host(name), None, false),
                None,
                "{name}"
            );
        }
    }
    let local = TargetUriSource::default().on_loopback();
    for (name, expected) in [
        ("localhost:3010", Some("http://localhost:3010")),
        ("LOCALHOST:80", Some("http://localhost")),
        ("127.0.0.1:3010", Some("http://127.0.0.1:3010")),
        ("[::1]:3010", Some("http://[::1]:3010")),
        ("[::1]", Some("http://[::1]")),
        ("127.0.0.2:3010", None),
        ("localhost.evil.example", None),
        ("evil.example:3010", None),
        ("localhost.:3010", None),
        ("localhost@evil.example", None),
        ("localhost:3010:80", None),
        ("localhost/x", None),
        ("", None),
    ] {
        let found = public_url(&local, &host(name), None, false);
        assert_eq!(found.as_deref(), expected, "{name}");
    }
    let twice = [("host", "localhost"), ("host", "localhost")];
    assert_eq!(public_url(&local, &twice, None, false), None);
    assert_eq!(public_url(&local, &[], None, false), None);
}

#[test]
fn a_proxy_may_name_listed_hosts_alone() {
    let listed = ["api.example", "other.example:8443", "api.example/v1/"];
    let source = behind_proxy().allowed_hosts(listed).expect("hosts");
    let source = source.on_loopback();
    let via = |host: &'static str, prefix: &'static str| {
        let lines = [
            ("host", "127.0.0.1:3010"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", host),
            ("x-forwarded-prefix", prefix),
        ];
        public_url(&source, &lines, proxy(), false)
    };
    for (host, prefix, expected) in [
        ("api.example", "/", Some("https://api.example")),
        ("API.example:443", "/v1", Some("https://api.example/v1")),
        (
            "other.example:8443",
            "/",
            Some("https://other.example:8443"),
        ),
        ("other.example", "/", None),
        ("api.example", "/v2", None),
        ("api.example", "/v1/x", None),
        ("evil.example", "/", None),
        // A client may have sent it, through a proxy that passes it on.
        ("localhost:3010", "/", None),
        ("127.0.0.1:3010", "/", None),
    ] {
        assert_eq!(via(host, prefix).as_deref(), expected, "{host} {prefix}");
    }
    // A request that reaches the server directly may name a listed host, too.
    let direct = |host| public_url(&source, &[("host", host)], None, true);
    assert_eq!(
        direct("api.example").as_deref(),
        Some("https://api.example")
    );
    assert_eq!(direct("evil.example"), None);
    // The headers of others are ignored.
    let lines = [
        ("host", "evil.example"),
        ("x-forwarded-host", "api.example"),
    ];
    assert_eq!(public_url(&source, &lines, None, true), None);
    for malformed in ["", "a b", "api.example:x", "a@b", "api.example/../x", "/v1"] {
        let listed = TargetUriSource::default().allowed_hosts([malformed]);
        assert!(listed.is_err(), "{malformed}");
    }
}
