//! Entry point of libFuzzer for the target `spool`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_rollcall_fuzz::run("spool", data));
