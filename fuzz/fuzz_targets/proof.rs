//! Reads any bytes as the `DPoP` header.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| actix_resource_server::fuzzing::proof(bytes));
