//! Tests of the library's public API, in applications with real tokens and without the service.
//!
//! One file for each feature; `app` contains the shared code.

mod access_first;
mod app;
mod bound;
mod claim;
mod composition;
mod custom_claims;
mod delegation;
mod differential;
mod discovery;
mod error_format;
mod hostile;
mod hostile_events;
mod hostile_proofs;
mod introspection;
mod issuer_changes;
mod issuer_replacements;
mod issuers;
mod keys;
mod logged;
mod maybe_user;
mod metadata;
mod no_verifier;
mod outages;
mod public;
mod reachable;
mod readiness;
mod route_parameters;
mod scoped;
mod several_apis;
mod step_up;
mod streams;
mod strict;
mod table;
mod tenants;
mod tickets;
mod times;
mod token_cache;
mod user;
mod websocket;
mod wrap;
