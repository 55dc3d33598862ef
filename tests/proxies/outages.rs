//! Where there is no decision, nothing passes.

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::{Document, Fault, TestIssuer};

use crate::app::{Launch, TestApp};
use crate::kind::{Kind, Proxy, Upstreams};
use crate::site::{Site, get};

#[test]
#[ignore = "needs what tests/proxies/run installs"]
fn nothing_passes_while_the_service_is_unreachable() {
    for kind in Kind::ALL {
        let site = Site::start(kind);
        let token = site.token("read:orders").build();
        site.reach(&get("/orders/7").bearer(&token));
        site.service.signal("KILL");
        let begun = std::time::Instant::now();
        while std::net::TcpStream::connect(site.service.address).is_ok() {
            assert!(begun.elapsed() < crate::transcript::LIMIT);
            std::thread::yield_now();
        }
        for sent in [
            get("/orders/7"),
            get("/orders/7").bearer(&token),
            get("/public/a"),
        ] {
            let rejected = site.reject(&sent);
            let expected: &[u16] = match kind {
                Kind::Caddy => &[502],
                Kind::Envoy | Kind::Haproxy | Kind::Nginx => &[503],
            };
            assert!(
                expected.contains(&rejected.status),
                "{kind:?}: {rejected:?}"
            );
        }
    }
}

#[test]
#[ignore = "needs what tests/proxies/run installs"]
fn nothing_passes_while_the_script_of_haproxy_fails() {
    let mut site = Site::start(Kind::Haproxy);
    let upstreams = Upstreams {
        service: site.service.address,
        api: site.api.address,
        script_fails: true,
    };
    site.proxy = Proxy::start(Kind::Haproxy, upstreams);
    let token = site.token("read:orders").build();
    for sent in [
        get("/orders/7"),
        get("/orders/7").bearer(&token),
        get("/public/a"),
    ] {
        assert_eq!(site.reject(&sent).status, 503);
    }
}

#[test]
#[ignore = "needs what tests/proxies/run installs"]
fn a_decision_that_must_wait_is_503_with_the_time() {
    for kind in Kind::ALL {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        issuer.set_fault(Document::Jwks, Some(Fault::status(500)));
        let launch = Launch::trusting(&issuer).file("Settings.toml", kind.settings());
        let service: TestApp = launch.serve();
        let site = Site::of(kind, issuer, service);
        let token = site.token("read:orders").build();
        let rejected = site.reject(&get("/orders/7").bearer(&token));
        assert_eq!(rejected.status, 503, "{kind:?}: {rejected:?}");
        let pause = rejected.header("retry-after").map(str::parse::<u32>);
        assert!(
            pause.is_some_and(|pause| pause.is_ok()),
            "{kind:?}: {rejected:?}"
        );
        // Open routes need no keys.
        site.reach(&get("/public/a"));
    }
}
