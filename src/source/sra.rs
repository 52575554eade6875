//! Connector for `pra` and `rs`: the Configuration API of Privileged Remote Access and Remote Support. Reads only.
//!
//! Knows the paths, the page numbers and the order of reading. The mapping of JSON to the model is in `shapes`, page
//! walks are in `wire::page::numbered`, and lists below listed objects are in `below`.
//!
//! Memberships are read by group policy, all pages of each. Reading them by user would cost one request per user, and
//! an API account may make 15,000 requests an hour. Therefore requests are planned in advance, and a run that cannot
//! end within the limits is refused.

mod child_lists;
mod shapes;

use super::client::{
    MAX_UNLISTED_LOOKUPS, SourceClient, apply_unlisted_users, empty_report, error_text, failed, probed_rows, report,
    unlisted_users,
};
use super::decode::{Decoding, Listed, PlainId, RecordById, Records};
use super::{Probe, ProbeFuture, ProbedList, ReadingFuture, Source, SourceKind, SourceSettings};
use crate::event::Observer;
use crate::model::{Coverage, Instant, ListKind, ListReport, SourceReading};
use crate::wire::page::numbered::{NumberedPage, PageMetadata, PageRequest, PageSource, walk_numbered};
use crate::wire::{HeaderMap, RequestPlan, WireError, WireErrorKind};
use child_lists::{Depth, MEMBERS, VENDOR_USERS};
use chrono::Utc;
use shapes::SraTenant;
use std::sync::Arc;

/// Maximum number of readings of one list before it counts as not proven. Each reading requests the whole list.
const MAX_PASSES: u32 = 3;

/// Lists of the tenant and their paths, in the order of reading. The last three are optional: versions and products
/// differ.
const LISTS: [(ListKind, &str); 5] = [
    (ListKind::Users, "/user"),
    (ListKind::Groups, "/group-policy"),
    (ListKind::SecurityProviders, "/security-provider"),
    (ListKind::ApiAccounts, "/api-account"),
    (ListKind::Vendors, "/vendor"),
];

/// Connector of one appliance.
pub(super) struct Sra {
    source_client: SourceClient,
    kind: SourceKind,
    base: String,
    /// Whether the policies of each user who can be in a policy through a directory are requested.
    resolve_directory_users: bool,
}

/// First page of a list, and the requests that it took.
struct FirstPage {
    kind: ListKind,
    path: &'static str,
    page: Result<NumberedPage<Listed>, WireError>,
    requests: u64,
}

impl FirstPage {
    /// Returns the number of requests for the remaining pages, according to the first page. Behind a single page with
    /// rows there is one request, too.
    fn rest(&self) -> u64 {
        let Ok(page) = &self.page else { return 0 };
        let shown = page.rows.len() as u64;
        let by_total = page.metadata.total.map(|total| total.div_ceil(page.metadata.size.unwrap_or(shown).max(1)));
        page.metadata.last.or(by_total).unwrap_or(1).saturating_sub(1).max(shown.min(1))
    }

    /// Returns whether the product does not have this list. If users name security providers, providers exist: then a
    /// list that is not found is a failed list.
    fn is_not_offered(&self, users: &[Listed]) -> bool {
        let is_optional = !matches!(self.kind, ListKind::Users | ListKind::Groups);
        let is_named = self.kind == ListKind::SecurityProviders && users.iter().any(shapes::names_provider);
        let is_missing = self.page.as_ref().is_err_and(|error| error.kind == WireErrorKind::NotFound);
        is_optional && is_missing && !is_named
    }

    fn total(&self) -> u64 {
        self.page.as_ref().map_or(0, |page| page.metadata.total.unwrap_or(page.rows.len() as u64))
    }
}

impl Sra {
    /// Builds the connector. Errors: the HTTP client could not be built.
    pub(super) fn new(settings: &SourceSettings, observer: Arc<dyn Observer>) -> Result<Self, WireError> {
        let mut settings = settings.clone();
        // "The connection should be closed after each call" (vendor's documentation of its APIs).
        settings.client.close_connections = true;
        let source_client = SourceClient::new(&settings, observer, MAX_PASSES)?;
        let resolve_directory_users = settings.resolve_directory_users;
        Ok(Self { source_client, kind: settings.kind, base: settings.base_path, resolve_directory_users })
    }

    async fn read(&self) -> SourceReading {
        let (decoding, began) = (Decoding::default(), Utc::now());
        let mut reading = SourceReading::of(self.source_client.identity.clone());
        let firsts = self.first_pages().await;
        if let Err(refusal) = self.source_client.client.check_budget(&plan(&firsts)) {
            // No further request: the run could not end within the limits.
            let users = firsts.iter().find(|first| first.kind == ListKind::Users);
            let requests = users.map_or(0, |first| first.requests);
            reading.lists.push(failed(ListKind::Users, self.query("/user"), requests, &refusal));
            return self.source_client.finish(reading, &decoding);
        }
        let mut tenant = SraTenant::default();
        for first in firsts {
            let kind = first.kind;
            let (rows, report) = self.list(first, &tenant.users).await;
            let is_lost = matches!(report.coverage, Coverage::Failed { .. });
            reading.lists.push(report);
            tenant.add_list(kind, rows, &decoding);
            if kind == ListKind::Users && is_lost {
                // If the list of users failed, members have nobody to refer to, and a source that is down is not asked
                // again.
                tenant.fill(&mut reading, &decoding);
                return self.source_client.finish(reading, &decoding);
            }
        }
        self.default_policies(&mut tenant, &mut reading).await;
        // A list of policies that failed names no policies whose members could be read.
        if matches!(reading.coverage(ListKind::Groups), Coverage::Complete { .. } | Coverage::Drifted { .. }) {
            self.members(&mut tenant, &mut reading).await;
        }
        self.vendor_users(&mut tenant, &mut reading).await;
        self.read_unlisted_users(&mut tenant, &mut reading, began).await;
        // After the members: which users a directory member may hold depends on all of them.
        tenant.record_external_members();
        if self.resolve_directory_users {
            self.policies_of_users(&mut tenant, &mut reading).await;
        }
        tenant.fill(&mut reading, &decoding);
        self.source_client.finish(reading, &decoding)
    }

    /// Reads the first page of every list of the product. Stops if the list of users fails.
    async fn first_pages(&self) -> Vec<FirstPage> {
        let mut firsts = Vec::new();
        let has_vendors = self.kind == SourceKind::Pra;
        for (kind, path) in LISTS.into_iter().filter(|(kind, _)| has_vendors || *kind != ListKind::Vendors) {
            let before = self.source_client.client.requests();
            let page = self.page(path, self.first_page()).await;
            let requests = self.source_client.client.requests() - before;
            let lost = kind == ListKind::Users && page.is_err();
            firsts.push(FirstPage { kind, path, page, requests });
            if lost {
                break;
            }
        }
        firsts
    }

    /// Reads the remaining pages of a list. `users` are the rows of the list of users, if that was read before.
    async fn list(&self, first: FirstPage, users: &[Listed]) -> (Vec<Listed>, ListReport) {
        let is_not_offered = first.is_not_offered(users);
        let FirstPage { kind, path, page, requests } = first;
        let query = self.query(path);
        let page = match page {
            Ok(page) => page,
            Err(_) if is_not_offered => {
                return (Vec::new(), empty_report(kind, query, requests, Coverage::NotOffered));
            }
            Err(error) => return (Vec::new(), failed(kind, query, requests, &error)),
        };
        let before = self.source_client.client.requests();
        let fetch = |at: PageRequest| self.page(path, at);
        let pages = PageSource { first: Some(page), fetch, looks_behind: true };
        let walked = walk_numbered(self.source_client.walk, pages, |p| self.source_client.notify(kind, &p)).await;
        report(kind, query, requests + self.source_client.client.requests() - before, walked)
    }

    fn first_page(&self) -> PageRequest {
        PageRequest { number: 1, size: self.source_client.walk.page_size }
    }

    /// Returns the path of the first page, for the report of a list.
    fn query(&self, path: &str) -> String {
        self.numbered(path, self.first_page())
    }

    /// Returns the path of one page.
    fn numbered(&self, path: &str, at: PageRequest) -> String {
        format!("{}{path}?per_page={}&current_page={}", self.base, at.size, at.number)
    }

    /// Reads one page. Errors include an answer that is no list.
    async fn page(&self, path: &str, at: PageRequest) -> Result<NumberedPage<Listed>, WireError> {
        // The vendor documents no parameters for the policies of one user, and answers 401 to an unknown parameter.
        // Only later pages have them.
        let bare = at.number == 1 && path.starts_with("/user/") && path.ends_with("/group-policies");
        let path = if bare { format!("{}{path}", self.base) } else { self.numbered(path, at) };
        let (records, headers) =
            self.source_client.client.get_page_with_headers::<Records<PlainId>>(&path, at.size).await?;
        let metadata = page_metadata(&headers);
        Ok(NumberedPage { rows: records.listed(&path, metadata.total)?, metadata })
    }

    /// Reads the record of each security provider: only it shows the policy that all users of the provider have by
    /// default.
    async fn default_policies(&self, tenant: &mut SraTenant, reading: &mut SourceReading) {
        let (mut unread, mut first) = (0_u64, None);
        for id in tenant.provider_ids() {
            let path = format!("{}/security-provider/{}", self.base, id.in_path());
            match self.source_client.client.get::<RecordById<PlainId>>(&path).await {
                Ok(record) => tenant.add_provider(&id, Some(&record.row.record)),
                Err(error) => {
                    tenant.add_provider(&id, None);
                    unread += 1;
                    first.get_or_insert((id, error));
                }
            }
        }
        let list = reading.lists.iter_mut().find(|list| list.kind == ListKind::SecurityProviders);
        if let (Some((id, error)), Some(list)) = (first, list)
            && list.coverage.is_complete()
        {
            let error = error_text(ListKind::SecurityProviders, &error);
            list.coverage = Coverage::Drifted {
                why: format!(
                    "the default policies of {unread} of {} security providers are unknown: their records could not be read; the \
                     first: {}: {error}",
                    list.distinct,
                    id.to_text()
                ),
            };
        }
    }

    /// Reads the members of every group policy.
    async fn members(&self, tenant: &mut SraTenant, reading: &mut SourceReading) {
        let ids = tenant.policies.iter().map(|policy| policy.id.clone());
        let (rows, tally, requests) = self.read_below(MEMBERS, ids, Depth::Whole).await;
        tenant.policies.retain(|policy| !tally.removed().contains(&policy.id));
        tenant.unread_policies = tally.unknown();
        tenant.members = rows;
        let report = tally.report(self.query(&MEMBERS.pattern()), requests);
        tenant.members_whole = report.coverage.is_complete() && reading.coverage(ListKind::Groups).is_complete();
        reading.lists.push(report);
    }

    /// Reads the users of every vendor, if the product has vendors.
    async fn vendor_users(&self, tenant: &mut SraTenant, reading: &mut SourceReading) {
        if !reading.coverage(ListKind::Vendors).is_complete() && tenant.vendors.is_empty() {
            return;
        }
        let ids = tenant.vendors.iter().map(|vendor| vendor.id.clone());
        let (rows, tally, requests) = self.read_below(VENDOR_USERS, ids, Depth::Whole).await;
        tenant.vendors.retain(|vendor| !tally.removed().contains(&vendor.id));
        tenant.unread_vendors = tally.unknown();
        tenant.vendor_users = rows;
        reading.lists.push(tally.report(self.query(&VENDOR_USERS.pattern()), requests));
    }

    /// Looks up members who are not in the list of users: new users, or users who are missing from the list.
    async fn read_unlisted_users(&self, tenant: &mut SraTenant, reading: &mut SourceReading, began: Instant) {
        let missing = unlisted_users(tenant.members.iter().map(|(_, rows)| rows), &tenant.users, shapes::user_of);
        let path = format!("{}/user", self.base);
        let (found, unknown) =
            self.source_client.read_unlisted_users::<PlainId>(&path, &missing, MAX_UNLISTED_LOOKUPS).await;
        let created = |row: &Listed| row.record.get("created_at").cloned();
        apply_unlisted_users(reading, &found, unknown, began, created);
        tenant.users.extend(found);
    }

    /// Reads the first page of each list and of the lists below it, and estimates the requests of a run.
    async fn probe_lists(&self) -> Probe {
        let firsts = self.first_pages().await;
        let users =
            firsts.iter().find(|first| first.kind == ListKind::Users).and_then(|first| first.page.as_ref().ok());
        let users = users.map_or(&[][..], |page| &page.rows);
        let optional = |first: &&FirstPage| first.is_not_offered(users);
        let shown = |first: &FirstPage| {
            let rows = first.page.as_ref().map_or(&[][..], |page| &page.rows[..]);
            let field = if first.kind == ListKind::Users { "username" } else { "name" };
            probed_rows(first.kind, first.page.as_ref().map(|page| (&page.rows[..], page.metadata.total)))
                .named(rows, field)
        };
        let mut lists: Vec<ProbedList> = firsts.iter().filter(|first| !optional(first)).map(shown).collect();
        let rest = plan(&firsts);
        let beyond = self.source_client.client.check_budget(&rest).err().map(|error| error.to_string());
        // A run that exceeds the limits reads nothing more. A check saves these requests, too.
        if beyond.is_none() {
            self.probe_below(&firsts, &mut lists).await;
        }
        let mut plan = RequestPlan::default();
        plan.add("a token", 1);
        plan.add("first pages", firsts.len() as u64);
        let read = firsts.iter().all(|first| first.page.is_ok() || optional(&first));
        Probe {
            clock_skew_seconds: self.source_client.client.clock_skew_seconds(),
            plan: (read && lists.iter().all(|list| list.page.is_ok())).then(|| plan.and(rest)),
            beyond_limits: beyond,
            ..Probe::of(lists)
        }
    }
}

/// Returns the requests that remain after the first pages: other pages, and at least one page of members per group.
fn plan(firsts: &[FirstPage]) -> RequestPlan {
    let mut plan = RequestPlan::default();
    for first in firsts {
        plan.add(first.kind.as_str(), first.rest());
        match first.kind {
            ListKind::Groups => plan.add(ListKind::Members.as_str(), first.total()),
            ListKind::Vendors => plan.add(ListKind::VendorUsers.as_str(), first.total()),
            ListKind::SecurityProviders => plan.add("security providers by id", first.total()),
            _ => {}
        }
    }
    plan.mark_as_minimum();
    plan
}

/// Reads the position of a page from the vendor's headers `X-BT-Pagination-*` and from `Link` (RFC 8288).
fn page_metadata(headers: &HeaderMap) -> PageMetadata {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse().ok();
    let links: Vec<&str> = headers.get_all("link").iter().filter_map(|link| link.to_str().ok()).collect();
    // RFC 8288 §3.3: `rel` holds one relation, or several separated by spaces. Commas separate links. A comma within an
    // address would only hide a link, and the other headers carry the same information.
    let relations: Vec<String> = links
        .iter()
        .flat_map(|link| link.split(','))
        .flat_map(|link| link.split(';').skip(1))
        .filter_map(|parameter| parameter.trim().to_ascii_lowercase().strip_prefix("rel=").map(str::to_owned))
        .flat_map(|rel| rel.trim_matches('"').split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let has = |wanted: &[&str]| relations.iter().any(|rel| wanted.contains(&rel.as_str()));
    // Links to other resources do not concern pages. A proxy may add a link to a style sheet.
    let pages = has(&["first", "prev", "previous", "next", "last"]);
    PageMetadata {
        total: number("x-bt-pagination-total"),
        last: number("x-bt-pagination-last-page"),
        current: number("x-bt-pagination-current-page"),
        size: number("x-bt-pagination-per-page"),
        next: pages.then(|| has(&["next"])),
    }
}

impl Source for Sra {
    fn read_all(&self) -> ReadingFuture<'_> {
        Box::pin(self.read())
    }

    fn probe(&self) -> ProbeFuture<'_> {
        Box::pin(self.probe_lists())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_position_of_a_page_is_read_from_headers_and_links() {
        let all = headers(&[
            ("X-BT-Pagination-Current-Page", "2"),
            ("X-BT-Pagination-Per-Page", "100"),
            ("X-BT-Pagination-Last-Page", "3"),
            ("X-BT-Pagination-Total", "201"),
            ("Link", "<https://x/user?current_page=1>; rel=\"first\", <https://x/user?current_page=3>; rel=\"next\""),
        ]);
        let expected =
            PageMetadata { total: Some(201), last: Some(3), current: Some(2), size: Some(100), next: Some(true) };
        assert_eq!(page_metadata(&all), expected);
        assert_eq!(page_metadata(&headers(&[("Link", "<https://x>; rel=last")])).next, Some(false));
        assert_eq!(page_metadata(&headers(&[("Link", "<https://x>; rel=\"next last\"")])).next, Some(true));
        assert_eq!(page_metadata(&headers(&[("Link", "</app.css>; rel=preload; as=style")])).next, None, "a proxy's");
        assert_eq!(page_metadata(&headers(&[])), PageMetadata::default());
    }
}
