use super::*;

fn normal(url: &str) -> String {
    TargetUri::parse(url).map_or_else(|error| format!("{error:?}"), |target| target.0)
}

/// Two URLs, and whether they are one.
const PAIRS: &[(&str, &str, bool)] = &[
    // Scheme and host in any case.
    ("https://api.example/a", "https://api.example/a", true),
    ("HTTPS://api.example/a", "https://api.example/a", true),
    ("hTTp://api.example/a", "http://api.example/a", true),
    ("https://API.Example/a", "https://api.example/a", true),
    ("https://[2001:DB8::A]/a", "https://[2001:db8::a]/a", true),
    (
        "https://[2001:db8:0:0::1]/a",
        "https://[2001:db8::1]/a",
        true,
    ),
    ("http://api.example/a", "https://api.example/a", false),
    ("https://api.example/a", "https://api2.example/a", false),
    ("https://api.example/a", "https://api.example.org/a", false),
    ("https://api.example./a", "https://api.example/a", false),
    ("https://www.api.example/a", "https://api.example/a", false),
    ("https://[::1]/a", "https://[::2]/a", false),
    ("https://127.0.0.1/a", "https://localhost/a", false),
    ("https://127.0.0.1/a", "https://127.1/a", false),
    ("https://127.0.0.1/a", "https://2130706433/a", false),
    ("https://127.0.0.1/a", "https://0x7f.0.0.1/a", false),
    ("https://127.0.0.1/a", "https://[::ffff:127.0.0.1]/a", false),
    // Names in other scripts are themselves only in their ASCII form.
    (
        "https://XN--4CA.example/a",
        "https://xn--4ca.example/a",
        true,
    ),
    ("https://xn--4ca.example/a", "https://a.example/a", false),
    ("https://api-example/a", "https://api.example/a", false),
    ("https://api_example/a", "https://api.example/a", false),
    // The port that the scheme implies.
    ("https://api.example:443/a", "https://api.example/a", true),
    ("http://api.example:80/a", "http://api.example/a", true),
    ("https://api.example:/a", "https://api.example/a", true),
    ("https://api.example:0443/a", "https://api.example/a", true),
    (
        "https://api.example:08443/a",
        "https://api.example:8443/a",
        true,
    ),
    ("https://[::1]:443/a", "https://[::1]/a", true),
    ("https://[::1]:/a", "https://[::1]/a", true),
    ("https://api.example:80/a", "https://api.example/a", false),
    ("http://api.example:443/a", "http://api.example/a", false),
    ("http://api.example:443/a", "https://api.example/a", false),
    ("https://api.example:80/a", "http://api.example/a", false),
    ("https://api.example:8443/a", "https://api.example/a", false),
    (
        "https://api.example:8443/a",
        "https://api.example:8444/a",
        false,
    ),
    ("https://[::1]:8443/a", "https://[::1]/a", false),
    // Query and fragment do not count.
    ("https://api.example/a?b=c", "https://api.example/a", true),
    ("https://api.example/a?", "https://api.example/a?x#y", true),
    ("https://api.example/a#b", "https://api.example/a", true),
    ("https://api.example/a#b?c", "https://api.example/a?d", true),
    ("https://api.example?b", "https://api.example/", true),
    ("https://api.example#b", "https://api.example", true),
    (
        "https://api.example/a?b=/../c",
        "https://api.example/a",
        true,
    ),
    ("https://api.example/a?b", "https://api.example/a/?b", false),
    (
        "https://api.example/a%3Fb",
        "https://api.example/a?b",
        false,
    ),
    (
        "https://api.example/a%23b",
        "https://api.example/a#b",
        false,
    ),
    // Escapes of what needs none, and the case of the others.
    ("https://api.example/%61", "https://api.example/a", true),
    (
        "https://api.example/%41%7a%30%2D%2e%5F%7E",
        "https://api.example/Az0-._~",
        true,
    ),
    (
        "https://api.example/a%2fb",
        "https://api.example/a%2Fb",
        true,
    ),
    (
        "https://api.example/%c3%a4",
        "https://api.example/%C3%A4",
        true,
    ),
    ("https://api.example/a|b", "https://api.example/a%7Cb", true),
    (
        "https://api.example/{a}",
        "https://api.example/%7Ba%7D",
        true,
    ),
    (
        "https://api.example/a\\b",
        "https://api.example/a%5cb",
        true,
    ),
    (
        "https://api.example/a%2Fb",
        "https://api.example/a/b",
        false,
    ),
    (
        "https://api.example/a%3Ab",
        "https://api.example/a:b",
        false,
    ),
    (
        "https://api.example/a%40b",
        "https://api.example/a@b",
        false,
    ),
    (
        "https://api.example/a%2Bb",
        "https://api.example/a+b",
        false,
    ),
    (
        "https://api.example/a+b",
        "https://api.example/a%20b",
        false,
    ),
    (
        "https://api.example/a%3Bb",
        "https://api.example/a;b",
        false,
    ),
    (
        "https://api.example/a%2561",
        "https://api.example/a%61",
        false,
    ),
    (
        "https://api.example/a%2561",
        "https://api.example/aa",
        false,
    ),
    ("https://api.example/a%00", "https://api.example/a", false),
    (
        "https://api.example/a%5Cb",
        "https://api.example/a/b",
        false,
    ),
    ("https://api.example/a%09", "https://api.example/a", false),
    ("https://api.example/a%0A", "https://api.example/a", false),
    ("https://api.example/%C3%A4", "https://api.example/a", false),
    (
        "https://api.example/%C3%A4",
        "https://api.example/a%CC%88",
        false,
    ),
    // Dot segments.
    ("https://api.example/a/./b", "https://api.example/a/b", true),
    (
        "https://api.example/a/x/../b",
        "https://api.example/a/b",
        true,
    ),
    ("https://api.example/../a", "https://api.example/a", true),
    ("https://api.example/a/x/..", "https://api.example/a/", true),
    ("https://api.example/a/.", "https://api.example/a/", true),
    (
        "https://api.example/a/%2e%2E/b",
        "https://api.example/b",
        true,
    ),
    (
        "https://api.example/a//../b",
        "https://api.example/a/b",
        true,
    ),
    ("https://api.example/a/..", "https://api.example", true),
    ("https://api.example/a/x/..", "https://api.example/a", false),
    ("https://api.example/a/...", "https://api.example/a", false),
    ("https://api.example/a/..b", "https://api.example/b", false),
    (
        "https://api.example/a/..%2Fb",
        "https://api.example/b",
        false,
    ),
    ("https://api.example/.a", "https://api.example/a", false),
    (
        "https://api.example/a/..;/b",
        "https://api.example/b",
        false,
    ),
    // Paths.
    ("https://api.example", "https://api.example/", true),
    ("https://api.example/a", "https://api.example/A", false),
    ("https://api.example/a", "https://api.example/a/", false),
    ("https://api.example/a/b", "https://api.example/a//b", false),
    ("https://api.example//a", "https://api.example/a", false),
    ("https://api.example/", "https://api.example//", false),
    ("https://api.example/a", "https://api.example/ab", false),
    ("https://api.example/a", "https://api.example/", false),
    ("https://api.example/a;b", "https://api.example/a", false),
];

#[test]
fn two_urls_are_equal_by_rfc_3986() {
    for &(one, other, are_one) in PAIRS {
        let (left, right) = (TargetUri::parse(one), TargetUri::parse(other));
        assert!(left.is_ok() && right.is_ok(), "{one} {other}");
        assert_eq!(left == right, are_one, "{one} {other}");
    }
}

#[test]
fn normalising_again_changes_nothing() {
    for &(one, other, _) in PAIRS {
        for url in [one, other] {
            let once = normal(url);
            assert_eq!(normal(&once), once, "{url}");
        }
    }
    assert_eq!(
        normal("HTTPS://API.example:443/%7eA/../b%2fc?d#e"),
        "https://api.example/b%2Fc"
    );
}

#[test]
fn a_url_that_cannot_be_called_is_rejected() {
    for (url, expected) in [
        ("", TargetUriError::Scheme),
        ("api.example/a", TargetUriError::Scheme),
        ("/a", TargetUriError::Scheme),
        ("//api.example/a", TargetUriError::Scheme),
        ("https:/api.example/a", TargetUriError::Scheme),
        ("https:api.example/a", TargetUriError::Scheme),
        ("ftp://api.example/a", TargetUriError::Scheme),
        ("wss://api.example/a", TargetUriError::Scheme),
        ("httpss://api.example/a", TargetUriError::Scheme),
        ("https", TargetUriError::Scheme),
        ("?https://api.example/a", TargetUriError::Scheme),
        ("https://", TargetUriError::Authority),
        ("https:///a", TargetUriError::Authority),
        ("https://:443/a", TargetUriError::Authority),
        ("https://user@api.example/a", TargetUriError::Authority),
        (
            "https://user:password@api.example/a",
            TargetUriError::Authority,
        ),
        ("https://@api.example/a", TargetUriError::Authority),
        (
            "https://api.example@evil.example/a",
            TargetUriError::Authority,
        ),
        (
            "https://api.example:443@evil.example/a",
            TargetUriError::Authority,
        ),
        (
            "https://evil.example\\@api.example/a",
            TargetUriError::Authority,
        ),
        ("https://api.example\\a", TargetUriError::Authority),
        ("https://api.example:x/a", TargetUriError::Authority),
        ("https://api.example:+80/a", TargetUriError::Authority),
        ("https://api.example:65536/a", TargetUriError::Authority),
        ("https://api.example:80:80/a", TargetUriError::Authority),
        ("https://::1/a", TargetUriError::Authority),
        ("https://[::1/a", TargetUriError::Authority),
        ("https://[::1]x/a", TargetUriError::Authority),
        ("https://[fe80::1%25eth0]/a", TargetUriError::Authority),
        ("https://[v1.a]/a", TargetUriError::Authority),
        ("https://[127.0.0.1]/a", TargetUriError::Authority),
        ("https://%61pi.example/a", TargetUriError::Authority),
        ("https://api.example%2fa/a", TargetUriError::Authority),
        ("https://bücher.example/a", TargetUriError::Characters),
        ("https://api。example/a", TargetUriError::Characters),
        ("https://ⓐpi.example/a", TargetUriError::Characters),
        ("https://api\u{ad}.example/a", TargetUriError::Characters),
        ("https://api.example/ä", TargetUriError::Characters),
        ("https://api.example/a b", TargetUriError::Characters),
        (" https://api.example/a", TargetUriError::Characters),
        ("https://api.example/a\n", TargetUriError::Characters),
        ("https://api.\texample/a", TargetUriError::Characters),
        ("https://api.example/a\0", TargetUriError::Characters),
        ("https://api.example/a?ä", TargetUriError::Characters),
        ("https://api.example/%", TargetUriError::Escape),
        ("https://api.example/%a", TargetUriError::Escape),
        ("https://api.example/%zz", TargetUriError::Escape),
        ("https://api.example/%+1", TargetUriError::Escape),
        ("https://api.example/%u0061", TargetUriError::Escape),
    ] {
        assert_eq!(TargetUri::parse(url), Err(expected), "{url}");
    }
}
