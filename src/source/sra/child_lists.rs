//! Lists below the lists of the Configuration API: the members of every policy, the users of every vendor, and, where
//! the configuration asks for it, the policies of single users. A run reads them whole, and a check reads their first
//! pages.

use super::super::ProbedList;
use super::super::child_lists::{ChildLists, Nouns};
use super::super::client::{error_text, is_source_wide, probed, probed_rows, single_answer};
use super::super::decode::{Id, Listed, PlainId, RecordById};
use super::super::object_sample::{NextPage, ObjectSample, PagePosition};
use super::shapes::{self, SraTenant};
use super::{FirstPage, Sra};
use crate::model::{ListKind, SourceReading};
use crate::wire::page::numbered::{NumberedPage, PageRequest, PageSource, walk_numbered};
use crate::wire::page::{End, ListRow, WalkResult};
use crate::wire::{RequestPlan, WireError};
use futures_util::stream::{self, StreamExt};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of child lists, with the object they belong to.
pub(super) type GroupRows = Vec<(Id, Vec<Listed>)>;

/// One kind of list that exists once per object of another list.
#[derive(Clone, Copy)]
pub(super) struct ChildPath {
    kind: ListKind,
    nouns: Nouns,
    /// Path of the list that names the objects.
    parent: &'static str,
    /// Last part of the path of the list below an object.
    child: &'static str,
}

impl ChildPath {
    /// Returns the path of the list below one object.
    fn path(self, id: &Id) -> String {
        format!("{}/{}/{}", self.parent, id.in_path(), self.child)
    }

    /// Returns whether the list has parameters for pages. The vendor documents none for the policies of one user, and
    /// answers 401 to an unknown parameter.
    fn is_paged(self) -> bool {
        self.kind != ListKind::DirectoryMembers
    }

    /// Returns the path for reports, with `{id}` in place of the id.
    pub(super) fn pattern(self) -> String {
        format!("{}/{{id}}/{}", self.parent, self.child)
    }
}

pub(super) const MEMBERS: ChildPath = ChildPath {
    kind: ListKind::Members,
    nouns: Nouns { rows: "members", one: "policy", many: "policies" },
    parent: "/group-policy",
    child: "member",
};
pub(super) const VENDOR_USERS: ChildPath = ChildPath {
    kind: ListKind::VendorUsers,
    nouns: Nouns { rows: "users", one: "vendor", many: "vendors" },
    parent: "/vendor",
    child: "user",
};
const POLICIES_OF_USERS: ChildPath = ChildPath {
    kind: ListKind::DirectoryMembers,
    nouns: Nouns { rows: "policies", one: "user", many: "users" },
    parent: "/user",
    child: "group-policies",
};

/// How much of each list is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// All pages, until the list is proven: for a run.
    Whole,
    /// The first page: for a check.
    FirstPage,
}

/// First page of the list below one object.
struct FirstChildPage {
    id: Id,
    path: String,
    first: FirstPage,
}

impl Sra {
    /// Reads one list per object: the first page of each, then the remaining pages.
    ///
    /// After failures, the list that names the objects is read again. Lists that answered "not found" are requested
    /// once more if their objects are still listed. Returns the rows, the outcome and the number of requests.
    pub(super) async fn read_below(
        &self,
        of: ChildPath,
        ids: impl Iterator<Item = Id>,
        depth: Depth,
    ) -> (GroupRows, ChildLists, u64) {
        let before = self.source_client.client.requests();
        let ids: BTreeSet<Id> = ids.collect();
        let mut tally = ChildLists::of(of.kind, of.nouns, ids.iter().cloned());
        let mut rows: BTreeMap<Id, Vec<Listed>> = self.round(of, ids, depth, &mut tally).await.into_iter().collect();
        if tally.needs_list() {
            let named = self.listed_now(of.parent).await;
            tally.remove_unlisted(named.as_ref());
            let absent = tally.absent().into_iter().collect();
            rows.extend(self.round(of, absent, depth, &mut tally).await);
        }
        rows.retain(|id, _| !tally.removed().contains(id));
        for (id, members) in rows.iter().filter(|_| of.kind == ListKind::Members) {
            if members.iter().any(shapes::has_odd_user) {
                tally.mark_unproven(id, "the user_id of a member cannot be read".to_owned());
            }
        }
        (rows.into_iter().collect(), tally, self.source_client.client.requests() - before)
    }

    /// Reads the lists of these objects once.
    async fn round(&self, of: ChildPath, ids: BTreeSet<Id>, depth: Depth, tally: &mut ChildLists) -> GroupRows {
        let kind = of.kind;
        let firsts = self.first_of_each(of, ids, tally).await;
        // The first pages show how many others follow: only now the number of requests is known.
        if depth == Depth::Whole {
            let mut plan = RequestPlan::default();
            let rest = firsts.iter().map(|first| if of.is_paged() { first.first.rest() } else { 0 });
            // The numbers are what the server reported, and may be the largest ones.
            let rest = rest.fold(0, u64::saturating_add);
            plan.add(format!("the remaining pages of {}", kind.as_str()), rest);
            if let Err(refusal) = self.source_client.client.check_budget(&plan) {
                tally.refuse(error_text(kind, &refusal));
                return Vec::new();
            }
        }
        let walks = stream::iter(firsts).map(|first| async move {
            let FirstChildPage { id, path, first } = first;
            let walked = match (depth, first.page) {
                (Depth::FirstPage, Ok(page)) => single_answer(page.rows, page.metadata.total),
                (_, page) => {
                    let fetch = |at| self.page(&path, at);
                    let pages = PageSource { first: page.ok(), fetch, looks_behind: of.is_paged() };
                    walk_numbered(self.source_client.walk, pages, |_| {}).await
                }
            };
            (id, walked)
        });
        let mut walks = walks.buffer_unordered(self.source_client.walk.concurrency);
        let mut found = Vec::new();
        while let Some((id, walked)) = walks.next().await {
            let walked: WalkResult<Listed, WireError> = walked;
            let ends = walked.end.as_ref().is_err_and(is_source_wide);
            let rows = tally.add(&id, walked);
            found.push((id, rows));
            self.source_client.progress(kind, tally.distinct(), None);
            if ends {
                break;
            }
        }
        found
    }

    /// Reads the first page of the list of each object.
    async fn first_of_each(&self, of: ChildPath, ids: BTreeSet<Id>, tally: &mut ChildLists) -> Vec<FirstChildPage> {
        let (kind, at) = (of.kind, PageRequest { number: 1, size: self.source_client.walk.page_size });
        let mut firsts = Vec::new();
        let mut answers = stream::iter(ids)
            .map(|id| async move {
                let path = of.path(&id);
                let page = self.page(&path, at).await;
                (id, path, page)
            })
            .buffer_unordered(self.source_client.walk.concurrency);
        while let Some((id, path, page)) = answers.next().await {
            match page {
                Err(error) => {
                    if tally.add_failure(&id, error) {
                        break;
                    }
                }
                // Path and requests are not used for a list below an object.
                page => {
                    firsts.push(FirstChildPage { id, path, first: FirstPage { kind, path: "", page, requests: 0 } });
                }
            }
            self.source_client.progress(kind, firsts.len() as u64, None);
        }
        firsts
    }

    /// Returns the ids in a list as it is now; `None` if the list is not proven complete, or if a row has no usable id:
    /// that row may be any object.
    async fn listed_now(&self, path: &str) -> Option<BTreeSet<Id>> {
        let pages = PageSource { first: None, fetch: |at| self.page(path, at), looks_behind: true };
        let walked = walk_numbered(self.source_client.walk, pages, |_| {}).await;
        let proven = matches!(walked.end, Ok(End::Proven(_))) && walked.rows.iter().all(Listed::is_identified);
        proven.then(|| walked.rows.into_iter().map(|row: Listed| row.id).collect())
    }

    /// Reads the policies of each user who can be in a policy through a directory, if the limits allow one request for
    /// each.
    pub(super) async fn policies_of_users(&self, tenant: &mut SraTenant, reading: &mut SourceReading) {
        let ids = tenant.possible_directory_users();
        let mut plan = RequestPlan::default();
        plan.add("policies of directory users", ids.len() as u64);
        if let Err(refusal) = self.source_client.client.check_budget(&plan) {
            reading.warnings.push(format!("directory users were not resolved: {refusal}"));
            return;
        }
        if ids.is_empty() {
            return;
        }
        let (rows, tally, requests) = self.read_below(POLICIES_OF_USERS, ids.into_iter(), Depth::Whole).await;
        let read = rows.into_iter().filter(|(id, _)| tally.has_read(id));
        tenant.resolved = read.map(|(id, rows)| (id, rows.into_iter().map(|row| row.id).collect())).collect();
        reading.lists.push(tally.report(self.query(&POLICIES_OF_USERS.pattern()), requests));
    }

    /// Reads first pages below the lists, up to a bound: members of policies, users of vendors, records of security
    /// providers, and the policies of one user if a run requests them. Adds them to `lists`, which holds the lists
    /// themselves.
    pub(super) async fn probe_below(&self, firsts: &[FirstPage], lists: &mut Vec<ProbedList>) {
        let first = |kind: ListKind| firsts.iter().find(|first| first.kind == kind);
        for (of, parent) in [(MEMBERS, ListKind::Groups), (VENDOR_USERS, ListKind::Vendors)] {
            if let Some(Ok(page)) = first(parent).map(|first| &first.page) {
                self.probe_each(of, parent, page, lists).await;
            }
        }
        let rows = |kind: ListKind| {
            let page = first(kind).and_then(|first| first.page.as_ref().ok());
            page.into_iter().flat_map(|page| &page.rows).filter(|row| row.is_identified())
        };
        if let Some(user) = rows(ListKind::Users).next().filter(|_| self.resolve_directory_users) {
            let page = self.page(&POLICIES_OF_USERS.path(&user.id), self.first_page()).await;
            let shown = page.as_ref().map(|page| (&page.rows[..], page.metadata.total));
            lists.push(probed_rows(ListKind::DirectoryMembers, shown));
        }
        for provider in rows(ListKind::SecurityProviders) {
            let path = format!("{}/security-provider/{}", self.base, provider.id.in_path());
            if let Err(error) = self.source_client.client.get::<RecordById<PlainId>>(&path).await {
                lists.push(probed(ListKind::SecurityProviders, Err(&error)));
                break;
            }
        }
    }

    /// Reads the first page of the list below each object that a list names. `page` is the first page of that list.
    async fn probe_each(
        &self,
        of: ChildPath,
        parent: ListKind,
        page: &NumberedPage<Listed>,
        lists: &mut Vec<ProbedList>,
    ) {
        let next = |place: PagePosition| async move {
            let at = PageRequest { number: place.pages + 1, ..self.first_page() };
            let page = self.page(of.parent, at).await?;
            let behind = behind(&page, at.number);
            Ok((page.rows, behind))
        };
        let named = ObjectSample::read(parent, (page.rows.clone(), behind(page, 1)), next).await;
        if let (Some(why), Some(list)) = (&named.error, lists.iter_mut().find(|list| list.kind == parent)) {
            list.page = Err(why.clone());
        }
        if !named.rows.is_empty() {
            let (_, tally, _) = self.read_below(of, named.ids(), Depth::FirstPage).await;
            lists.push(tally.probed(&named, page.metadata.total));
        }
    }
}

/// Returns what follows a page. A list that does not report its end has an empty page at its end.
fn behind(page: &NumberedPage<Listed>, number: u64) -> NextPage {
    let follows = page.metadata.last.map(|last| number < last).or(page.metadata.next);
    if follows.unwrap_or(!page.rows.is_empty()) { NextPage::More } else { NextPage::Nothing }
}
