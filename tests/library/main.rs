//! The library as a downstream developer uses it: no service, an app of one's own, real tokens.
//!
//! One file a promise; `app` holds what they share.

mod access_first;
mod app;
mod bound;
mod claim;
mod composition;
mod custom_claims;
mod differential;
mod discovery;
mod hostile;
mod hostile_proofs;
mod issuers;
mod keys;
mod maybe_user;
mod no_verifier;
mod outages;
mod providers;
mod public;
mod readiness;
mod remembered;
mod scoped;
mod side_by_side;
mod step_up;
mod strict;
mod table;
mod times;
mod user;
