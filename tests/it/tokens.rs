//! Tokens that die early cost one refresh each, not one a waiting request.

use super::inventory::compare;
use super::rig::{Rig, as_of, assert_exit};
use bt_rollcall_sandbox::{Faults, World};

#[test]
fn a_token_that_dies_after_ten_uses_costs_one_refresh_each_time() {
    let rig = Rig::new(World::seeded(5, 2000, as_of()), Faults { token_requests: Some(10), ..Faults::default() });
    rig.set("page_size = 20");
    assert_exit(&rig.run(&[]), 0);
    let counters = rig.sandbox.counters();
    let least = counters.requests.saturating_sub(counters.unauthorized + counters.tokens_issued).div_ceil(10);
    assert!(counters.unauthorized >= least / 2, "tokens did die");
    assert!(counters.tokens_issued <= least + 1, "{} tokens, {least} needed", counters.tokens_issued);
    compare(&rig);
}

#[test]
fn an_appliance_that_takes_only_basic_is_asked_by_form_once() {
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
fn a_token_that_is_good_for_two_requests_slows_the_source_inventory_call_and_does_not_end_it() {
    let rig = Rig::new(World::seeded(5, 600, as_of()), Faults { token_requests: Some(2), ..Faults::default() });
    rig.set("page_size = 20");
    assert_exit(&rig.run(&[]), 0);
    compare(&rig);
}
