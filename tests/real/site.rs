//! Two replicas of the service behind a proxy, with the documented configuration.

use std::net::SocketAddr;

use actix_resource_server::Algorithm;
use actix_resource_server::test_kit::TestIssuer;

use crate::app::{Launch, TestApp};
use crate::curl::Curl;
use crate::documented::Documented;
use crate::proxy::{Kind, Proxy};
use crate::redis::Redis;
use crate::sender::{HOST, PATH};

pub(crate) struct Site {
    pub(crate) issuer: TestIssuer,
    pub(crate) replicas: [TestApp; 2],
    pub(crate) proxy: Proxy,
}

impl Site {
    /// With these variables for each replica.
    pub(crate) fn start(kind: Kind, variables: &[(&str, &str)]) -> Self {
        Self::of(kind, kind.settings().text(), variables)
    }

    /// With a Redis as the shared replay store.
    pub(crate) fn sharing(redis: &Redis, kind: Kind) -> Self {
        let settings = format!("{}\n{}", kind.settings().text(), remembering(redis).text());
        Self::of(kind, &settings, &[])
    }

    fn of(kind: Kind, settings: &str, variables: &[(&str, &str)]) -> Self {
        let issuer = TestIssuer::start_with(Algorithm::Es256);
        let replica = || replica(&issuer, settings, variables);
        let replicas = [replica(), replica()];
        let proxy = Proxy::start(kind, addresses(&replicas));
        Self {
            issuer,
            replicas,
            proxy,
        }
    }

    pub(crate) fn curl(&self) -> Curl {
        Curl::https(HOST, self.proxy.port, PATH).trusting(&self.proxy.authority)
    }

    /// How many requests each replica granted, and rejected for this reason.
    pub(crate) fn counts(&self, reason: &str) -> [(u64, u64); 2] {
        let rejected = format!("ars_rejections_total{{reason=\"{reason}\"}}");
        self.replicas.each_ref().map(|replica| {
            (
                replica.metric("ars_access_granted_total"),
                replica.metric(&rejected),
            )
        })
    }
}

/// A service that trusts the issuer and has a `Settings.toml` of this text.
pub(crate) fn replica(issuer: &TestIssuer, settings: &str, variables: &[(&str, &str)]) -> TestApp {
    let launch = Launch::trusting(issuer).file("Settings.toml", settings);
    TestApp::ready(launch.variables(variables))
}

/// Two replicas without a proxy, which are called directly.
pub(crate) fn replicas(issuer: &TestIssuer, variables: &[(&str, &str)]) -> [TestApp; 2] {
    let settings = Kind::Nginx.settings();
    [(); 2].map(|()| replica(issuer, settings.text(), variables))
}

pub(crate) fn remembering(redis: &Redis) -> Documented {
    Documented::block("Replicas", "toml").with("redis://10.0.0.3:6379", &redis.url())
}

fn addresses(replicas: &[TestApp; 2]) -> [SocketAddr; 2] {
    replicas.each_ref().map(|replica| replica.address)
}
