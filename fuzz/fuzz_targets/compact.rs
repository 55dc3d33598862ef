//! Reads any bytes as a compact JWS.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| actix_resource_server::fuzzing::compact(bytes));
