//! Entry point of libFuzzer for the target `rest_v3`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_rollcall_fuzz::run("rest_v3", data));
