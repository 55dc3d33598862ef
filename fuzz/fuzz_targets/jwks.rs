//! Reads any bytes as a JWK set.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| actix_resource_server::fuzzing::jwks(bytes));
