//! The page at `/`: what this is and how to get a token from it.

use std::fmt::Write;

use actix_web::http::header::{CONTENT_SECURITY_POLICY, ContentType};
use actix_web::{HttpResponse, web};

use super::clients::CLIENTS;
use super::{Provider, token};

pub(super) async fn show(provider: web::Data<Provider>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(page(&provider))
}

fn page(provider: &Provider) -> String {
    let mut rows = String::new();
    for client in &CLIENTS {
        let (id, scopes) = (client.id, client.scopes.join(" "));
        // Writing to a `String` does not fail.
        let _ = writeln!(rows, "<tr><td>{id}</td><td>{scopes}</td></tr>");
    }
    let url = escape(&provider.url);
    let audience = escape(&provider.audience);
    let endpoint = escape(&provider.at(token::PATH));
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Development issuer</title></head>
<body>
<h1>Development issuer</h1>
<p><strong>For development only.</strong> Whoever reaches this port is given tokens. It listens on
loopback, and its key is made anew at every start.</p>
<p>Issuer: <code>{url}</code><br>Audience: <code>{audience}</code></p>
<table>
<tr><th>client_id</th><th>scopes</th></tr>
{rows}</table>
<p>Any <code>client_secret</code> that is not empty will do:</p>
<pre>curl {endpoint} \
  -d grant_type=client_credentials -d client_id=demo-read -d client_secret=any</pre>
</body>
</html>
"#
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The page loads nothing, runs nothing and is framed by nobody.
const POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use crate::jose::Algorithm;
    use crate::test_kit::shared;

    use super::*;

    #[test]
    fn the_page_names_every_client_and_escapes_the_audience() {
        let provider = Provider {
            url: "http://localhost:3011/".to_owned(),
            audience: "<b>&\"".to_owned(),
            keys: shared(Algorithm::Es256).into(),
        };
        let page = page(&provider);
        for client in CLIENTS {
            assert!(page.contains(&format!("<td>{}</td>", client.id)));
        }
        assert!(page.contains("<code>&lt;b&gt;&amp;&quot;</code>"));
        assert!(page.contains("curl http://localhost:3011/oauth/token "));
    }
}
