//! Connector for `scim`: SCIM 2.0 (RFC 7643, RFC 7644), whichever product serves it.
//! Knows its paths, its windows (`startIndex` from 1, `count`) and the order of reading; the shapes are in `shapes`, the paging in
//! `wire::page`, the members that lists leave out in `records`. Reads only.

mod discover;
mod records;
mod reference;
mod shapes;

use super::client::{
    MOST_STRANGERS, SourceClient, empty_report, pages, probed_rows, repeats, report, settle_strangers,
};
use super::decode::{Decoding, Envelope, IdKey, JsonRecord, ListShape, Listed, get, report_apart};
use super::named::{Named, NextPage, PagePosition};
use super::{Probe, ProbeFuture, ProbedList, ReadingFuture, Source, SourceSettings};
use crate::event::Observer;
use crate::model::{Coverage, ListKind, ListReport, Pattern, SourceReading};
use crate::wire::page::{Page, WalkSettings, Window, walk};
use crate::wire::{RequestPlan, WireError, WireErrorKind};
use chrono::Utc;
use serde_json::Value;
use std::cell::Cell;
use std::sync::Arc;

/// RFC 7644 §3.1.
const MEDIA_TYPE: &str = "application/scim+json";
/// Rounds of repair before a list is said to be not proven. Each can read the whole list: ids have no order.
const MAX_PASSES: u32 = 6;

/// RFC 7644 §3.4.2.
struct ListResponse;

impl ListShape for ListResponse {
    const ROWS: &'static str = "Resources";
    const TOTAL: &'static str = "totalResults";
    const SCIM: bool = true;
}

/// RFC 7643 §3.1.
struct ScimId;

impl IdKey for ScimId {
    const KEY: &'static str = "id";
    const CASELESS: bool = true;
}

/// Reads one service provider.
pub(super) struct Scim {
    source_client: SourceClient,
    base: String,
    last_login_path: Option<String>,
    privileged_groups: Vec<Pattern>,
    /// Rows are asked for in the order of their ids, where the provider says that it can sort.
    sorts: Cell<bool>,
    settings: SourceSettings,
}

/// What the provider says of itself (RFC 7643 §5).
#[derive(Clone, Copy, Default)]
struct ScimProvider {
    /// The most rows of one answer.
    most: Option<u64>,
    sorts: bool,
}

impl Scim {
    /// Makes the connector. Errors: the client could not be set up.
    pub(super) fn new(settings: &SourceSettings, observer: Arc<dyn Observer>) -> Result<Self, WireError> {
        let mut settings = settings.clone();
        settings.client.accept = MEDIA_TYPE;
        let source_client = SourceClient::new(&settings, observer, MAX_PASSES)?;
        Ok(Self {
            source_client,
            base: settings.base_path.clone(),
            last_login_path: settings.last_login_path.clone(),
            privileged_groups: settings.privileged_groups.clone(),
            sorts: Cell::new(false),
            settings,
        })
    }

    async fn read(&self) -> SourceReading {
        let (decoding, began) = (Decoding::default(), Utc::now());
        let mut reading = SourceReading::of(self.source_client.identity.clone());
        let provider = match self.provider().await {
            Ok(provider) => provider,
            Err(error) => {
                // What it would have said can be seen from the answers as well.
                reading.warnings.push(format!("its ServiceProviderConfig could not be read: {error}"));
                ScimProvider::default()
            }
        };
        self.sorts.set(provider.sorts);
        let page_size =
            provider.most.map_or(self.source_client.walk.page_size, |most| self.source_client.walk.page_size.min(most));
        let (mut users, report) = self.list(ListKind::Users, "Users", page_size).await;
        let failed = matches!(report.coverage, Coverage::Failed { .. });
        reading.lists.push(report);
        // Without users the groups say nothing; a source that is down is not asked again.
        let mut groups = Vec::new();
        let mut members = records::GroupMembers::default();
        if !failed {
            groups = self.groups(&users, page_size, &mut reading).await;
            members = self.confirm_members(&mut groups, page_size).await;
        }
        reading.lists.extend(members.report);
        let missing = shapes::strangers(&users, &groups);
        let path = format!("{}/Users", self.base);
        let (found, unknown) = self.source_client.strangers::<ScimId>(&path, &missing, MOST_STRANGERS).await;
        settle_strangers(&mut reading, &found, unknown, began, |row| {
            row.record.get_caseless("meta").and_then(|meta| get(meta, "created")).cloned()
        });
        users.extend(found);
        shapes::fill(&mut reading, users, groups, &members.unread, self.last_login_path.as_deref(), &decoding);
        reading.clock_skew_seconds = self.source_client.client.clock_skew_seconds();
        reading.tls_certificate_sha256 = self.source_client.client.tls_certificate_sha256();
        decoding.finish(&mut reading, self.source_client.client.replaced_characters());
        reading
    }

    /// Reads the list of groups. A provider without one, whose users report no groups either, does not offer it.
    async fn groups(&self, users: &[Listed], page_size: u64, reading: &mut SourceReading) -> Vec<Listed> {
        let before = self.source_client.client.requests();
        let first = Window { offset: 0, limit: page_size };
        let look = self.page(&self.path("Groups", first)).await;
        if look.is_err_and(|error| records::is_not_offered(&error)) && !report_groups(users) {
            let requests = self.source_client.client.requests() - before;
            reading.lists.push(empty_report(
                ListKind::Groups,
                self.path("Groups", first),
                requests,
                Coverage::NotOffered,
            ));
            reading.warnings.push(NO_GROUPS.to_owned());
            return Vec::new();
        }
        let (groups, report) = self.list(ListKind::Groups, "Groups", page_size).await;
        reading.lists.push(report);
        groups
    }

    /// Reads what the provider says of itself (RFC 7643 §5).
    async fn provider(&self) -> Result<ScimProvider, WireError> {
        let path = format!("{}/ServiceProviderConfig", self.base);
        let config = self.source_client.client.get::<JsonRecord>(&path).await?;
        let part = |key: &str, name: &str| config.get_caseless(key).and_then(|value| get(value, name)).cloned();
        let number = |value: Value| value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
        let sorts = part("sort", "supported").is_some_and(|flag| flag == Value::Bool(true) || flag == "true");
        Ok(ScimProvider { most: part("filter", "maxResults").and_then(number).filter(|most| *most > 0), sorts })
    }

    async fn list(&self, kind: ListKind, resource: &str, page_size: u64) -> (Vec<Listed>, ListReport) {
        let before = self.source_client.client.requests();
        let settings = WalkSettings { page_size, ..self.source_client.walk };
        let fetch = |window: Window| self.window(resource, window, page_size);
        let walked = walk(settings, fetch, |p| self.source_client.notify(kind, &p)).await;
        let query = self.path(resource, Window { offset: 0, limit: page_size });
        report(kind, query, self.source_client.client.requests() - before, walked)
    }

    /// Reads one window. A server that refuses an order is asked without one, and one that refuses more rows than a page,
    /// instead of giving fewer, is asked for a page.
    async fn window(&self, resource: &str, window: Window, page_size: u64) -> Result<Page<Listed>, WireError> {
        let refuses = |answer: &Result<Page<Listed>, WireError>| {
            answer.as_ref().is_err_and(|error| matches!(error.kind, WireErrorKind::Status(400 | 416 | 422 | 501)))
        };
        let sorted = self.sorts.get();
        let mut answer = self.page(&self.path(resource, window)).await;
        if sorted && refuses(&answer) {
            self.sorts.set(false);
            answer = self.page(&self.path(resource, window)).await;
        }
        if window.limit > page_size && refuses(&answer) {
            answer = self.page(&self.path(resource, Window { limit: page_size, ..window })).await;
        }
        answer
    }

    async fn page(&self, path: &str) -> Result<Page<Listed>, WireError> {
        let answer: Envelope<ListResponse> = self.source_client.client.get(path).await?;
        let mut rows: Vec<Listed> = answer.rows.into_iter().map(|record| Listed::of(record, "id", true)).collect();
        report_apart(rows.iter_mut().map(|row| &mut row.id));
        Ok(Page { rows, total: answer.total })
    }

    /// RFC 7644 §3.4.2.4: `startIndex` counts from 1; §3.4.2.3: `sortBy`.
    fn path(&self, resource: &str, window: Window) -> String {
        let sort = if self.sorts.get() { "&sortBy=id" } else { "" };
        format!("{}/{resource}?startIndex={}&count={}{sort}", self.base, window.offset + 1, window.limit)
    }

    /// Reads the first page of each list and the members of groups, and computes what a run would cost by what they show.
    async fn look(&self) -> Probe {
        let mut plan = RequestPlan::default();
        plan.add("a token and the provider's own description", 2);
        if let Ok(provider) = self.provider().await {
            self.sorts.set(provider.sorts);
        }
        let window = Window { offset: 0, limit: self.source_client.walk.page_size };
        let users = self.window("Users", window, window.limit).await;
        let mut notes = Vec::new();
        let mut lists = vec![shown(ListKind::Users, &users)];
        if let (Ok(first), Some(second)) = (&users, self.second(&users).await) {
            lists[0].page = repeats(&first.rows, &second).map_or(lists[0].page.clone(), Err);
        }
        match &users {
            Ok(page) => {
                plan.add("users", pages(page.total, page.rows.len() as u64));
                self.look_at_groups(&page.rows, window, &mut plan, &mut lists, &mut notes).await;
            }
            Err(error) => notes.extend(discover::settings_that_work(&self.settings, error).await),
        }
        let whole = lists.iter().all(|list| list.page.is_ok());
        let skew = self.source_client.client.clock_skew_seconds();
        Probe { clock_skew_seconds: skew, plan: whole.then_some(plan), notes, ..Probe::of(lists) }
    }

    /// Reads the page behind the first one of the list of users, where the provider reports more rows.
    async fn second(&self, first: &Result<Page<Listed>, WireError>) -> Option<Vec<Listed>> {
        let first = first.as_ref().ok()?;
        let rows = first.rows.len() as u64;
        let window = Window { offset: rows, limit: self.source_client.walk.page_size };
        first.total.filter(|total| *total > rows && rows > 0)?;
        self.page(&self.path("Users", window)).await.ok().map(|page| page.rows)
    }

    async fn look_at_groups(
        &self,
        users: &[Listed],
        window: Window,
        plan: &mut RequestPlan,
        lists: &mut Vec<ProbedList>,
        notes: &mut Vec<String>,
    ) {
        let groups = self.window("Groups", window, window.limit).await;
        if groups.as_ref().is_err_and(records::is_not_offered) && !report_groups(users) {
            notes.push(NO_GROUPS.to_owned());
            return;
        }
        lists.push(shown(ListKind::Groups, &groups));
        let Ok(page) = groups else { return };
        plan.add("groups", pages(page.total, page.rows.len() as u64));
        plan.leave_open();
        let total = page.total;
        let named = self.named(page, window.limit).await;
        if let (Some(why), Some(groups)) = (&named.trouble, lists.last_mut()) {
            groups.page = Err(why.clone());
        }
        let mut groups = named.rows.clone();
        if let Some((tally, differs)) = self.compared(&mut groups, window.limit).await {
            lists.push(tally.probed(&named, total));
            if differs {
                notes.push(
                    "the list of groups leaves out members, or a record does: a run reads the record of every group"
                        .to_owned(),
                );
            }
        }
    }

    /// Returns the groups that a check looks at, beginning with the first page of their list.
    async fn named(&self, first: Page<Listed>, limit: u64) -> Named {
        let next = |place: PagePosition| async move {
            let page = self.window("Groups", Window { offset: place.rows, limit }, limit).await?;
            let behind = behind(&page, place.rows, limit);
            Ok((page.rows, behind))
        };
        let behind = behind(&first, 0, limit);
        Named::read(ListKind::Groups, (first.rows, behind), next).await
    }
}

/// Returns what follows a page that begins behind `offset` rows. A full page may be as long as the total, where that is the page's.
fn behind(page: &Page<Listed>, offset: u64, limit: u64) -> NextPage {
    let rows = page.rows.len() as u64;
    match page.total {
        _ if rows == 0 => NextPage::Nothing,
        Some(total) if total > offset + rows => NextPage::More,
        _ if rows >= limit => NextPage::More,
        Some(_) => NextPage::Nothing,
        None => NextPage::Perhaps,
    }
}

/// What a provider without a list of groups means.
const NO_GROUPS: &str = "the provider offers no list of groups, and its users report none: memberships are unknown, and rules about groups do not run";

fn shown(kind: ListKind, page: &Result<Page<Listed>, WireError>) -> ProbedList {
    probed_rows(kind, page.as_ref().map(|page| (&page.rows[..], page.total)))
}

/// Returns whether some user's own record reports groups.
fn report_groups(users: &[Listed]) -> bool {
    users.iter().any(|user| user.record.get_caseless("groups").is_some_and(|groups| !groups.is_null()))
}

impl Source for Scim {
    fn read_all(&self) -> ReadingFuture<'_> {
        Box::pin(self.read())
    }

    fn probe(&self) -> ProbeFuture<'_> {
        Box::pin(self.look())
    }
}
