//! Pages of the Configuration API: `per_page`, `current_page`, filters; a bare array, and headers that tell where it stands.

use super::super::super::faults::Faults;
use super::super::super::world::Record;
use super::super::json_answer;
use super::message;
use axum::extract::Query;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use serde_json::Value;

/// Default and maximum at once.
const PER_PAGE: usize = 100;

/// What a list was asked for, as far as it is granted.
pub(super) struct ConfigPageQuery {
    path: String,
    per_page: usize,
    page: usize,
    filters: Vec<(String, String)>,
    reports_total: bool,
    reports_anything: bool,
}

impl ConfigPageQuery {
    /// `reported`: the filters that are documented. An unknown parameter is answered with 401, and no challenge.
    #[expect(clippy::result_large_err, reason = "the refusal is the answer; made once a request")]
    pub(super) fn read(uri: &Uri, reported: &[&str], faults: &Faults) -> Result<Self, Response> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri).map_or_else(|_| Vec::new(), |Query(pairs)| pairs);
        let mut wanted = Self {
            path: uri.path().to_owned(),
            per_page: PER_PAGE,
            page: 1,
            filters: Vec::new(),
            reports_total: !faults.no_total,
            reports_anything: !faults.no_page_headers,
        };
        for (key, value) in pairs {
            match key.as_str() {
                "per_page" => wanted.per_page = number(&key, &value)?.min(PER_PAGE),
                "current_page" => wanted.page = number(&key, &value)?,
                filter if reported.contains(&filter) => wanted.filters.push((key, value)),
                _ => return Err(message(StatusCode::UNAUTHORIZED, &format!("unknown parameter: {key}"))),
            }
        }
        wanted.per_page = wanted.per_page.min(faults.page_clamp.unwrap_or(PER_PAGE).max(1));
        if faults.ignore_offset {
            wanted.page = 1;
        }
        Ok(wanted)
    }

    pub(super) fn is_filtered(&self) -> bool {
        !self.filters.is_empty()
    }

    /// Whether a row passes the filters: the whole text, letters' case apart.
    pub(super) fn lets(&self, row: &Record) -> bool {
        self.filters.iter().all(|(key, wanted)| match row.get(key) {
            Some(Value::String(text)) => text.to_lowercase() == wanted.to_lowercase(),
            Some(Value::Number(number)) => wanted.parse().is_ok_and(|wanted: u64| number.as_u64() == Some(wanted)),
            _ => false,
        })
    }

    fn link(&self, page: usize, rel: &str) -> String {
        let (path, per_page) = (&self.path, self.per_page);
        let mut link = format!("<{path}?per_page={per_page}&current_page={page}");
        for (key, value) in &self.filters {
            link.extend(["&", key, "=", &encoded(value)]);
        }
        link + &format!(">; rel=\"{rel}\"")
    }

    /// RFC 8288.
    fn links(&self, last: usize) -> String {
        let mut links = vec![self.link(1, "first")];
        if self.page > 1 {
            links.push(self.link(self.page - 1, "previous"));
        }
        if self.page < last {
            links.push(self.link(self.page + 1, "next"));
        }
        links.push(self.link(last, "last"));
        links.join(", ")
    }

    fn report(&self, headers: &mut HeaderMap, total: usize) {
        if !self.reports_anything {
            return;
        }
        let last = total.div_ceil(self.per_page).max(1);
        put(headers, HeaderName::from_static("x-bt-pagination-current-page"), &self.page.to_string());
        put(headers, HeaderName::from_static("x-bt-pagination-per-page"), &self.per_page.to_string());
        if self.reports_total {
            put(headers, HeaderName::from_static("x-bt-pagination-last-page"), &last.to_string());
            put(headers, HeaderName::from_static("x-bt-pagination-total"), &total.to_string());
        }
        put(headers, header::LINK, &self.links(last));
    }
}

/// The page that is wanted; only its rows are made.
pub(super) fn of<T>(rows: Vec<T>, make: impl FnMut(T) -> Record, wanted: &ConfigPageQuery) -> Response {
    let total = rows.len();
    let skipped = (wanted.page - 1).saturating_mul(wanted.per_page);
    let page: Vec<Value> = rows.into_iter().skip(skipped).take(wanted.per_page).map(make).map(Value::Object).collect();
    let mut response = json_answer(StatusCode::OK, &Value::Array(page));
    wanted.report(response.headers_mut(), total);
    response
}

#[expect(clippy::result_large_err, reason = "the refusal is the answer; made once a request")]
fn number(key: &str, value: &str) -> Result<usize, Response> {
    let least_one = value.parse().ok().filter(|number| *number > 0);
    least_one.ok_or_else(|| message(StatusCode::UNPROCESSABLE_ENTITY, &format!("{key} must be a number from 1 on")))
}

/// RFC 3986 §2.1, of everything but unreserved characters.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// All values are digits and encoded addresses: never refused.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
