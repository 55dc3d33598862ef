//! Remembers a browser by cookies that no script reads and no other site's form sends.

use actix_web::http::header::{COOKIE, HeaderValue, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse};

/// The value of the cookie `name`, if the browser sent one.
pub(super) fn find<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let headers = request.headers().get_all(COOKIE);
    let pairs = headers
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'));
    let mut values = pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .filter_map(|(known, value)| (known == name).then_some(value));
    values.next().filter(|value| !value.is_empty())
}

/// A `Set-Cookie` that lasts until the browser ends (RFC 6265 §4.1); `Lax`, so that it comes with
/// links from elsewhere, but not with forms.
pub(super) fn keep(name: &str, value: &str) -> String {
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax")
}

/// A `Set-Cookie` that makes the browser forget.
pub(super) fn forget(name: &str) -> String {
    format!("{name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
}

/// Adds a `Set-Cookie` to a response; its names and values are our own, and fit into a header.
pub(super) fn set(mut response: HttpResponse, cookie: &str) -> HttpResponse {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let cases = [
            (&["a=1"][..], Some("1")),
            (&["b=2; a=1;c=3"], Some("1")),
            (&["b=2", "a=x=y"], Some("x=y")),
            (&["a=1; a=2"], Some("1")),
            (&["aa=1; A=2; a"], None),
            (&["a="], None),
            (&[], None),
        ];
        for (headers, expected) in cases {
            let mut request = TestRequest::default();
            for header in headers {
                request = request.append_header((COOKIE, *header));
            }
            assert_eq!(
                find(&request.to_http_request(), "a"),
                expected,
                "{headers:?}"
            );
        }
    }

    #[test]
    fn no_script_reads_a_cookie_and_no_foreign_form_sends_it() {
        assert_eq!(keep("a", "1"), "a=1; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(forget("a"), "a=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    }
}
