//! The sample events of the documents: one of each code in each payload, from one fixed set of facts.
//!
//! `UPDATE_DOCS=1` writes them. The dictionary of fields in docs/events.md names each field of the samples, and no other.

mod dictionary;
mod facts;

use super::*;
use crate::syslog::facts::{FindingFacts, RunFacts};
use crate::syslog::message::of_suspect;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Longest line of a JSON sample.
const WIDTH: usize = 110;

/// Name of each document, and its payload.
const DOCUMENTS: [(&str, Payload); 4] =
    [("ecs", Payload::Ecs), ("ocsf", Payload::Ocsf(Ocsf::DEFAULT)), ("cef", Payload::Cef), ("leef", Payload::Leef)];

/// Calls a function with each sample and its number in the run.
fn every_sample(mut with: impl FnMut(&Message<'_>, u64)) {
    let facts = facts::run();
    let changes = facts::changes();
    let findings = facts::findings();
    let sent: Vec<FindingFacts<'_>> = findings.iter().map(facts::sent).collect();
    let suspect = facts::suspect();
    let completed = facts::completed();
    let published = of_published(&facts, &changes, &sent, &[], &completed);
    published.zip(1..).for_each(|(message, number)| with(&message, number));
    let failed = facts::failed_run();
    with(&of_failed(&failed, "failed to read any source: appliance-eu: no connection to bt.example.com:443"), 1);
    let guarded = facts::guarded_run();
    with(&of_suspect(&guarded, &suspect), 1);
    with(&of_test(&RunFacts::of_test("audit01.example.com", facts.now)), 1);
}

/// Returns JSON on one line, with blanks.
fn on_one_line(value: &Value) -> String {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let entries = map.iter().map(|(key, value)| format!("{}: {}", Value::from(&**key), on_one_line(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(on_one_line).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// Returns JSON in which what fits on a line is on one. `used` is the number of characters before the value.
fn pretty(value: &Value, indent: usize, used: usize) -> String {
    let line = on_one_line(value);
    if used + line.len() <= WIDTH {
        return line;
    }
    let margin = " ".repeat(indent + 2);
    let below = |start: String, value: &Value| format!("{start}{}", pretty(value, indent + 2, start.len() + 1));
    let [open, close, lines] = match value {
        Value::Object(map) => {
            let lines = map.iter().map(|(key, value)| below(format!("{margin}{}: ", Value::from(&**key)), value));
            ["{".to_owned(), "}".to_owned(), lines.collect::<Vec<_>>().join(",\n")]
        }
        Value::Array(items) => {
            let lines = items.iter().map(|item| below(margin.clone(), item));
            ["[".to_owned(), "]".to_owned(), lines.collect::<Vec<_>>().join(",\n")]
        }
        _ => return line,
    };
    format!("{open}\n{lines}\n{}{close}", " ".repeat(indent))
}

/// Returns a sample as blocks of a document: the header of the frame and the JSON, or the whole frame.
fn blocks(frame: &str, payload: Payload) -> String {
    match payload {
        Payload::Cef | Payload::Leef => format!("```text\n{frame}\n```\n"),
        Payload::Ecs | Payload::Ocsf(_) => {
            let at = frame.find('{').unwrap();
            let body: Value = serde_json::from_str(&frame[at..]).unwrap();
            format!("```text\n{}\n```\n\n```json\n{}\n```\n", frame[..at].trim_end(), pretty(&body, 0, 0))
        }
    }
}

fn document(name: &str, payload: Payload) -> String {
    let shown = match payload {
        Payload::Cef | Payload::Leef => "Each sample is a whole message on one line.",
        Payload::Ecs | Payload::Ocsf(_) => {
            "Each sample is the header of the\nmessage, and its body. On the wire, both are one line of ASCII."
        }
    };
    let title = name.to_uppercase();
    let mut text = format!(
        "# Sample events: {title}\n\nOne event of each code with `payload = \"{name}\"`. All samples come from one set of \
         made-up facts.\n[events.md](../events.md) describes the fields. {shown}\n"
    );
    let to = SyslogDestination { payload, ..stream() };
    let sender = Sender { host: "audit01.example.com".to_owned(), pid: 4242 };
    every_sample(|message, number| {
        let frame = render(&to, &sender, message, number);
        write!(text, "\n## `{}`\n\n{}", message.code, blocks(&frame, payload)).unwrap();
    });
    text
}

#[test]
fn samples_of_the_documents_are_what_the_program_sends() {
    for (name, payload) in DOCUMENTS {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("docs/events/{name}.md"));
        let expected = document(name, payload);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &expected).unwrap();
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        assert!(text == expected, "{} is not what is sent; run the test with UPDATE_DOCS=1", path.display());
    }
}

#[test]
fn samples_have_every_code_once_and_lose_nothing() {
    let mut codes = Vec::new();
    every_sample(|message, number| {
        codes.push(message.code.to_string());
        for (_, payload) in DOCUMENTS {
            let frame = render(&SyslogDestination { payload, ..stream() }, &sender(), message, number);
            assert!(!frame.contains("truncated"), "{frame}");
        }
    });
    let changes = crate::model::ChangeKind::ALL.map(|kind| kind.as_str().to_owned());
    let findings = Rule::ALL.map(|rule| format!("finding.{}", rule.as_str()));
    let runs = super::super::codes::runs().map(|row| row.code.to_owned());
    assert_eq!(codes, [&changes[..], &findings, &runs].concat());
}
