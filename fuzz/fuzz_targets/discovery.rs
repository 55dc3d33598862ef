//! Reads any bytes as a discovery document.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| actix_resource_server::fuzzing::discovery(bytes));
