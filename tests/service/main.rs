//! Tests of the service over HTTP: the running binary, real tokens, whole responses.

mod app;
mod certificates;
mod encrypted;
mod expected;
mod process;
mod sender;
mod transcript;
mod wire;

mod endpoints;
mod requests;
#[path = "../library/route_parameters.rs"]
mod route_parameters;

mod credentials;

mod token_claims;
mod token_form;
mod token_header;
mod token_key;
mod token_kind;
mod token_times;

mod scopes;

mod dpop;
mod dpop_header;
mod dpop_key;
mod dpop_modes;
mod dpop_nonce;
mod dpop_proof;
mod dpop_proxies;
mod dpop_replay;
mod dpop_restart;
mod dpop_secrecy;
mod dpop_token;
mod dpop_url;
mod mtls;
mod mtls_proxies;

mod algorithms;
mod introspection;
mod issuers;
mod key_sources;
mod keys_broken;
mod keys_fetched;
mod keys_published;

mod audit;
mod cors;
mod decision;
mod log;
mod metadata;
mod metrics;
mod openapi;
mod probes;
mod secrecy;

mod settings;
mod settings_layers;
mod settings_together;
mod start;

mod dev_issuer;
mod dev_issuer_accounts;
mod dev_issuer_certificates;
mod dev_issuer_step_up;
mod dev_issuer_tokens;
mod new_command;
mod token_command;

mod reload;
mod revocation;
mod shutdown;

mod tls;
