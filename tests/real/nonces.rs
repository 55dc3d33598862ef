//! DPoP nonces of one replica sent to another.

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::TestIssuer;

use crate::proxy::Kind;
use crate::sender::{Sender, error};
use crate::site::{Site, replicas};
use crate::wire::Answer;

#[test]
#[ignore = "needs what tests/real/run installs"]
fn replicas_that_share_a_secret_accept_each_others_nonces() {
    for kind in Kind::ALL {
        let secret = ("APP__AUTH__DPOP__NONCE_SECRET", SECRET);
        let site = Site::start(kind, &[("APP__AUTH__DPOP__NONCE", "true"), secret]);
        let sender = Sender::of(&site.issuer);
        let first = sender.curl(&site, &sender.proof().build()).answer();
        let nonce = nonce_of(&first);
        let second = sender
            .curl(&site, &sender.proof().nonce(&nonce).build())
            .answer();
        assert_eq!(second.status, 200, "{kind:?}: {second:?}");
        let mut counts = site.counts("invalid_dpop_proof");
        counts.sort_unstable();
        assert_eq!(counts, [(0, 1), (1, 0)], "{kind:?}");
        assert!(second.header("dpop-nonce").is_some());
    }
}

#[test]
#[ignore = "needs what tests/real/run installs"]
fn without_a_shared_secret_a_replica_sends_its_own_nonce() {
    let issuer = TestIssuer::start_with(Algorithm::Es256);
    let sender = Sender::of(&issuer);
    let [one, other] = replicas(&issuer, &[("APP__AUTH__DPOP__NONCE", "true")]);
    let nonce = nonce_of(&one.send(&sender.request(&sender.proof().build())));
    let with = |nonce: &str| sender.request(&sender.proof().nonce(nonce).build());
    let own = nonce_of(&other.send(&with(&nonce)));
    assert_ne!(own, nonce);
    assert_eq!(other.send(&with(&own)).status, 200);
    assert_eq!(one.send(&with(&nonce)).status, 200);
}

/// The nonce in the rejection of a proof without one.
fn nonce_of(rejection: &Answer) -> String {
    assert_eq!(rejection.status, 401, "{rejection:?}");
    assert_eq!(error(rejection), Some("use_dpop_nonce"), "{rejection:?}");
    rejection.header("dpop-nonce").unwrap().to_owned()
}

const SECRET: &str = "at least 32 bytes that the replicas share";
