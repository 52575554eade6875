//! Entry point of libFuzzer for the target `token_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bt_rollcall_fuzz::run("token_answer", data));
