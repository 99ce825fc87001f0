//! See `lcast_fuzz_targets::TARGETS`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lcast_fuzz_targets::run("endpoint_sequence", data));
