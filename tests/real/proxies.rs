//! Certificates and target URLs in headers are only accepted from a trusted proxy.

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::TestIssuer;

use crate::certificates::{Authority, Signed};
use crate::curl::Curl;
use crate::proxy::Kind;
use crate::sender::{PATH, Sender, bound_to, error};
use crate::site::{Site, replica};
use crate::wire::Request;

/// Two clients with certificates of an authority that the proxy does not trust.
fn clients() -> [Signed; 2] {
    let authority = Authority::new();
    ["client-1", "client-2"].map(|name| authority.sign(name))
}

#[test]
#[ignore = "needs what tests/real/run installs"]
fn a_certificate_is_only_accepted_from_the_proxy() {
    for kind in Kind::ALL {
        let site = Site::start(kind, &[]);
        let [client, other] = clients();
        let token = bound_to(&client, &site.issuer);
        let curl = || site.curl().bearer(&token);
        // At either replica.
        for _ in 0..2 {
            let answer = curl().certificate(&client).answer();
            assert_eq!(answer.status, 200, "{kind:?}: {answer:?}");
        }
        let (name, value) = kind.forgery(&client.pem);
        let forged = || curl().header(name, &value);
        let rejections = [
            curl(),
            curl().certificate(&other),
            forged(),
            forged().certificate(&other),
            forged().header(name, &value),
            curl().header(&name.replace('-', "_"), &value),
        ];
        for (number, rejected) in rejections.map(Curl::answer).iter().enumerate() {
            assert_eq!(rejected.status, 401, "{kind:?} {number}");
            assert_eq!(error(rejected), Some("invalid_token"), "{kind:?} {number}");
        }
    }
}

#[test]
#[ignore = "needs what tests/real/run installs"]
fn a_header_of_another_peer_is_ignored() {
    for kind in Kind::ALL {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let [client, _] = clients();
        let (name, value) = kind.forgery(&client.pem);
        let token = bound_to(&client, &issuer);
        let request = Request::get(PATH).bearer(&token).header(name, &value);
        let answer = |proxy: &str| {
            let settings = kind.settings().with("127.0.0.1", proxy);
            replica(&issuer, settings.text(), &[]).send(&request)
        };
        assert_eq!(answer("127.0.0.1").status, 200, "{kind:?}");
        let rejected = answer("127.0.0.2");
        assert_eq!(rejected.status, 401, "{kind:?}");
        assert_eq!(error(&rejected), Some("invalid_token"), "{kind:?}");
    }
}

#[test]
#[ignore = "needs what tests/real/run installs"]
fn the_url_is_only_accepted_from_the_proxy() {
    let elsewhere = "https://other.example/api/private";
    for kind in Kind::ALL {
        let site = Site::start(kind, &[]);
        let sender = Sender::of(&site.issuer);
        let good = sender.curl(&site, &sender.proof().build()).answer();
        assert_eq!(good.status, 200, "{kind:?}: {good:?}");
        let forgeries = [
            ("X-Forwarded-Host", "other.example"),
            ("Forwarded", "host=other.example;proto=https"),
        ];
        for (name, value) in forgeries {
            let proof = sender.proof_for(elsewhere).build();
            let rejected = sender.curl(&site, &proof).header(name, value).answer();
            assert_eq!(
                error(&rejected),
                Some("invalid_dpop_proof"),
                "{kind:?} {name}"
            );
            // The rightful sender is still accepted.
            let proof = sender.proof().build();
            let curl = sender.curl(&site, &proof).header(name, value);
            assert_eq!(curl.answer().status, 200, "{kind:?} {name}");
        }
        let plain = sender.proof_for("http://api.example/api/private").build();
        let curl = sender
            .curl(&site, &plain)
            .header("X-Forwarded-Proto", "http");
        assert_eq!(
            error(&curl.answer()),
            Some("invalid_dpop_proof"),
            "{kind:?}"
        );
        let curl = sender.curl(&site, &sender.proof_for(elsewhere).build());
        let another_host = curl.header("Host", "other.example").answer().status;
        assert!(
            [404, 421].contains(&another_host),
            "{kind:?}: {another_host}"
        );
    }
}

#[test]
#[ignore = "needs what tests/real/run installs"]
fn a_token_bound_to_both_needs_both() {
    let site = Site::start(Kind::Nginx, &[]);
    let [client, other] = clients();
    let sender = Sender::bound_to_both(&site.issuer, &client);
    let curl = || sender.curl(&site, &sender.proof().build());
    assert_eq!(curl().certificate(&client).answer().status, 200);
    assert_eq!(curl().certificate(&other).answer().status, 401);
    assert_eq!(curl().answer().status, 401);
    let bearer = site.curl().bearer(&sender.token).certificate(&client);
    assert_eq!(bearer.answer().status, 401);
}
