//! The tables of docs/configuration.md: examples, defaults and limits are those of the program.

use super::blocks::{completed, load};
use super::markdown::{TableRow, code, document};
use regex::Regex;

const OWNER: [(&str, &str); 3] = [("account", "\"svc\""), ("owner", "\"team\""), ("review_by", "2027-03-31")];
const GROUP_OWNER: [(&str, &str); 2] = [("group", "\"Administrators\""), ("owner", "\"Head of IT\"")];
const RULE: [(&str, &str); 5] =
    [("id", "\"my-rule\""), ("severity", "\"low\""), ("title", "\"T\""), ("action", "\"A\""), ("when", "'enabled'")];
const PLACE: [(&str, &str); 2] = [("name", "\"appliance-eu\""), ("url", "\"https://bt.example.com\"")];
const SECRET: &str = "{ file = \"/etc/bt-rollcall/secret\" }";
const WEBHOOK_KEY: &str = "{ file = \"/etc/bt-rollcall/webhook-key\" }";
const CERTIFICATE: (&str, &str) = ("client_cert", "\"/etc/bt-rollcall/client.pem\"");
const KEY: (&str, &str) = ("client_key", "{ file = \"/etc/bt-rollcall/client.key\" }");

/// Returns the head of the table that a heading is about, and the keys that it needs besides the one that is tried.
fn surroundings(heading: &str, key: &str) -> (&'static str, Vec<(&'static str, &'static str)>) {
    let mut base = match heading {
        "Top level" => return ("", Vec::new()),
        "`[output]`" if key == "csv_separator" => return ("[output]", vec![("csv", "\"excel\"")]),
        "`[spool]`" => return ("[spool]", Vec::new()),
        "`[output]`" => return ("[output]", Vec::new()),
        "`[policy]`" => return ("[policy]", Vec::new()),
        "`[[policy.service_owners]]`" => return ("[[policy.service_owners]]", OWNER.to_vec()),
        "`[[policy.group_owners]]`" => return ("[[policy.group_owners]]", GROUP_OWNER.to_vec()),
        "`[[policy.custom_rules]]`" => return ("[[policy.custom_rules]]", RULE.to_vec()),
        "`[[syslog]]`" if key == "udp_max" => vec![("url", "\"udp://siem.example.com\"")],
        "`[[syslog]]`" => vec![("url", "\"tls://siem.example.com\"")],
        "`[[http]]`" => return ("[[http]]", over_http(key)),
        _ => PLACE.to_vec(),
    };
    let head = if heading == "`[[syslog]]`" { "[[syslog]]" } else { "[[source]]" };
    if head == "[[source]]" {
        base.push((
            "kind",
            match heading {
                "Every kind" => "\"rest-v3\"",
                "`kind = \"pra\"` and `kind = \"rs\"`" => "\"pra\"",
                "`kind = \"password-safe\"`" => "\"password-safe\"",
                "`kind = \"scim\"`" => "\"scim\"",
                other => panic!("unknown heading {other}"),
            },
        ));
        base.extend(match key {
            "api_key" | "run_as" | "run_as_password" => vec![("api_key", SECRET), ("run_as", "\"audit\"")],
            "token" => vec![("token", SECRET)],
            _ => vec![("client_id", "\"abc\""), ("client_secret", SECRET)],
        });
    }
    match key {
        "client_cert" => base.push(KEY),
        "client_key" => base.push(CERTIFICATE),
        "ocsf_finding" => base.push(("payload", "\"ocsf\"")),
        "ocsf_version" => base.extend([("payload", "\"ocsf\""), ("ocsf_finding", "\"detection\"")]),
        _ => {}
    }
    (head, base)
}

/// Returns the keys that a destination over HTTP needs next to this one.
fn over_http(key: &str) -> Vec<(&'static str, &'static str)> {
    let mut base = match key {
        "signing_key" => vec![("target", "\"webhook\""), ("signing_key", WEBHOOK_KEY)],
        _ => vec![("target", "\"splunk-hec\""), ("token", SECRET)],
    };
    base.push(("url", "\"https://siem.example.com\""));
    match key {
        "client_cert" => base.push(KEY),
        "client_key" => base.push(CERTIFICATE),
        _ => {}
    }
    base
}

/// Returns a configuration in which the key of a row has a value, or is left out.
fn with(row: &TableRow, value: Option<&str>) -> String {
    let key = code(&row.cells[0])[0];
    let (head, base) = surroundings(&row.heading, key);
    let mut text = format!("{head}\n");
    for (other, default) in base.into_iter().filter(|(other, _)| *other != key) {
        text.extend([other, " = ", default, "\n"]);
    }
    if let Some(value) = value {
        text.extend([key, " = ", value, "\n"]);
    }
    completed(&text)
}

fn rows() -> Vec<TableRow> {
    let all = document("docs/configuration.md").rows();
    let rows: Vec<TableRow> = all.into_iter().filter(|row| row.columns[0] == "key").collect();
    assert!(rows.len() > 50);
    rows
}

/// Returns the configuration in words, without what differs in each load: folders, hashes and who set a threshold.
fn in_words(text: &str) -> String {
    let words = format!("{:?}", load(text).unwrap_or_else(|error| panic!("{error}\n{text}")));
    let varying = Regex::new(
        r#"/[^" ]*/\.tmp[A-Za-z0-9]+|[0-9a-f]{64}|from: "(default|configuration|profile)"|line: (None|Some\(\d+\))"#,
    )
    .unwrap();
    varying.replace_all(&words, "").into_owned()
}

#[test]
fn every_example_of_a_key_is_accepted() {
    for row in rows() {
        let text = with(&row, Some(code(&row.cells[4])[0]));
        let loaded = load(&text);
        assert!(loaded.is_ok(), "{}: {}\n{text}", row.cells[0], loaded.unwrap_err());
    }
}

#[test]
fn every_documented_default_is_the_default() {
    let mut compared = 0;
    for row in rows() {
        let default = &row.cells[2];
        let without = with(&row, None);
        if default == "required" {
            assert!(load(&without).is_err(), "{} is not required", row.cells[0]);
        } else if default.starts_with('`') && default.ends_with('`') && code(default).len() == 1 {
            compared += 1;
            assert_eq!(in_words(&with(&row, Some(code(default)[0]))), in_words(&without), "{}", row.cells[0]);
        }
    }
    assert!(compared > 20);
}

#[test]
fn every_documented_limit_is_the_limit() {
    let limits = Regex::new(r"^whole number, (\d+) to (\d+)").unwrap();
    let mut compared = 0;
    for row in rows() {
        let Some(found) = limits.captures(&row.cells[1]) else { continue };
        compared += 1;
        let (low, high): (i64, i64) = (found[1].parse().unwrap(), found[2].parse().unwrap());
        for (number, is_allowed) in [(low, true), (high, true), (low - 1, false), (high + 1, false)] {
            let loaded = load(&with(&row, Some(&number.to_string())));
            assert_eq!(loaded.is_ok(), is_allowed, "{} = {number}: {:?}", row.cells[0], loaded.err());
        }
    }
    assert!(compared > 12);
}

#[test]
fn every_documented_word_is_accepted_and_others_are_not() {
    let words = Regex::new(r"^`[a-z0-9-]+`(, `[a-z0-9-]+`)*$").unwrap();
    let mut compared = 0;
    for row in rows().iter().filter(|row| words.is_match(&row.cells[1])) {
        compared += 1;
        for word in code(&row.cells[1]) {
            assert!(load(&with(row, Some(&format!("{word:?}")))).is_ok(), "{} = {word:?}", row.cells[0]);
        }
        let error = load(&with(row, Some("\"bogus\""))).unwrap_err().to_string();
        for word in code(&row.cells[1]) {
            assert!(error.contains(word), "{}: {word} is not in {error}", row.cells[0]);
        }
        // The message lists every word, so none is missing in the document.
        let listed = error.split("must be one of ").nth(1).and_then(|rest| rest.split(", not ").next()).unwrap();
        assert_eq!(listed.split(", ").count(), code(&row.cells[1]).len(), "{}: {listed}", row.cells[0]);
    }
    assert!(compared > 6);
}
