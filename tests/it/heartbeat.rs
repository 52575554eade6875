//! Tests of the events about runs, as the rules of a SIEM need them to find a run that is missing.

use super::receiver::{Receiver, body};
use super::rig::{Rig, as_of, assert_exit};
use bt_rollcall_sandbox::{Faults, World};
use chrono::{DateTime, TimeDelta};
use serde_json::Value;

fn rig() -> (Rig, Receiver) {
    let receiver = Receiver::start();
    (Rig::with_syslog(World::seeded(4, 60, as_of()), Faults::default(), Some(&receiver.url())), receiver)
}

fn of_last(receiver: &Receiver) -> (String, Value) {
    let event = body(receiver.messages().last().unwrap());
    (event["event"]["code"].as_str().unwrap().to_owned(), event["btrollcall"]["run"].clone())
}

fn hours_until_next(run: &Value) -> i64 {
    let at = |key: &str| DateTime::parse_from_rfc3339(run[key].as_str().unwrap()).unwrap();
    let wait = at("next_run_expected") - at("started_at");
    assert_eq!(wait, TimeDelta::hours(wait.num_hours()));
    wait.num_hours()
}

#[test]
fn a_second_run_without_a_change_sends_run_completed_and_nothing_else() {
    let (rig, receiver) = rig();
    assert_exit(&rig.run(&[]), 0);
    let first = receiver.messages().len();
    assert_exit(&rig.run(&[]), 0);
    let codes: Vec<Value> =
        receiver.messages()[first..].iter().map(|message| body(message)["event"]["code"].clone()).collect();
    assert_eq!(codes, ["run.completed"]);
    assert_eq!(hours_until_next(&of_last(&receiver).1), 24);
}

#[test]
fn a_failed_run_says_since_when_each_source_is_unconfirmed_and_when_the_next_run_is_expected() {
    let (rig, receiver) = rig();
    rig.edit("state_dir", "run_every_hours = 6\nstate_dir");
    assert_exit(&rig.run(&[]), 0);
    let (_, completed) = of_last(&receiver);
    assert_eq!(completed["sources"][0]["unconfirmed_since"], Value::Null);
    rig.sandbox.set_faults(Faults { forbid_users: true, ..Faults::default() });
    assert_exit(&rig.run_on_day(1, &[]), 1);
    let (code, failed) = of_last(&receiver);
    assert_eq!(code, "run.failed");
    let source = &failed["sources"][0];
    assert_eq!(source["status"], "failed");
    assert_eq!(source["unconfirmed_since"], completed["sources"][0]["confirmed_at"]);
    assert_eq!(hours_until_next(&failed), 6);
}
