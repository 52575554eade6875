//! Entry point of libFuzzer for the target `password_safe`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_rollcall_fuzz::run("password_safe", data));
