//! Tells the origins of a developer's own machine from all others.

use actix_web::http::header::HeaderValue;
use url::{Host, Url};

/// Whether an `Origin` is on loopback: `localhost` and names below it, `127.0.0.0/8`, `[::1]`.
pub(crate) fn is_loopback(origin: &HeaderValue) -> bool {
    let url = origin.to_str().ok().and_then(|text| Url::parse(text).ok());
    let web = url.filter(|url| matches!(url.scheme(), "http" | "https"));
    match web.as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_origins_of_this_machine_are_on_loopback() {
        let cases = [
            ("http://localhost:5173", true),
            ("https://localhost", true),
            ("http://app.localhost:3000", true),
            ("http://127.0.0.1:8080", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:3000", true),
            ("http://localhost.example.com", false),
            ("http://notlocalhost", false),
            ("https://example.com", false),
            ("http://10.0.0.1", false),
            ("http://[2001:db8::1]", false),
            ("file://localhost", false),
            ("null", false),
            ("", false),
        ];
        for (origin, expected) in cases {
            let header = HeaderValue::from_static(origin);
            assert_eq!(is_loopback(&header), expected, "{origin}");
        }
    }
}
