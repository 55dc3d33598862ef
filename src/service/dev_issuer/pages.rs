//! Pages for people and their browsers: what they are made of, and what they may do.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, ContentType, X_FRAME_OPTIONS};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use super::error::Refusal;

/// A page that may do what its `policy` says and that nobody can frame.
pub(super) fn html(status: StatusCode, policy: &str, body: String) -> HttpResponse {
    HttpResponse::build(status)
        .content_type(ContentType::html())
        .insert_header((X_FRAME_OPTIONS, "DENY"))
        .insert_header((
            CONTENT_SECURITY_POLICY,
            format!("default-src 'none'; base-uri 'none'; frame-ancestors 'none'; {policy}"),
        ))
        .body(body)
}

/// A heading and a sentence.
pub(super) fn notice(status: StatusCode, heading: &str, sentence: &str) -> HttpResponse {
    let body = format!(
        include_str!("assets/notice.html"),
        heading = escape(heading),
        sentence = escape(sentence),
    );
    html(status, STYLED, body)
}

/// Posts `response` from this window to the one that opened or framed it, if that is of the origin
/// `target`; therefore the one page that may be framed.
pub(super) fn message(target: &str, response: &impl Serialize) -> HttpResponse {
    let response = serde_json::to_string(response).unwrap_or_default();
    let body = format!(
        include_str!("assets/message.html"),
        target = escape(target),
        response = escape(&response),
    );
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; script-src 'self'",
        ))
        .body(body)
}

/// Makes any text safe between tags and between double quotes.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// A refusal to somebody who looks at it, rather than to a program.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct Shown(#[from] Refusal);

impl ResponseError for Shown {
    fn status_code(&self) -> StatusCode {
        self.0.status_code()
    }

    fn error_response(&self) -> HttpResponse {
        notice(
            self.status_code(),
            "This request cannot be answered",
            &format!("{}: {}.", self.0.code(), self.0),
        )
    }
}

/// A page that only looks like something.
const STYLED: &str = "style-src 'self'; img-src data:";

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;

    use super::*;

    fn body(response: HttpResponse) -> String {
        let bytes = response.into_body().try_into_bytes().ok().unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn what_goes_into_a_page_is_escaped() {
        let page = body(notice(StatusCode::OK, "<b>", "\"&"));
        assert!(page.contains("<h1>&lt;b&gt;</h1>"), "{page}");
        assert!(page.contains("<p>&quot;&amp;</p>"), "{page}");
        let page = body(message("\"", &"</script>"));
        assert!(page.contains("data-target=\"&quot;\""), "{page}");
        assert!(
            page.contains("data-response=\"&quot;&lt;/script&gt;&quot;\""),
            "{page}"
        );
    }

    #[test]
    fn every_page_but_the_message_refuses_frames() {
        let cases = [
            (notice(StatusCode::OK, "", ""), true),
            (Shown(Refusal::RedirectUri).error_response(), true),
            (message("", &""), false),
        ];
        for (response, refused) in cases {
            let header = |name| {
                response
                    .headers()
                    .get(name)
                    .map(|value| value.to_str().unwrap())
            };
            let policy = header(CONTENT_SECURITY_POLICY).unwrap();
            assert!(
                policy.starts_with("default-src 'none'; base-uri 'none'"),
                "{policy}"
            );
            assert_eq!(
                policy.contains("frame-ancestors 'none'"),
                refused,
                "{policy}"
            );
            assert_eq!(header(X_FRAME_OPTIONS), refused.then_some("DENY"));
        }
    }
}
