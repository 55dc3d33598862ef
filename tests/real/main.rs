//! Tests of the service with nginx, Envoy, Redis and curl.
//!
//! `tests/real/run` installs them and runs these tests.

#[path = "../service/app.rs"]
#[expect(dead_code, reason = "the service's own tests need more of it")]
mod app;
#[expect(dead_code, reason = "the other tests use the rest")]
#[path = "../service/certificates.rs"]
mod certificates;
#[path = "../service/process.rs"]
#[expect(dead_code, reason = "the service's own tests need more of it")]
mod process;
#[path = "../service/transcript.rs"]
mod transcript;
#[path = "../service/wire.rs"]
#[expect(dead_code, reason = "the service's own tests need more of it")]
mod wire;

mod connection;
mod curl;
mod documented;
mod proxy;
mod redis;
mod sender;
mod site;

mod nonces;
mod outages;
mod proxies;
mod replays;
mod revocations;
mod tls;
