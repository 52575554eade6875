//! Tests of sessions with a bulk API.

use super::server::{Answer, Received, Server, json};
use super::{TOKEN, bulk_target, deliver, events, to};
use crate::syslog::http::{HttpTarget, event};
use crate::syslog::session::DeliveryError;
use crate::syslog::tests::{finding, message_of, sender};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Returns the ids of the documents in a request.
fn ids(request: &Received) -> Vec<String> {
    let actions = request.body.lines().step_by(2).map(|line| serde_json::from_str::<Value>(line).unwrap());
    actions.map(|action| action["create"]["_id"].as_str().unwrap().to_owned()).collect()
}

/// Answers with a status for each document.
fn results(request: &Received, mut status: impl FnMut(&str) -> u16) -> Answer {
    let items: Vec<Value> = ids(request)
        .iter()
        .map(|id| {
            let status = status(id);
            let error = json!({"type": "some_exception", "reason": format!("reason of {id}")});
            json!({"create": {"_index": "btrollcall", "_id": id, "status": status, "error": error}})
        })
        .collect();
    json(200, &json!({"took": 3, "errors": true, "items": items}).to_string())
}

#[test]
fn request_is_newline_delimited_json_with_an_api_key() {
    let server = Server::start(|request| results(request, |_| 201));
    let outcome = deliver(&to(server.url(), bulk_target()), events(2));
    assert!(outcome.result.is_ok() && outcome.decided == 2, "{outcome:?}");
    let [request] = server.received().try_into().unwrap();
    assert_eq!(request.path, "/btrollcall/_bulk");
    assert_eq!(request.headers["content-type"], "application/x-ndjson");
    assert_eq!(request.headers["authorization"], format!("ApiKey {TOKEN}"));
    let lines = [0, 1].map(|n| format!("{{\"create\":{{\"_id\":\"id{n}\"}}}}\n{{\"n\":{n}}}\n"));
    assert_eq!(request.body, lines.concat());
}

#[test]
fn only_busy_items_are_sent_again_and_an_existing_document_is_delivered() {
    let mut tried: BTreeMap<String, u16> = BTreeMap::new();
    let server = Server::start(move |request| {
        results(request, |id| {
            let attempt = tried.entry(id.to_owned()).and_modify(|n| *n += 1).or_insert(1);
            match (id, *attempt) {
                ("id1", _) => 409,
                ("id2", 1) => 429,
                ("id3", 1 | 2) => 503,
                ("id4", _) => 400,
                _ => 201,
            }
        })
    });
    let outcome = deliver(&to(server.url(), bulk_target()), events(6));
    assert!(outcome.result.is_ok() && outcome.decided == 6, "{outcome:?}");
    let sent: Vec<Vec<String>> = server.received().iter().map(ids).collect();
    assert_eq!(sent[0].len(), 6);
    assert_eq!(sent[1..], [vec!["id2".to_owned(), "id3".to_owned()], vec!["id3".to_owned()]]);
    let [(event, refusal)] = outcome.dead.try_into().unwrap();
    assert_eq!(event, events(5)[4]);
    assert_eq!((refusal.status, refusal.reason.as_str()), (400, "400: some_exception: reason of id4"));
}

#[test]
fn item_that_stays_busy_holds_back_only_what_follows_it() {
    let server = Server::start(|request| results(request, |id| if id == "id2" { 429 } else { 201 }));
    let outcome = deliver(&to(server.url(), bulk_target()), events(5));
    assert!(outcome.error().contains("429: some_exception"), "{outcome:?}");
    assert_eq!(outcome.decided, 2, "id0 and id1");
    assert_eq!(server.received().len(), 1 + 5 - 1);
}

#[test]
fn fewer_results_than_events_and_results_of_others_deliver_nothing() {
    for answer in [
        json!({"errors": false, "items": []}),
        json!({"errors": false, "items": [{"create": {"_id": "id0", "status": 201}}]}),
        json!({"errors": false, "items": [
            {"create": {"_id": "id1", "status": 201}}, {"create": {"_id": "id0", "status": 201}},
        ]}),
    ] {
        let server = Server::start(move |_| json(200, &answer.to_string()));
        let outcome = deliver(&to(server.url(), bulk_target()), events(2));
        assert!(outcome.error().contains("results for 2 events"), "{outcome:?}");
        assert_eq!((outcome.decided, server.received().len()), (0, 5));
    }
}

#[test]
fn good_status_without_results_is_no_receipt() {
    for body in ["", "{\"errors\":false}", "<html></html>", "{\"items\":[{\"index\":{\"status\":201}}]}"] {
        let server = Server::start(move |_| json(200, body));
        let outcome = deliver(&to(server.url(), bulk_target()), events(1));
        assert!(outcome.error().contains("no response of a bulk API; check url"), "{outcome:?}");
        assert_eq!(outcome.decided, 0);
    }
}

#[test]
fn item_that_needs_another_setting_names_it_and_the_receipts_before_it_count() {
    let proxy = "no receipt; check url";
    for (status, cure) in [
        (401, "the API key in token"),
        (403, "the API key in token"),
        (404, "correct index"),
        (202, proxy),
        (302, proxy),
    ] {
        let server = Server::start(move |request| results(request, |id| if id == "id1" { status } else { 201 }));
        let outcome = deliver(&to(server.url(), bulk_target()), events(3));
        assert!(outcome.error().contains(cure), "{outcome:?}");
        assert_eq!((outcome.decided, outcome.dead.len()), (1, 0), "id0");
    }
}

#[test]
fn request_that_cannot_be_parsed_is_halved_until_the_guilty_event_is_alone() {
    let server = Server::start(|request| {
        if ids(request).iter().any(|id| id == "id5") {
            return json(400, "{\"error\":{\"type\":\"parse_exception\",\"reason\":\"bad\"},\"status\":400}");
        }
        results(request, |_| 201)
    });
    let outcome = deliver(&to(server.url(), bulk_target()), events(8));
    assert!(outcome.result.is_ok() && outcome.decided == 8, "{outcome:?}");
    assert!(outcome.dead.len() == 1 && outcome.dead[0].0 == events(6)[5], "{:?}", outcome.dead);
}

#[test]
fn queued_event_goes_to_the_index_that_is_configured_now() {
    let server = Server::start(|request| results(request, |_| 201));
    let message = message_of(&finding("bob", "e"));
    let queued = event::render(&sender(), &message);
    let corrected = HttpTarget::ElasticBulk { token: SecretString::from(TOKEN), index: "<logs-{now/d}>".to_owned() };
    assert!(deliver(&to(server.url(), corrected), vec![queued]).result.is_ok());
    let [request] = server.received().try_into().unwrap();
    assert_eq!(request.path, "/%3Clogs-%7Bnow%2Fd%7D%3E/_bulk");
    assert!(!request.body.contains("_index"), "{}", request.body);
}

#[test]
fn setting_that_the_reason_of_an_event_names_gives_no_event_up() {
    for (status, kind, reason, cure) in [
        (400, "index_closed_exception", "closed", "open the index"),
        (403, "cluster_block_exception", "index [b] blocked by: [FORBIDDEN/8/index write (api)]", "remove the block"),
        (
            400,
            "validation_exception",
            "this cluster currently has [1000]/[1000] maximum shards open",
            "raise the limit",
        ),
        (400, "illegal_argument_exception", "pipeline with id [p] does not exist", "create the ingest pipeline"),
        (404, "resource_not_found_exception", "pipeline [p] is missing", "create the ingest pipeline"),
        (400, "security_exception", "no", "the API key in token"),
        (400, "authorization_exception", "no", "the API key in token"),
    ] {
        let answer = json!({"errors": true, "items": [
            {"create": {"_id": "id0", "status": 201}},
            {"create": {"_id": "id1", "status": status, "error": {"type": kind, "reason": reason}}},
        ]});
        let server = Server::start(move |_| json(200, &answer.to_string()));
        let outcome = deliver(&to(server.url(), bulk_target()), events(2));
        assert!(outcome.error().contains(cure), "{outcome:?}");
        assert_eq!((outcome.decided, outcome.dead.len(), server.received().len()), (1, 0, 1));
    }
}

#[test]
fn cluster_that_refuses_every_document_does_not_refuse_the_data() {
    let server = Server::start(|request| results(request, |_| 400));
    let outcome = deliver(&to(server.url(), bulk_target()), events(600));
    assert!(matches!(outcome.result, Err(DeliveryError::RefusesAll { events: 600, .. })), "{outcome:?}");
    assert_eq!((outcome.decided, outcome.dead.len(), server.received().len()), (0, 0, 2));
}

#[test]
fn refused_documents_at_the_head_are_dead_when_the_cluster_accepts_a_later_one() {
    let server = Server::start(|request| results(request, |id| if id == "id599" { 201 } else { 400 }));
    let outcome = deliver(&to(server.url(), bulk_target()), events(600));
    assert!(outcome.result.is_ok() && outcome.decided == 600, "{outcome:?}");
    assert_eq!(outcome.dead.len(), 599);
    assert_eq!(outcome.dead[0].0, events(1)[0]);
}

#[test]
fn reason_of_a_document_that_echoes_the_token_is_masked() {
    let server = Server::start(|request| {
        let status = |id: &str| if id == "id0" { 201 } else { 400 };
        let items = ids(request).into_iter().map(|id| {
            let error = json!({"type": "x_exception", "reason": format!("key {TOKEN} is odd")});
            json!({"create": {"_id": id, "status": status(&id), "error": error}})
        });
        json(200, &json!({"items": items.collect::<Vec<_>>()}).to_string())
    });
    let outcome = deliver(&to(server.url(), bulk_target()), events(2));
    let [(_, refusal)] = outcome.dead.try_into().unwrap();
    assert_eq!(refusal.reason, "400: x_exception: key *** is odd");
}

/// Returns the answer with these results of two events.
fn answering(first: &Value, second: &Value) -> Server {
    let answer = json!({"errors": false, "items": [{"create": first}, {"create": second}]}).to_string();
    Server::start(move |_| json(200, &answer))
}

#[test]
fn document_in_the_failure_store_is_a_dead_letter_and_not_delivered() {
    let stored = json!({"_index": ".ds-logs-x-1", "_id": "id0", "status": 201});
    let refused =
        json!({"_index": ".fs-logs-x-2", "_id": "lEu8jZYB_ZAKuDfZNouU", "failure_store": "used", "status": 201});
    let server = answering(&stored, &refused);
    let outcome = deliver(&to(server.url(), bulk_target()), events(2));
    assert!(outcome.result.is_ok() && outcome.decided == 2, "{outcome:?}");
    assert_eq!(server.received().len(), 1);
    let [(event, refusal)] = outcome.dead.try_into().unwrap();
    assert_eq!((event, refusal.status), (events(2)[1].clone(), 201));
    assert!(refusal.reason.contains("stored in the failure store of the data stream, because it was refused"));
}

#[test]
fn failure_store_that_takes_every_document_gives_no_event_up() {
    let refused = json!({"_id": "lEu8jZYB_ZAKuDfZNouU", "failure_store": "used", "status": 201});
    let server = answering(&refused, &refused);
    let outcome = deliver(&to(server.url(), bulk_target()), events(2));
    assert!(matches!(outcome.result, Err(DeliveryError::RefusesAll { events: 2, .. })), "{outcome:?}");
    assert_eq!((outcome.decided, outcome.dead.len()), (0, 0));
}

#[test]
fn failure_store_that_was_not_used_leaves_the_decision_to_the_status() {
    for state in ["not_enabled", "failed", "not_applicable_or_unknown"] {
        let stored = json!({"_id": "id0", "failure_store": state, "status": 201});
        let error = json!({"type": "document_parsing_exception", "reason": "bad"});
        let refused = json!({"_id": "id1", "failure_store": state, "status": 400, "error": error});
        let server = answering(&stored, &refused);
        let outcome = deliver(&to(server.url(), bulk_target()), events(2));
        assert!(outcome.result.is_ok() && outcome.decided == 2, "{outcome:?}");
        assert_eq!(outcome.dead[0].1.reason, "400: document_parsing_exception: bad");
    }
}

#[test]
fn id_that_an_ingest_pipeline_sets_does_not_hold_an_event_back() {
    let server = answering(&json!({"_id": "p0", "status": 201}), &json!({"_id": "p1", "status": 201}));
    let outcome = deliver(&to(server.url(), bulk_target()), events(2));
    assert!(outcome.result.is_ok() && outcome.decided == 2, "{outcome:?}");
    assert_eq!((outcome.dead.len(), server.received().len()), (0, 1));
}

#[test]
fn event_that_an_ingest_pipeline_gives_the_id_of_another_document_is_kept() {
    let server = answering(&json!({"_id": "p", "status": 201}), &json!({"_id": "p", "status": 409}));
    let outcome = deliver(&to(server.url(), bulk_target()), events(2));
    assert!(outcome.result.is_ok() && outcome.decided == 2, "{outcome:?}");
    let [(event, refusal)] = outcome.dead.try_into().unwrap();
    assert_eq!((event, refusal.status), (events(2)[1].clone(), 409));
    assert!(refusal.reason.contains("an ingest pipeline gave the event an id"), "{}", refusal.reason);
}

#[test]
fn reason_that_quotes_words_of_an_event_does_not_hold_it_back() {
    let quoted = "preview of field's value: 'pipeline with id [p] does not exist, security, authorization, blocked'";
    for kind in ["document_parsing_exception", "mapper_parsing_exception", "illegal_argument_exception"] {
        let refused = json!({"_id": "id0", "status": 400, "error": {"type": kind, "reason": quoted}});
        let server = answering(&refused, &json!({"_id": "id1", "status": 201}));
        let outcome = deliver(&to(server.url(), bulk_target()), events(2));
        assert!(outcome.result.is_ok() && outcome.decided == 2, "{outcome:?}");
        assert_eq!(outcome.dead[0].0, events(1)[0]);
    }
}
