//! Decisions through nginx, Caddy, HAProxy and Envoy, with the documented configuration.
//!
//! `tests/proxies/run` installs them and runs these tests.

#[path = "../service/app.rs"]
#[expect(dead_code, reason = "the service's own tests need more of it")]
mod app;
#[expect(dead_code, reason = "the other tests use the rest")]
#[path = "../service/certificates.rs"]
mod certificates;
#[path = "../real/documented.rs"]
mod documented;
#[path = "../service/process.rs"]
#[expect(dead_code, reason = "the service's own tests need more of it")]
mod process;
#[path = "../real/proxy.rs"]
#[expect(dead_code, reason = "other tests use other configurations")]
mod proxy;
#[path = "../service/transcript.rs"]
mod transcript;
#[path = "../service/wire.rs"]
#[expect(dead_code, reason = "the service's own tests need more of it")]
mod wire;

mod api;
mod kind;
mod site;

mod attacks;
mod decisions;
mod outages;
mod spellings;
