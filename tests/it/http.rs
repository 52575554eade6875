//! Tests of destinations over HTTP: every event arrives, stays queued or is kept as a dead letter.

use super::collector::Collector;
use super::receiver::{Receiver, body, unused_port};
use super::rig::{Rig, as_of, assert_exit, private, stderr, stdout};
use bt_rollcall_sandbox::{Faults, World};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

const HEC: &str = "/services/collector/event";

/// Returns a rig whose events go to these destinations.
fn rig(destinations: &[&str]) -> Rig {
    let rig = Rig::new(World::seeded(4, 60, as_of()), Faults::default());
    private(&rig.folder.path().join("token"), "0f1c5a2e");
    private(&rig.folder.path().join("key"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    rig.append(&destinations.concat());
    rig
}

fn hec(url: &str) -> String {
    format!("\n[[http]]\ntarget = \"splunk-hec\"\nurl = \"{url}\"\ntoken = {{ file = \"token\" }}\n")
}

fn bulk(url: &str) -> String {
    let url = format!("{url}/");
    format!("\n[[http]]\ntarget = \"elastic-bulk\"\nurl = \"{url}\"\ntoken = {{ file = \"token\" }}\nindex = \"b\"\n")
}

fn webhook(url: &str) -> String {
    format!("\n[[http]]\ntarget = \"webhook\"\nurl = \"{url}/hook\"\nsigning_key = {{ file = \"key\" }}\n")
}

fn ids(events: &[Value], path: &str) -> BTreeSet<String> {
    events.iter().map(|event| event.pointer(path).unwrap().as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_target_gets_the_events_that_a_syslog_receiver_gets() {
    let (syslog, collectors) = (Receiver::start(), [(); 3].map(|()| Collector::start()));
    let [to_hec, to_bulk, to_hook] = &collectors;
    let table = format!("\n[[syslog]]\nurl = \"{}\"\n", syslog.url());
    let rig = rig(&[&table, &hec(&to_hec.url()), &bulk(&to_bulk.url()), &webhook(&to_hook.url())]);
    assert_exit(&rig.run(&[]), 0);
    let over_syslog: Vec<Value> = syslog.messages().iter().map(|message| body(message)).collect();
    let expected = ids(&over_syslog, "/event/id");
    assert!(expected.len() > 10 && expected.len() == rig.table("findings").len() + 1);
    let (over_hec, over_bulk, over_hook) = (to_hec.events(HEC), to_bulk.events("/b/_bulk"), to_hook.events("/hook"));
    assert_eq!(ids(&over_hec, "/event/event/id"), expected);
    assert_eq!(ids(&over_bulk, "/event/id"), expected);
    assert_eq!(ids(&over_hook, "/id"), expected);
    assert_eq!(over_bulk.last().unwrap()["event"]["code"], "run.completed");
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let codes = |events: Vec<Value>| events.into_iter().map(|event| event["type"].clone()).collect::<Vec<_>>();
    assert_eq!(codes(to_hook.events("/hook")[over_hook.len()..].to_vec()), ["bt-rollcall.run.completed"]);
}

#[test]
fn events_for_a_receiver_that_is_down_stay_queued_and_emit_delivers_them() {
    let port = unused_port();
    let url = format!("http://127.0.0.1:{port}");
    let rig = rig(&[&hec(&url)]);
    let output = rig.run(&[]);
    assert_exit(&output, 5);
    assert!(stderr(&output).contains("connection refused"), "{}", stderr(&output));
    let collector = Collector::deciding(port, |_| 200);
    assert_exit(&rig.call(&["emit"]), 0);
    assert_eq!(collector.events(HEC).len(), rig.table("findings").len() + 1);
    assert_exit(&rig.call(&["emit"]), 0);
    assert_eq!(fs::read_dir(rig.spool_dir()).unwrap().count(), 0);
}

#[test]
fn event_that_a_receiver_refuses_for_ever_is_kept_counted_and_holds_nothing_back() {
    let refusing = |event: &str| if event.contains("run.completed") { 422 } else { 200 };
    let collector = Collector::deciding(0, refusing);
    let rig = rig(&[&webhook(&collector.url())]);
    let metrics = rig.folder.path().join("bt.prom");
    rig.edit("state_dir = ", &format!("metrics_file = {metrics:?}\nstate_dir = "));
    let output = rig.run(&["--json"]);
    assert_exit(&output, 5);
    let summary: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let findings = rig.table("findings").len();
    assert_eq!(summary["destinations"][0]["dead"], 1);
    assert_eq!(
        (&summary["destinations"][0]["delivered"], &summary["destinations"][0]["waiting"]),
        (&findings.into(), &0.into())
    );
    assert!(summary["warnings"].to_string().contains("refused 1 event for ever"), "{}", summary["warnings"]);
    assert!(fs::read_to_string(metrics).unwrap().contains("/hook\"} 1"));
    let files: Vec<_> =
        fs::read_dir(rig.spool_dir().join("dead")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    let letter: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!((&letter["status"], &letter["event"]["type"]), (&422.into(), &"bt-rollcall.run.completed".into()));
    assert_exit(&rig.call(&["emit"]), 0);
}

#[test]
fn online_check_sends_a_test_event_and_names_the_setting_that_a_receiver_refuses() {
    let (collector, refusing) = (Collector::start(), Collector::deciding(0, |_| 403));
    let rig = rig(&[&hec(&collector.url()), &webhook(&refusing.url())]);
    let output = rig.call(&["check", "--online"]);
    assert_exit(&output, 1);
    let text = stdout(&output);
    let settings = "splunk-hec, the index of the token, send \"transitions\", remind_days 7, requests_per_second 15";
    assert!(text.contains(&format!("ok    {}: {settings}\n", collector.url())), "{text}");
    assert!(text.contains(&format!("ok    {}: a run.test event was sent", collector.url())), "{text}");
    assert!(text.contains("the receiver answered 403") && text.contains("check signing_key"), "{text}");
    assert_eq!(collector.events(HEC)[0]["event"]["event"]["code"], "run.test");
    assert!(!text.contains("0f1c5a2e") && !text.contains("MfKQ"), "{text}");
}
