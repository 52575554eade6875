//! What stands told as the lines of a snapshot's file: one JSON object an event. Pure.

use super::Heard;
use crate::model::{Change, ChangeKind, ChangedGroup, Fingerprint, Subject, SubjectKind};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io::{self, BufWriter, Write};

/// The columns of the table of changes, but `run` told it, and the group of a membership.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    run: Cow<'a, str>,
    source: Cow<'a, str>,
    event_id: Cow<'a, str>,
    kind: Cow<'a, str>,
    subject_kind: Cow<'a, str>,
    subject_id: Cow<'a, str>,
    subject_name: Option<Cow<'a, str>>,
    field: Option<Cow<'a, str>>,
    before: Option<Cow<'a, str>>,
    after: Option<Cow<'a, str>>,
    group: Option<Group<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Group<'a> {
    id: Cow<'a, str>,
    name: Option<Cow<'a, str>>,
    privileged: bool,
}

impl Heard {
    /// One JSON object a line, in one order.
    pub fn write_lines(&self, out: impl Write) -> io::Result<()> {
        let mut out = BufWriter::new(out);
        for event in self.events() {
            serde_json::to_writer(&mut out, &line(event))?;
            out.write_all(b"\n")?;
        }
        out.flush()
    }

    /// Reads what [`Heard::write_lines`] writes; the error names the line.
    pub fn read(text: &str) -> Result<Self, String> {
        let read = |(text, number): (&str, usize)| {
            let line: Result<Line<'_>, String> = serde_json::from_str(text).map_err(|error| error.to_string());
            line.and_then(event).map_err(|why| format!("line {number}: {why}"))
        };
        text.lines().zip(1..).map(read).collect::<Result<Vec<Change>, String>>().map(Self::of)
    }
}

fn line(event: &Change) -> Line<'_> {
    Line {
        run: (&*event.base_run).into(),
        source: event.source.as_str().into(),
        event_id: event.event_id.to_string().into(),
        kind: ChangeKind::as_str(event.kind).into(),
        subject_kind: SubjectKind::as_str(event.subject.kind).into(),
        subject_id: (&*event.subject.id).into(),
        subject_name: event.subject.name.as_deref().map(Cow::Borrowed),
        field: event.field.as_deref().map(Cow::Borrowed),
        before: event.before.as_deref().map(Cow::Borrowed),
        after: event.after.as_deref().map(Cow::Borrowed),
        group: event.group.as_ref().map(|group| Group {
            id: group.id.as_str().into(),
            name: group.name.as_deref().map(Cow::Borrowed),
            privileged: group.privileged,
        }),
    }
}

fn event(line: Line<'_>) -> Result<Change, String> {
    let unknown = |what: &str| format!("{what:?} is nothing that this version knows");
    let text = |text: Option<Cow<'_, str>>| text.map(|text| Box::from(&*text));
    Ok(Change {
        source: (&*line.source).into(),
        event_id: Fingerprint::parse(&line.event_id).ok_or_else(|| unknown(&line.event_id))?,
        kind: ChangeKind::parse(&line.kind).ok_or_else(|| unknown(&line.kind))?,
        subject: Subject {
            kind: SubjectKind::parse(&line.subject_kind).ok_or_else(|| unknown(&line.subject_kind))?,
            id: (&*line.subject_id).into(),
            name: text(line.subject_name),
        },
        field: text(line.field),
        before: text(line.before),
        after: text(line.after),
        base_run: (&*line.run).into(),
        group: line.group.map(|group| ChangedGroup {
            id: (&*group.id).into(),
            name: text(group.name),
            privileged: group.privileged,
        }),
    })
}
