//! Tests of tokens that expire early: each costs one renewal, however many requests are waiting for it.

use super::inventory::compare;
use super::rig::{Rig, as_of, assert_exit};
use bt_rollcall_sandbox::{Faults, World};

#[test]
fn token_that_expires_after_ten_requests_is_renewed_once_each_time() {
    let rig = Rig::new(World::seeded(5, 2000, as_of()), Faults { token_requests: Some(10), ..Faults::default() });
    rig.set("page_size = 20");
    assert_exit(&rig.run(&[]), 0);
    let counters = rig.sandbox.counters();
    let least = counters.requests.saturating_sub(counters.unauthorized + counters.tokens_issued).div_ceil(10);
    assert!(counters.unauthorized >= least / 2, "tokens did expire");
    assert!(counters.tokens_issued <= least + 1, "{} tokens, {least} needed", counters.tokens_issued);
    compare(&rig);
}

#[test]
fn token_method_that_the_appliance_refuses_is_tried_only_once() {
    let rig = Rig::new(
        World::seeded(5, 50, as_of()),
        Faults { refuse_form: true, token_requests: Some(2), ..Faults::default() },
    );
    assert_exit(&rig.run(&[]), 0);
    let pages = std::fs::read_to_string(rig.snapshot().join("pages.jsonl")).unwrap();
    let refused =
        pages.lines().filter(|line| line.contains("/oauth2/token") && line.contains("\"status\":401")).count();
    assert_eq!(refused, 1, "{pages}");
}

#[test]
fn run_completes_with_tokens_that_expire_after_two_requests() {
    let rig = Rig::new(World::seeded(5, 600, as_of()), Faults { token_requests: Some(2), ..Faults::default() });
    rig.set("page_size = 20");
    assert_exit(&rig.run(&[]), 0);
    compare(&rig);
}
