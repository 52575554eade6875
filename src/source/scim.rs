//! Connector for `scim`: SCIM 2.0 (RFC 7643, RFC 7644) of any provider. Reads only.
//!
//! Knows the paths, the windows (`startIndex` from 1, and `count`) and the order of reading: `ServiceProviderConfig`,
//! users, groups, then records of groups. The mapping of JSON to the model is in `shapes`, and page walks are in
//! `wire::page`. Members that the list of groups omits are read in `records`. `discover` searches for paths that work,
//! for `check --online` only.

mod discover;
mod records;
mod reference;
mod shapes;

use super::client::{
    MAX_UNLISTED_LOOKUPS, SourceClient, apply_unlisted_users, empty_report, pages, probed_rows, read_window,
    refuses_query, repeats, report,
};
use super::decode::{Decoding, Envelope, IdKey, JsonRecord, ListShape, Listed, get};
use super::object_sample::{NextPage, ObjectSample, PagePosition};
use super::{Probe, ProbeFuture, ProbedList, ReadingFuture, Source, SourceSettings};
use crate::event::Observer;
use crate::model::{Coverage, ListKind, ListReport, Pattern, SourceReading};
use crate::wire::page::{Page, WalkSettings, Window, walk};
use crate::wire::{RequestPlan, WireError};
use chrono::Utc;
use serde_json::Value;
use std::cell::Cell;
use std::sync::Arc;

/// Media type of requests and answers (RFC 7644 §3.1).
const MEDIA_TYPE: &str = "application/scim+json";
/// Maximum number of repair rounds before a list counts as not proven. Each round can read the whole list, because ids
/// have no order.
const MAX_PASSES: u32 = 6;

/// Envelope of a SCIM list (RFC 7644 §3.4.2).
struct ListResponse;

impl ListShape for ListResponse {
    const ROWS: &'static str = "Resources";
    const TOTAL: &'static str = "totalResults";
    const SCIM: bool = true;
}

/// Id of a SCIM resource (RFC 7643 §3.1).
struct ScimId;

impl IdKey for ScimId {
    const KEY: &'static str = "id";
    const CASELESS: bool = true;
}

/// Connector of one SCIM provider.
pub(super) struct Scim {
    source_client: SourceClient,
    base: String,
    last_login_path: Option<String>,
    privileged_groups: Vec<Pattern>,
    /// Whether rows are requested in the order of their ids. Set from `ServiceProviderConfig`, and cleared if a request
    /// is refused.
    sorts: Cell<bool>,
    settings: SourceSettings,
}

/// Capabilities in `ServiceProviderConfig` (RFC 7643 §5).
#[derive(Clone, Copy, Default)]
struct ScimProvider {
    /// Maximum number of rows per answer.
    max_results: Option<u64>,
    sorts: bool,
}

impl Scim {
    /// Builds the connector. Errors: the HTTP client could not be built.
    pub(super) fn new(settings: &SourceSettings, observer: Arc<dyn Observer>) -> Result<Self, WireError> {
        let mut settings = settings.clone();
        settings.client.accept = MEDIA_TYPE;
        let source_client = SourceClient::new(&settings, observer, MAX_PASSES)?;
        Ok(Self {
            source_client,
            base: settings.base_path.clone(),
            last_login_path: settings.last_login_path.clone(),
            privileged_groups: settings.privileged_groups.clone(),
            // A `Cell`, because several windows are read at the same time, on one thread.
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
                // The capabilities only save requests. Without them, refused requests show the limits of the provider.
                reading.notes.push(format!("the ServiceProviderConfig could not be read: {error}"));
                ScimProvider::default()
            }
        };
        self.sorts.set(provider.sorts);
        let page_size = self.source_client.walk.page_size;
        let page_size = provider.max_results.map_or(page_size, |most| page_size.min(most));
        let (mut users, report) = self.list(ListKind::Users, "Users", page_size).await;
        let failed = matches!(report.coverage, Coverage::Failed { .. });
        reading.lists.push(report);
        // If the list of users failed, groups have nobody to refer to, and a source that is down is not asked again.
        let mut groups = Vec::new();
        let mut members = records::GroupMembers::default();
        if !failed {
            groups = self.groups(&users, page_size, &mut reading).await;
            members = self.confirm_members(&mut groups, page_size).await;
        }
        reading.lists.extend(members.report);
        let missing = shapes::unlisted_users(&users, &groups);
        let path = format!("{}/Users", self.base);
        let (found, unknown) =
            self.source_client.read_unlisted_users::<ScimId>(&path, &missing, MAX_UNLISTED_LOOKUPS).await;
        apply_unlisted_users(&mut reading, &found, unknown, began, |row| {
            row.record.get_caseless("meta").and_then(|meta| get(meta, "created")).cloned()
        });
        users.extend(found);
        shapes::fill(&mut reading, users, groups, &members.unread, self.last_login_path.as_deref(), &decoding);
        self.source_client.finish(reading, &decoding)
    }

    /// Reads the list of groups. It is not offered if it answers "not found" and the users report no groups either.
    async fn groups(&self, users: &[Listed], page_size: u64, reading: &mut SourceReading) -> Vec<Listed> {
        let before = self.source_client.client.requests();
        let first = Window { offset: 0, limit: page_size };
        // Before the walk, which would report a missing list as a failed one.
        let answer = self.page("Groups", first).await;
        if answer.is_err_and(|error| records::is_not_offered(&error)) && !report_groups(users) {
            let requests = self.source_client.client.requests() - before;
            reading.lists.push(empty_report(
                ListKind::Groups,
                self.path("Groups", first),
                requests,
                Coverage::NotOffered,
            ));
            reading.notes.push(NO_GROUPS.to_owned());
            return Vec::new();
        }
        let (groups, report) = self.list(ListKind::Groups, "Groups", page_size).await;
        reading.lists.push(report);
        groups
    }

    /// Reads the capabilities of the provider (RFC 7643 §5). Booleans and numbers may be texts.
    async fn provider(&self) -> Result<ScimProvider, WireError> {
        let path = format!("{}/ServiceProviderConfig", self.base);
        let config = self.source_client.client.get::<JsonRecord>(&path).await?;
        let part = |key: &str, name: &str| config.get_caseless(key).and_then(|value| get(value, name)).cloned();
        let number = |value: Value| value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
        let sorts = part("sort", "supported").is_some_and(|flag| flag == Value::Bool(true) || flag == "true");
        let max_results = part("filter", "maxResults").and_then(number).filter(|most| *most > 0);
        Ok(ScimProvider { max_results, sorts })
    }

    /// Reads a list by a page walk.
    async fn list(&self, kind: ListKind, resource: &str, page_size: u64) -> (Vec<Listed>, ListReport) {
        let before = self.source_client.client.requests();
        let settings = WalkSettings { page_size, ..self.source_client.walk };
        let fetch = |window: Window| self.window(resource, window, page_size);
        let walked = walk(settings, fetch, |p| self.source_client.notify(kind, &p)).await;
        let query = self.path(resource, Window { offset: 0, limit: page_size });
        report(kind, query, self.source_client.client.requests() - before, walked)
    }

    /// Reads one window. If the server refuses the order, reads without one, now and from now on.
    async fn window(&self, resource: &str, window: Window, page_size: u64) -> Result<Page<Listed>, WireError> {
        let read = |window: Window| self.page(resource, window);
        if self.sorts.get() {
            let answer = read(window).await;
            if !answer.as_ref().is_err_and(refuses_query) {
                return answer;
            }
            self.sorts.set(false);
        }
        read_window(window, page_size, read).await
    }

    async fn page(&self, resource: &str, window: Window) -> Result<Page<Listed>, WireError> {
        let path = self.path(resource, window);
        let answer: Envelope<ListResponse> = self.source_client.client.get_page(&path, window.limit).await?;
        Ok(Page { rows: Listed::all(answer.rows, ScimId::KEY, ScimId::CASELESS), total: answer.total })
    }

    /// Returns the path of a window: `startIndex` counts from 1 (RFC 7644 §3.4.2.4), and `sortBy` sets the order
    /// (§3.4.2.3).
    fn path(&self, resource: &str, window: Window) -> String {
        let sort = if self.sorts.get() { "&sortBy=id" } else { "" };
        format!("{}/{resource}?startIndex={}&count={}{sort}", self.base, window.offset.saturating_add(1), window.limit)
    }

    /// Reads the first page of each list and the members of groups, and estimates the requests of a run.
    async fn probe_lists(&self) -> Probe {
        let mut plan = RequestPlan::default();
        plan.add("a token and ServiceProviderConfig", 2);
        if let Ok(provider) = self.provider().await {
            self.sorts.set(provider.sorts);
        }
        let window = Window { offset: 0, limit: self.source_client.walk.page_size };
        let users = self.window("Users", window, window.limit).await;
        let mut notes = Vec::new();
        let mut lists = vec![shown(ListKind::Users, &users)];
        // Only the second page shows whether the provider ignores the offset.
        if let (Ok(first), Some(second)) = (&users, self.second(&users).await) {
            lists[0].page = repeats(&first.rows, &second).map_or(lists[0].page.clone(), Err);
        }
        match &users {
            Ok(page) => {
                plan.add("users", pages(page.total, page.rows.len() as u64));
                self.probe_groups(&page.rows, window, &mut plan, &mut lists, &mut notes).await;
            }
            Err(error) => notes.extend(discover::settings_that_work(&self.settings, error).await),
        }
        let whole = lists.iter().all(|list| list.page.is_ok());
        let skew = self.source_client.client.clock_skew_seconds();
        Probe { clock_skew_seconds: skew, plan: whole.then_some(plan), notes, ..Probe::of(lists) }
    }

    /// Reads the second page of the list of users, if the provider reports more rows than the first page has.
    async fn second(&self, first: &Result<Page<Listed>, WireError>) -> Option<Vec<Listed>> {
        let first = first.as_ref().ok()?;
        let rows = first.rows.len() as u64;
        let window = Window { offset: rows, limit: self.source_client.walk.page_size };
        first.total.filter(|total| *total > rows && rows > 0)?;
        self.page("Users", window).await.ok().map(|page| page.rows)
    }

    /// Reads the first groups and their members, and adds what they show to the probe.
    async fn probe_groups(
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
        plan.mark_as_minimum();
        let total = page.total;
        let named = self.named(page, window.limit).await;
        if let (Some(why), Some(groups)) = (&named.error, lists.last_mut()) {
            groups.page = Err(why.clone());
        }
        let mut groups = named.rows.clone();
        if let Some((tally, differs)) = self.compared(&mut groups, window.limit).await {
            lists.push(tally.probed(&named, total));
            if differs {
                notes.push(
                    "the list of groups and the records of groups have different members: a run reads every record"
                        .to_owned(),
                );
            }
        }
    }

    /// Returns the groups whose records a check reads, starting with the first page of their list.
    async fn named(&self, first: Page<Listed>, limit: u64) -> ObjectSample {
        let next = |place: PagePosition| async move {
            let page = self.window("Groups", Window { offset: place.rows, limit }, limit).await?;
            let behind = behind(&page, place.rows, limit);
            Ok((page.rows, behind))
        };
        let behind = behind(&first, 0, limit);
        ObjectSample::read(ListKind::Groups, (first.rows, behind), next).await
    }
}

/// Returns what follows a page that starts after `offset` rows. Some servers report the size of the page as the total,
/// so that a full page does not show whether more rows follow.
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

/// Text for a provider that does not offer a list of groups.
const NO_GROUPS: &str = "the provider offers no list of groups, and its users report none: memberships are unknown, and rules about groups do not run";

/// Returns the probe result of the first page of a list.
fn shown(kind: ListKind, page: &Result<Page<Listed>, WireError>) -> ProbedList {
    let field = if kind == ListKind::Groups { "displayName" } else { "userName" };
    let rows = page.as_ref().map_or(&[][..], |page| &page.rows[..]);
    probed_rows(kind, page.as_ref().map(|page| (&page.rows[..], page.total))).named(rows, field)
}

/// Returns whether the record of any user reports groups.
fn report_groups(users: &[Listed]) -> bool {
    users.iter().any(|user| user.record.get_caseless("groups").is_some_and(|groups| !groups.is_null()))
}

impl Source for Scim {
    fn read_all(&self) -> ReadingFuture<'_> {
        Box::pin(self.read())
    }

    fn probe(&self) -> ProbeFuture<'_> {
        Box::pin(self.probe_lists())
    }
}
