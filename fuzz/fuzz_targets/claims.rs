//! Reads any bytes as a token's payload.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| actix_resource_server::fuzzing::claims(bytes));
