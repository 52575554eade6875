//! Connector for `pra` and `rs`: the Configuration API of Privileged Remote Access and Remote Support.
//! Knows its paths, its page numbers and the order of reading; the shapes are in `shapes`, the paging in `wire::page::numbered`.
//! Reads only.
//!
//! Memberships are read by group policy, all pages of each: by user they would cost a request a user, and an API account may
//! make 15,000 an hour. So the requests of a run are planned before they are made, and a run that cannot end is refused.

mod below;
mod shapes;

use super::client::{
    MOST_STRANGERS, SourceClient, empty_report, failed, in_words, probed_rows, report, settle_strangers, strangers,
};
use super::decode::{Decoding, Listed, One, PlainId, Records};
use super::{Probe, ProbeFuture, ProbedList, ReadingFuture, Source, SourceKind, SourceSettings};
use crate::event::Observer;
use crate::model::{Coverage, Instant, ListKind, ListReport, SourceReading};
use crate::wire::page::numbered::{Numbered, PageAt, PageMetadata, walk_numbered};
use crate::wire::{HeaderMap, RequestPlan, WireError, WireErrorKind};
use below::{Depth, MEMBERS, VENDOR_USERS};
use chrono::Utc;
use shapes::SraTenant;
use std::sync::Arc;

/// Readings of one list before it is said to be not proven; each reads the whole list.
const MAX_PASSES: u32 = 3;

/// Lists that are read from their first page on; the last three are optional: versions and products differ.
const LISTS: [(ListKind, &str); 5] = [
    (ListKind::Users, "/user"),
    (ListKind::Groups, "/group-policy"),
    (ListKind::SecurityProviders, "/security-provider"),
    (ListKind::ApiAccounts, "/api-account"),
    (ListKind::Vendors, "/vendor"),
];

/// Reads one appliance.
pub(super) struct Sra {
    source_client: SourceClient,
    kind: SourceKind,
    base: String,
    /// Users who may be in a policy by way of a directory are asked for their policies one by one.
    resolve_directory_users: bool,
}

/// The first page of a list, and what it cost.
struct First {
    kind: ListKind,
    path: &'static str,
    page: Result<Numbered<Listed>, WireError>,
    requests: u64,
}

impl First {
    /// Requests for the rest of the list, as the page tells.
    fn rest(&self) -> u64 {
        let Ok(page) = &self.page else { return 0 };
        let shown = page.rows.len() as u64;
        let by_total = page.reported.total.map(|total| total.div_ceil(page.reported.size.unwrap_or(shown).max(1)));
        page.reported.last.or(by_total).unwrap_or(1).saturating_sub(1)
    }

    /// Returns whether the product does not have this list. Security providers that users name exist, so that their list was
    /// only not found.
    fn is_not_offered(&self, users: &[Listed]) -> bool {
        let is_optional = !matches!(self.kind, ListKind::Users | ListKind::Groups);
        let is_named = self.kind == ListKind::SecurityProviders && users.iter().any(shapes::names_provider);
        let is_missing = self.page.as_ref().is_err_and(|error| error.kind == WireErrorKind::NotFound);
        is_optional && is_missing && !is_named
    }

    fn total(&self) -> u64 {
        self.page.as_ref().map_or(0, |page| page.reported.total.unwrap_or(page.rows.len() as u64))
    }
}

impl Sra {
    /// Makes the connector. Errors: the client could not be set up.
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
        let firsts = self.firsts().await;
        if let Err(refusal) = self.source_client.client.afford(&plan(&firsts)) {
            // Nothing more is asked: the run could not end.
            let users = firsts.iter().find(|first| first.kind == ListKind::Users);
            let requests = users.map_or(0, |first| first.requests);
            reading.lists.push(failed(ListKind::Users, self.query("/user"), requests, &refusal));
            return self.ended(reading, &decoding);
        }
        let mut tenant = SraTenant::default();
        for first in firsts {
            let kind = first.kind;
            let (rows, report) = self.list(first, &tenant.users).await;
            let is_lost = matches!(report.coverage, Coverage::Failed { .. });
            reading.lists.push(report);
            tenant.take(kind, rows, &decoding);
            if kind == ListKind::Users && is_lost {
                // Without users the groups say nothing; a source that is down is not asked again.
                tenant.fill(&mut reading, &decoding);
                return self.ended(reading, &decoding);
            }
        }
        self.default_policies(&mut tenant, &mut reading).await;
        if matches!(reading.coverage(ListKind::Groups), Coverage::Complete { .. } | Coverage::Drifted { .. }) {
            self.members(&mut tenant, &mut reading).await;
        }
        self.vendor_users(&mut tenant, &mut reading).await;
        self.latecomers(&mut tenant, &mut reading, began).await;
        tenant.note_externals();
        if self.resolve_directory_users {
            self.policies_of_users(&mut tenant, &mut reading).await;
        }
        tenant.fill(&mut reading, &decoding);
        self.ended(reading, &decoding)
    }

    fn ended(&self, mut reading: SourceReading, decoding: &Decoding) -> SourceReading {
        reading.clock_skew_seconds = self.source_client.client.clock_skew_seconds();
        reading.tls_certificate_sha256 = self.source_client.client.tls_certificate_sha256();
        decoding.finish(&mut reading, self.source_client.client.replaced_characters());
        reading
    }

    /// The first page of every list that the product has. None more after the users' own has failed.
    async fn firsts(&self) -> Vec<First> {
        let mut firsts = Vec::new();
        let has_vendors = self.kind == SourceKind::Pra;
        for (kind, path) in LISTS.into_iter().filter(|(kind, _)| has_vendors || *kind != ListKind::Vendors) {
            let before = self.source_client.client.requests();
            let page = self.page(path, self.first_page()).await;
            let requests = self.source_client.client.requests() - before;
            let lost = kind == ListKind::Users && page.is_err();
            firsts.push(First { kind, path, page, requests });
            if lost {
                break;
            }
        }
        firsts
    }

    /// The rest of a list whose first page was read. `users`: those that were read before it.
    async fn list(&self, first: First, users: &[Listed]) -> (Vec<Listed>, ListReport) {
        let is_not_offered = first.is_not_offered(users);
        let First { kind, path, page, requests } = first;
        let query = self.query(path);
        let page = match page {
            Ok(page) => page,
            Err(_) if is_not_offered => {
                return (Vec::new(), empty_report(kind, query, requests, Coverage::NotOffered));
            }
            Err(error) => return (Vec::new(), failed(kind, query, requests, &error)),
        };
        let before = self.source_client.client.requests();
        let fetch = |at: PageAt| self.page(path, at);
        let walked =
            walk_numbered(self.source_client.walk, Some(page), fetch, |p| self.source_client.notify(kind, &p)).await;
        report(kind, query, requests + self.source_client.client.requests() - before, walked)
    }

    fn first_page(&self) -> PageAt {
        PageAt { number: 1, size: self.source_client.walk.page_size }
    }

    fn query(&self, path: &str) -> String {
        self.numbered(path, self.first_page())
    }

    fn numbered(&self, path: &str, at: PageAt) -> String {
        format!("{}{path}?per_page={}&current_page={}", self.base, at.size, at.number)
    }

    async fn page(&self, path: &str, at: PageAt) -> Result<Numbered<Listed>, WireError> {
        // The policies of one user are paged, but no parameter is documented for them, and an unknown one answers 401.
        let bare = at.number == 1 && path.starts_with("/user/") && path.ends_with("/group-policies");
        let path = if bare { format!("{}{path}", self.base) } else { self.numbered(path, at) };
        let (records, headers) = self.source_client.client.get_with_headers::<Records<PlainId>>(&path).await?;
        let reported = reported(&headers);
        Ok(Numbered { rows: records.listed(&path, reported.total)?, reported })
    }

    /// The policy that everybody has who signs in by a provider: told by each provider's own record only.
    async fn default_policies(&self, tenant: &mut SraTenant, reading: &mut SourceReading) {
        let (mut unread, mut first) = (0_u64, None);
        for id in tenant.provider_ids() {
            let path = format!("{}/security-provider/{}", self.base, id.in_path());
            match self.source_client.client.get::<One<PlainId>>(&path).await {
                Ok(record) => tenant.take_provider(&id, Some(&record.row.record)),
                Err(error) => {
                    tenant.take_provider(&id, None);
                    unread += 1;
                    first.get_or_insert((id, error));
                }
            }
        }
        let list = reading.lists.iter_mut().find(|list| list.kind == ListKind::SecurityProviders);
        if let (Some((id, error)), Some(list)) = (first, list)
            && list.coverage.is_complete()
        {
            let error = in_words(ListKind::SecurityProviders, &error);
            list.coverage = Coverage::Drifted {
                why: format!(
                    "the default policies of {unread} of {} are unknown: their own records could not be read; the first: \
                     {}: {error}",
                    list.distinct,
                    id.to_text()
                ),
            };
        }
    }

    /// The members of every group policy.
    async fn members(&self, tenant: &mut SraTenant, reading: &mut SourceReading) {
        let ids = tenant.policies.iter().map(|policy| policy.id.clone());
        let (rows, tally, requests) = self.per_group(MEMBERS, ids, Depth::Whole).await;
        tenant.policies.retain(|policy| !tally.removed().contains(&policy.id));
        tenant.unread_policies = tally.unknown();
        tenant.members = rows;
        let report = tally.report(self.query(&MEMBERS.pattern()), requests);
        tenant.members_whole = report.coverage.is_complete() && reading.coverage(ListKind::Groups).is_complete();
        reading.lists.push(report);
    }

    /// The people of every vendor, where the product has vendors.
    async fn vendor_users(&self, tenant: &mut SraTenant, reading: &mut SourceReading) {
        if !reading.coverage(ListKind::Vendors).is_complete() && tenant.vendors.is_empty() {
            return;
        }
        let ids = tenant.vendors.iter().map(|vendor| vendor.id.clone());
        let (rows, tally, requests) = self.per_group(VENDOR_USERS, ids, Depth::Whole).await;
        tenant.vendors.retain(|vendor| !tally.removed().contains(&vendor.id));
        tenant.unread_vendors = tally.unknown();
        tenant.vendor_users = rows;
        reading.lists.push(tally.report(self.query(&VENDOR_USERS.pattern()), requests));
    }

    /// Users whom a policy names and the list does not: they may have come after it was read, or the list lacks them.
    async fn latecomers(&self, tenant: &mut SraTenant, reading: &mut SourceReading, began: Instant) {
        let missing = strangers(tenant.members.iter().map(|(_, rows)| rows), &tenant.users, shapes::user_of);
        let path = format!("{}/user", self.base);
        let (found, unknown) = self.source_client.strangers::<PlainId>(&path, &missing, MOST_STRANGERS).await;
        let created = |row: &Listed| row.record.get("created_at").cloned();
        settle_strangers(reading, &found, unknown, began, created);
        tenant.users.extend(found);
    }

    /// The first page of each list and of what is below it, and what a run would cost by what they show.
    async fn look(&self) -> Probe {
        let firsts = self.firsts().await;
        let users =
            firsts.iter().find(|first| first.kind == ListKind::Users).and_then(|first| first.page.as_ref().ok());
        let users = users.map_or(&[][..], |page| &page.rows);
        let optional = |first: &&First| first.is_not_offered(users);
        let shown = |first: &First| {
            probed_rows(first.kind, first.page.as_ref().map(|page| (&page.rows[..], page.reported.total)))
        };
        let mut lists: Vec<ProbedList> = firsts.iter().filter(|first| !optional(first)).map(shown).collect();
        let rest = plan(&firsts);
        let beyond = self.source_client.client.afford(&rest).err().map(|error| error.to_string());
        // Where a run is refused, it reads nothing more, and neither does a check.
        if beyond.is_none() {
            self.look_below(&firsts, &mut lists).await;
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

/// What is still to be asked: the rest of every list, and at least one page of members for every group.
fn plan(firsts: &[First]) -> RequestPlan {
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
    plan.leave_open();
    plan
}

/// The vendor's headers `X-BT-Pagination-*`, and `Link` (RFC 8288).
fn reported(headers: &HeaderMap) -> PageMetadata {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse().ok();
    let links: Vec<&str> = headers.get_all("link").iter().filter_map(|link| link.to_str().ok()).collect();
    // RFC 8288 §3.3: `rel` holds one relation or several with spaces between. Commas stand between links; one within an address
    // would only hide a link that the other headers tell as well.
    let relations: Vec<String> = links
        .iter()
        .flat_map(|link| link.split(','))
        .flat_map(|link| link.split(';').skip(1))
        .filter_map(|parameter| parameter.trim().to_ascii_lowercase().strip_prefix("rel=").map(str::to_owned))
        .flat_map(|rel| rel.trim_matches('"').split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let has = |wanted: &[&str]| relations.iter().any(|rel| wanted.contains(&rel.as_str()));
    // Links of a proxy (a style sheet, say) tell nothing of pages.
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
        Box::pin(self.look())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn pages_report_their_place_by_headers_and_links() {
        let all = headers(&[
            ("X-BT-Pagination-Current-Page", "2"),
            ("X-BT-Pagination-Per-Page", "100"),
            ("X-BT-Pagination-Last-Page", "3"),
            ("X-BT-Pagination-Total", "201"),
            ("Link", "<https://x/user?current_page=1>; rel=\"first\", <https://x/user?current_page=3>; rel=\"next\""),
        ]);
        let expected =
            PageMetadata { total: Some(201), last: Some(3), current: Some(2), size: Some(100), next: Some(true) };
        assert_eq!(reported(&all), expected);
        assert_eq!(reported(&headers(&[("Link", "<https://x>; rel=last")])).next, Some(false));
        assert_eq!(reported(&headers(&[("Link", "<https://x>; rel=\"next last\"")])).next, Some(true));
        assert_eq!(reported(&headers(&[("Link", "</app.css>; rel=preload; as=style")])).next, None, "a proxy's");
        assert_eq!(reported(&headers(&[])), PageMetadata::default());
    }
}
