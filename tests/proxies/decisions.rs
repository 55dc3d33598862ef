//! Requests of honest clients: each row of the table, the challenges, and the identity that the API gets.

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{ProofBuilder, SigningKey};

use crate::kind::Kind;
use crate::site::{HOST, Site, get, request};

#[test]
#[ignore = "needs what tests/proxies/run installs"]
fn a_request_is_passed_on_if_its_row_permits_it() {
    for kind in Kind::ALL {
        let site = Site::start(kind);
        let orders = site.token("read:orders").build();
        let admin = site.token("admin write:orders").build();
        let unverified = site.issuer.token().scope("admin").build();
        for (method, target, token, status) in [
            ("GET", "/public/", None, 200),
            ("GET", "/public/a/b.txt?c=d", None, 200),
            (
                "GET",
                "/public/caf%C3%A9/a%20b/user%40host?e=%2F..%2F",
                None,
                200,
            ),
            ("HEAD", "/public/a", None, 200),
            ("POST", "/public/a", None, 405),
            ("GET", "/", None, 404),
            ("GET", "/public", None, 404),
            ("GET", "/livez", None, 404),
            ("GET", "/metrics", None, 404),
            ("GET", "/decision", None, 404),
            ("GET", "/openapi.json", None, 404),
            ("GET", "/.well-known/oauth-protected-resource", None, 404),
            ("GET", "/orders/7", None, 401),
            ("GET", "/orders/7", Some(&orders), 200),
            ("HEAD", "/orders/7", Some(&orders), 200),
            ("GET", "/orders/7", Some(&admin), 403),
            ("DELETE", "/orders/7", Some(&orders), 405),
            ("POST", "/orders", Some(&orders), 403),
            ("POST", "/orders", Some(&admin), 200),
            ("PUT", "/orders", Some(&admin), 200),
            ("GET", "/admin/users/1", Some(&admin), 200),
            ("GET", "/admin/users/1", Some(&unverified), 403),
            ("GET", "/orders/7?access_token=a", Some(&orders), 400),
        ] {
            let sent = request(method, target);
            let sent = match token {
                Some(token) => sent.bearer(token),
                None => sent,
            };
            if status == 200 {
                let received = site.reach(&sent);
                assert_eq!(
                    received.line,
                    format!("{method} {target} HTTP/1.1"),
                    "{kind:?}"
                );
            } else {
                let rejected = site.reject(&sent);
                assert_eq!(
                    rejected.status,
                    site.status(status),
                    "{kind:?} {method} {target}: {rejected:?}"
                );
            }
        }
    }
}

#[test]
#[ignore = "needs what tests/proxies/run installs"]
fn challenges_reach_the_client() {
    let metadata = "resource_metadata=\"https://api.example/.well-known/oauth-protected-resource\"";
    for kind in Kind::ALL {
        let site = Site::start(kind);
        let none = site.reject(&get("/orders/7"));
        assert_eq!(none.status, 401, "{kind:?}");
        let challenge = none.all("www-authenticate").join(", ");
        for part in [
            "Bearer realm=\"api\"",
            "scope=\"read:orders\"",
            metadata,
            "DPoP ",
        ] {
            assert!(challenge.contains(part), "{kind:?}: {challenge}");
        }
        assert_eq!(
            challenge.matches("Bearer ").count(),
            1,
            "{kind:?}: {challenge}"
        );
        let expired = std::time::SystemTime::UNIX_EPOCH;
        let expired = site.token("read:orders").expires_at(expired).build();
        let invalid = site.reject(&get("/orders/7").bearer(&expired));
        assert_eq!(invalid.status, 401, "{kind:?}");
        let challenge = invalid.all("www-authenticate").join(", ");
        assert!(
            challenge.contains("error=\"invalid_token\""),
            "{kind:?}: {challenge}"
        );
        let other = site.token("other").build();
        let insufficient = site.reject(&get("/orders/7").bearer(&other));
        assert_eq!(insufficient.status, 403, "{kind:?}");
        let challenge = insufficient.all("www-authenticate").join(", ");
        let error = "error=\"insufficient_scope\"";
        assert!(
            challenge.contains(error) && challenge.contains(metadata),
            "{kind:?}: {challenge}"
        );
    }
}

#[test]
#[ignore = "needs what tests/proxies/run installs"]
fn a_dpop_proof_is_for_the_request_of_the_client() {
    for kind in Kind::ALL {
        let site = Site::start(kind);
        let key = SigningKey::generate(Algorithm::Es256);
        let token = site.token("read:orders").bound_to_key(&key).build();
        let proof = |method: &str, path: &str| {
            let url = format!("https://{HOST}{path}");
            ProofBuilder::new(&key, method, &url).token(&token).build()
        };
        let sent = |proof: &str| get("/orders/7?a=b").dpop(&token, proof);
        let good = proof("GET", "/orders/7");
        site.reach(&sent(&good));
        let rejections = [
            sent(&good),
            sent(&proof("GET", "/orders/8")),
            sent(&proof("GET", "/decision")),
            sent(&proof("GET", "/decision/orders/7")),
            sent(&proof("PUT", "/orders/7")),
            get("/orders/7").bearer(&token),
        ];
        for rejected in &rejections {
            assert_eq!(site.reject(rejected).status, 401, "{kind:?} {rejected:?}");
        }
    }
}

#[test]
#[ignore = "needs what tests/proxies/run installs"]
fn a_nonce_reaches_the_client() {
    for kind in Kind::ALL {
        let issuer = actix_resource_server::test_kit::TestIssuer::start_with(Algorithm::Es256);
        let launch = crate::app::Launch::trusting(&issuer)
            .file("Settings.toml", kind.settings())
            .variable("APP__AUTH__DPOP__NONCE", "true");
        let site = Site::of(kind, issuer, crate::app::TestApp::ready(launch));
        let key = SigningKey::generate(Algorithm::Es256);
        let token = site.token("read:orders").bound_to_key(&key).build();
        let proof = || ProofBuilder::new(&key, "GET", "https://api.example/orders/7").token(&token);
        let first = site.reject(&get("/orders/7").dpop(&token, &proof().build()));
        assert_eq!(first.status, 401, "{kind:?}");
        let challenge = first.all("www-authenticate").join(", ");
        assert!(
            challenge.contains("error=\"use_dpop_nonce\""),
            "{kind:?}: {challenge}"
        );
        let nonce = first
            .header("dpop-nonce")
            .unwrap_or_else(|| panic!("{kind:?}: {first:?}"));
        site.reach(&get("/orders/7").dpop(&token, &proof().nonce(nonce).build()));
    }
}

#[test]
#[ignore = "needs what tests/proxies/run installs"]
fn the_api_gets_the_identity_of_the_caller() {
    for kind in Kind::ALL {
        let site = Site::start(kind);
        let token = site.token("read:orders a%b");
        let token = token
            .claim("sub", "auth0|ädä")
            .claim("client_id", "my app")
            .build();
        let received = site.reach(&get("/orders/7").bearer(&token));
        assert_eq!(
            received.all("x-auth-subject"),
            ["auth0|%C3%A4d%C3%A4"],
            "{kind:?}"
        );
        assert_eq!(
            received.all("x-auth-scopes"),
            ["read:orders a%25b"],
            "{kind:?}"
        );
        assert_eq!(received.all("x-auth-client"), ["my%20app"], "{kind:?}");
        assert_eq!(
            received.all("x-auth-issuer"),
            [site.issuer.url()],
            "{kind:?}"
        );
    }
}
