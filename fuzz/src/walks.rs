//! Page walks over a list that the input drives.
//!
//! The first byte chooses the walk and the server. A hostile server returns any rows and totals. The walk must end, at
//! the latest when the budget is used up. An honest server returns a list in the order of its keys, which changes
//! between two answers. A row that exists during the whole walk is in the result, or the list is not proven complete.

use bt_rollcall::wire::page::numbered::{NumberedPage, PageMetadata, PageRequest, PageSource, walk_numbered};
use bt_rollcall::wire::page::{End, ListRow, Page, PageError, WalkResult, WalkSettings, Window, walk};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

/// Answers before the budget is used up: then every request fails.
const BUDGET: u32 = 5_000;

#[derive(PartialEq)]
struct Row(u16, bool);

impl ListRow for Row {
    type Key = u16;

    fn key(&self) -> &u16 {
        &self.0
    }

    fn is_identified(&self) -> bool {
        self.0 != 0xff
    }

    fn id_text(key: &u16) -> String {
        key.to_string()
    }

    fn content(&self) -> String {
        self.1.to_string()
    }
}

/// Why a page could not be read.
struct Failure {
    why: &'static str,
    is_no_page: bool,
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.why)
    }
}

impl PageError for Failure {
    fn is_no_page(&self) -> bool {
        self.is_no_page
    }
}

/// Bytes of the input, again and again.
struct Bytes<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let byte = self.data.get(self.at % self.data.len().max(1)).copied().unwrap_or_default();
        self.at += 1;
        byte
    }
}

struct Server<'a> {
    bytes: Bytes<'a>,
    is_honest: bool,
    /// Whether new rows get the greatest keys, which walks by page number require.
    appends: bool,
    /// Keys of the list.
    list: BTreeSet<u16>,
    /// Keys that were in the list all the time.
    lasting: BTreeSet<u16>,
    /// Greatest key so far.
    newest: u16,
    /// Largest number of rows in an answer.
    clamp: usize,
    answers: u32,
}

impl Server<'_> {
    /// Returns the rows of an answer and its total. The error is a budget that is used up.
    fn answer(&mut self, offset: u64, limit: u64) -> Result<(Vec<Row>, Option<u64>), Failure> {
        self.answers += 1;
        // Requests that are in flight at the first error may still be sent.
        assert!(self.answers <= BUDGET + 8, "the walk ends with the first error");
        if self.answers > BUDGET {
            return Err(Failure { why: "the budget is used up", is_no_page: false });
        }
        if self.is_honest {
            return Ok(self.honest(offset, limit));
        }
        match self.bytes.next() {
            0xfe => Err(Failure { why: "no such page", is_no_page: true }),
            0xff => Err(Failure { why: "refused", is_no_page: false }),
            _ => Ok(self.hostile(limit)),
        }
    }

    fn honest(&mut self, offset: u64, limit: u64) -> (Vec<Row>, Option<u64>) {
        // Changes end with the input, so that a proof is possible.
        while self.bytes.at < self.bytes.data.len() {
            let (change, key) = (self.bytes.next(), u16::from(self.bytes.next()));
            match change % 4 {
                0 => {
                    self.newest += 1;
                    self.list.insert(if self.appends { self.newest } else { key });
                }
                1 => {
                    self.list.remove(&key);
                    self.lasting.remove(&key);
                }
                _ => break,
            }
        }
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(self.clamp);
        let rows = self.list.iter().skip(offset).take(limit).map(|key| Row(*key, true)).collect();
        (rows, Some(self.list.len() as u64))
    }

    fn hostile(&mut self, limit: u64) -> (Vec<Row>, Option<u64>) {
        let count = match self.bytes.next() {
            byte if byte < 0x80 => u64::from(byte % 8),
            byte if byte < 0xf0 => limit,
            _ => 40,
        };
        let rows = (0..count).map(|_| Row(u16::from(self.bytes.next()), self.bytes.at % 2 == 0)).collect();
        (rows, self.number())
    }

    /// Returns a total or another number: absent, small or absurd.
    fn number(&mut self) -> Option<u64> {
        match self.bytes.next() {
            0 => None,
            byte if byte < 0xe0 => Some(u64::from(byte) - 1),
            byte if byte < 0xf0 => Some(1 << (byte % 64)),
            byte => Some(u64::MAX - u64::from(byte % 4)),
        }
    }

    fn metadata(&mut self, total: Option<u64>, at: PageRequest, rows: usize) -> PageMetadata {
        if self.is_honest {
            return PageMetadata { total, current: Some(at.number), ..PageMetadata::default() };
        }
        match self.bytes.next() % 4 {
            0 => PageMetadata { total, ..PageMetadata::default() },
            1 => PageMetadata { total, current: Some(at.number), size: Some(rows as u64), ..PageMetadata::default() },
            _ => PageMetadata {
                total,
                last: self.number(),
                current: self.number(),
                size: self.number(),
                next: [None, Some(true), Some(false)][usize::from(self.bytes.next() % 3)],
            },
        }
    }
}

/// Walks over the list that the input describes.
pub(crate) fn walks(data: &[u8]) -> String {
    let (&head, data) = data.split_first().unwrap_or((&0, data));
    let (&sizes, data) = data.split_first().unwrap_or((&0, data));
    let is_honest = head & 1 == 1;
    let settings = WalkSettings {
        page_size: u64::from(sizes % 8) + 1,
        concurrency: usize::from(sizes / 8 % 4) + 1,
        max_passes: u32::from(sizes / 32) + 1,
    };
    let clamp = if head & 4 == 4 { usize::from(head / 8) + 1 } else { usize::MAX };
    let appends = head & 2 == 2;
    let list: BTreeSet<u16> = (0..u16::from(head & 0xf0)).collect();
    let lasting = list.clone();
    let bytes = Bytes { data, at: 0 };
    let server = RefCell::new(Server { bytes, is_honest, appends, list, lasting, newest: 0xff, clamp, answers: 0 });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    let walked: WalkResult<Row, Failure> = runtime.block_on(async {
        if appends {
            let fetch = |at: PageRequest| {
                let mut server = server.borrow_mut();
                let answer = server.answer(at.number.saturating_sub(1).saturating_mul(at.size), at.size);
                std::future::ready(answer.map(|(rows, total)| {
                    let metadata = server.metadata(total, at, rows.len());
                    NumberedPage { rows, metadata }
                }))
            };
            let looks_behind = sizes & 1 == 1;
            walk_numbered(settings, PageSource { first: None, fetch, looks_behind }, |_| {}).await
        } else {
            let fetch = |window: Window| {
                let answer = server.borrow_mut().answer(window.offset, window.limit);
                std::future::ready(answer.map(|(rows, total)| Page { rows, total }))
            };
            walk(settings, fetch, |_| {}).await
        }
    });
    let server = server.into_inner();
    let received: BTreeSet<u16> = walked.rows.iter().map(|row| *row.key()).collect();
    assert_eq!(received.len(), walked.rows.len(), "each row is in the result once");
    let (proven, words) = match &walked.end {
        Ok(End::Proven(proof)) => (true, proof.clone()),
        Ok(End::Unproven(why)) => (false, why.clone()),
        Err(error) => (false, error.to_string()),
    };
    assert!(
        !is_honest || !proven || server.lasting.is_subset(&received),
        "a row is missing from a proven list: {words}"
    );
    format!("{head} {proven} {words}")
}
