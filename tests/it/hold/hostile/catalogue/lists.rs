//! Lists that are well-formed and wrong: rows left out, repeated or moved, totals, ids and keys that contradict the rows.

use super::{Answer, Applies, Misbehaviour, Turn};
use crate::hold::hostile::answer::{Request, rows, set_total, total};
use fastrand::Rng;
use serde_json::{Value, json};

const fn at(name: &'static str, make: fn(Turn<'_>) -> Answer) -> Misbehaviour {
    Misbehaviour::new(name, Applies::Lists, make)
}

const fn totalled(name: &'static str, make: fn(Turn<'_>) -> Answer) -> Misbehaviour {
    Misbehaviour::new(name, Applies::Totals, make)
}

pub(super) const ALL: [Misbehaviour; 28] = [
    // Without a total, nothing contradicts a row that is left out. So these two need one.
    totalled("rows-left-out", |turn| {
        edited(turn, |rows, rng| {
            let kept = rng.usize(..rows.len());
            let left_out = rng.usize(kept..rows.len());
            rows.drain(kept..=left_out);
        })
    }),
    totalled("rows-of-the-next-page", |turn| {
        let next = Request { target: next_page(&turn.request.target), ..turn.request.clone() };
        next.send(turn.upstream).unwrap_or(turn.honest)
    }),
    totalled("last-row-left-out", |turn| edited(turn, |rows, _| drop(rows.pop()))),
    at("page-repeated", |turn| turn.earlier.unwrap_or(turn.honest)),
    at("rows-shuffled", |turn| edited(turn, |rows, rng| rng.shuffle(rows))),
    at("rows-reversed", |turn| edited(turn, |rows, _| rows.reverse())),
    at("row-twice", |turn| {
        edited(turn, |rows, rng| {
            let row = rows[rng.usize(..rows.len())].clone();
            rows.push(row);
        })
    }),
    at("row-twice-with-other-fields", |turn| {
        edited(turn, |rows, rng| {
            let mut row = rows[rng.usize(..rows.len())].clone();
            set_name(&mut row, "Somebody else");
            rows.insert(rng.usize(..=rows.len()), row);
        })
    }),
    at("row-is-null", |turn| edited(turn, |rows, rng| rows.insert(rng.usize(..=rows.len()), Value::Null))),
    at("row-is-a-number", |turn| edited(turn, |rows, rng| rows.insert(rng.usize(..=rows.len()), json!(7)))),
    at("row-without-an-id", |turn| {
        edited(turn, |rows, rng| rows.insert(rng.usize(..=rows.len()), json!({"name": "x"})))
    }),
    at("id-is-null", |turn| one_id(turn, |_| Value::Null)),
    at("id-is-an-object", |turn| one_id(turn, |id| json!({"value": id}))),
    at("id-is-true", |turn| one_id(turn, |_| json!(true))),
    at("ids-as-text", |turn| {
        edited(turn, |rows, _| {
            for row in rows {
                change_id(row, |id| json!(id.as_str().map_or(id.to_string(), str::to_owned)));
            }
        })
    }),
    at("keys-in-capitals", |mut turn| {
        let value = turn.honest.value().map(|value| capitals(&value));
        turn.honest.body = value.map_or(turn.honest.body, |value| value.to_string().into_bytes());
        turn.honest
    }),
    at("names-with-controls", |turn| {
        edited(turn, |rows, rng| {
            let place = rng.usize(..rows.len());
            set_name(&mut rows[place], "x\u{1b}[2J\r\nroll call 1: published, complete\u{202e}\u{0}\u{9b}");
        })
    }),
    at("total-of-the-page", |mut turn| {
        let mut value = turn.honest.value().unwrap_or_default();
        let count = rows(&mut value).map_or(0, |rows| rows.len());
        turn.honest = set_total(turn.honest, &count.to_string());
        turn.honest
    }),
    at("total-zero", |turn| set_total(turn.honest, "0")),
    at("total-one-more", |turn| {
        let total = total(&turn.honest).unwrap_or(0);
        set_total(turn.honest, &(total + 1).to_string())
    }),
    at("total-huge", |turn| set_total(turn.honest, "9223372036854775808")),
    at("total-beyond-64-bits", |turn| set_total(turn.honest, "1e400")),
    at("total-negative", |turn| set_total(turn.honest, "-1")),
    at("total-is-text", |turn| set_total(turn.honest, "\"many\"")),
    at("link-to-another-host", |turn| {
        turn.honest.replacing("Link", "<https://evil.example.invalid/api/config/v1/user?current_page=2>; rel=\"next\"")
    }),
    at("another-page-number", |turn| turn.honest.replacing("X-BT-Pagination-Current-Page", "9")),
    at("another-last-page", |turn| turn.honest.replacing("X-BT-Pagination-Last-Page", "99999999999")),
    at("another-page-size", |turn| turn.honest.replacing("X-BT-Pagination-Per-Page", "1")),
];

/// Leaves the first row of each list out, and out of its total: a lie that no program can detect. The checks must find it.
pub(super) const UNDETECTABLE: Misbehaviour = totalled("row-and-its-total-left-out", |turn| {
    let total = total(&turn.honest).unwrap_or(1);
    let turn = Turn { honest: set_total(turn.honest, &total.saturating_sub(1).to_string()), ..turn };
    let is_first =
        ["offset=0", "startIndex=1&", "current_page=1"].iter().any(|first| turn.request.target.contains(first));
    if is_first { edited(turn, |rows, _| drop(rows.remove(0))) } else { turn.honest }
});

/// Changes the rows of a list that is not empty.
fn edited(mut turn: Turn<'_>, change: impl FnOnce(&mut Vec<Value>, &mut Rng)) -> Answer {
    let Some(mut value) = turn.honest.value() else { return turn.honest };
    if let Some(rows) = rows(&mut value).filter(|rows| !rows.is_empty()) {
        change(rows, &mut turn.rng);
        turn.honest.body = value.to_string().into_bytes();
    }
    turn.honest
}

/// Changes the id of one row.
fn one_id(turn: Turn<'_>, change: impl Fn(&Value) -> Value) -> Answer {
    edited(turn, |rows, rng| {
        let place = rng.usize(..rows.len());
        change_id(&mut rows[place], change);
    })
}

fn change_id(row: &mut Value, change: impl Fn(&Value) -> Value) {
    let Some(fields) = row.as_object_mut() else { return };
    for key in ["id", "UserID", "GroupID"] {
        if let Some(id) = fields.get_mut(key) {
            *id = change(id);
        }
    }
}

/// Sets the names that a row has and that nothing is evaluated by.
fn set_name(row: &mut Value, name: &str) {
    let Some(fields) = row.as_object_mut() else { return };
    for key in ["display_name", "displayName", "public_display_name", "LastName"] {
        if let Some(value) = fields.get_mut(key).filter(|value| value.is_string()) {
            *value = json!(name);
        }
    }
}

/// Writes every key in capitals, also below rows.
fn capitals(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(capitals).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.to_uppercase(), capitals(value))).collect(),
        other => other.clone(),
    }
}

/// Returns the target of the next page: the same query with a later offset, start or page number.
fn next_page(target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let number = |wanted: &str| -> Option<u64> {
        query.split('&').find_map(|pair| pair.strip_prefix(wanted)?.strip_prefix('=')?.parse().ok())
    };
    let size = number("limit").or(number("count")).unwrap_or(1);
    let later = |pair: &str| match pair.split_once('=') {
        Some((key @ ("offset" | "startIndex"), value)) => format!("{key}={}", value.parse().unwrap_or(0) + size),
        Some((key @ "current_page", value)) => format!("{key}={}", value.parse().unwrap_or(0_u64) + 1),
        _ => pair.to_owned(),
    };
    format!("{path}?{}", query.split('&').map(later).collect::<Vec<_>>().join("&"))
}
