//! Pages of the Configuration API: `per_page`, `current_page` and filters. A page is a bare array; its headers report
//! the page number, the page size, the total and links to the other pages.

use super::super::{json_response, set_header};
use super::message;
use crate::dialect::{Dialect, offset_of_users};
use crate::faults::Faults;
use crate::record::Record;
use axum::extract::Query;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::response::Response;
use serde_json::Value;
use std::collections::BTreeSet;

/// Default and maximum page size of the product.
const PER_PAGE: usize = 100;

/// The query of a list, with the page size that is granted.
pub(super) struct ConfigPageQuery {
    path: String,
    per_page: usize,
    page: usize,
    filters: Vec<(String, String)>,
    reports_total: bool,
    reports_paging: bool,
    dialects: BTreeSet<Dialect>,
}

impl ConfigPageQuery {
    /// Reads the query of a list. `documented` names the filters of the product.
    ///
    /// Errors: an unknown parameter is answered with 401 without a challenge, as the product does; a bad number with
    /// 422.
    #[expect(clippy::result_large_err, reason = "the error is the response, made once per request")]
    pub(super) fn read(uri: &Uri, documented: &[&str], faults: &Faults) -> Result<Self, Response> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri).map_or_else(|_| Vec::new(), |Query(pairs)| pairs);
        let mut wanted = Self {
            path: uri.path().to_owned(),
            per_page: PER_PAGE,
            page: 1,
            filters: Vec::new(),
            reports_total: !faults.no_total,
            reports_paging: !faults.no_page_headers,
            dialects: faults.dialects.clone(),
        };
        for (key, value) in pairs {
            match key.as_str() {
                "per_page" => wanted.per_page = number(&key, &value)?.min(PER_PAGE),
                "current_page" => wanted.page = number(&key, &value)?,
                filter if documented.contains(&filter) => wanted.filters.push((key, value)),
                _ => return Err(message(StatusCode::UNAUTHORIZED, &format!("unknown parameter: {key}"))),
            }
        }
        // The number of pages is a division by this; a clamp of 0 must not reach it.
        wanted.per_page = wanted.per_page.min(faults.page_clamp.unwrap_or(PER_PAGE).max(1));
        if faults.ignore_offset {
            wanted.page = 1;
        }
        Ok(wanted)
    }

    /// Returns the number of rows before the page.
    fn offset(&self) -> usize {
        let offset = (self.page - 1).saturating_mul(self.per_page);
        if self.path.ends_with("/api/config/v1/user") { offset_of_users(&self.dialects, offset) } else { offset }
    }

    pub(super) fn is_filtered(&self) -> bool {
        !self.filters.is_empty()
    }

    /// Returns whether a row passes the filters. A filter compares the whole text and ignores case.
    pub(super) fn matches(&self, row: &Record) -> bool {
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

    /// Returns the `Link` header (RFC 8288).
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

    fn set_headers(&self, headers: &mut HeaderMap, total: usize) {
        if !self.reports_paging {
            return;
        }
        let last = total.div_ceil(self.per_page).max(1);
        set_header(headers, HeaderName::from_static("x-bt-pagination-current-page"), &self.page.to_string());
        set_header(headers, HeaderName::from_static("x-bt-pagination-per-page"), &self.per_page.to_string());
        if self.reports_total {
            set_header(headers, HeaderName::from_static("x-bt-pagination-last-page"), &last.to_string());
            set_header(headers, HeaderName::from_static("x-bt-pagination-total"), &total.to_string());
        }
        set_header(headers, header::LINK, &self.links(last));
    }
}

/// Answers with the requested page. Only its rows are made.
pub(super) fn response<T>(rows: Vec<T>, make: impl FnMut(T) -> Record, wanted: &ConfigPageQuery) -> Response {
    let total = rows.len();
    let skipped = wanted.offset();
    let page: Vec<Value> = rows.into_iter().skip(skipped).take(wanted.per_page).map(make).map(Value::Object).collect();
    let mut response = json_response(StatusCode::OK, &Value::Array(page));
    wanted.set_headers(response.headers_mut(), total);
    response
}

#[expect(clippy::result_large_err, reason = "the error is the response, made once per request")]
fn number(key: &str, value: &str) -> Result<usize, Response> {
    let number = value.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| message(StatusCode::UNPROCESSABLE_ENTITY, &format!("{key} must be 1 or more")))
}

/// Percent-encodes everything but unreserved characters (RFC 3986 §2.1).
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}
