//! What exists below the lists of the Configuration API: the members of every policy, the users of every vendor, and, where the
//! configuration asks for it, the policies of single users.

use super::super::ProbedList;
use super::super::client::{in_one, in_words, is_hopeless, probed, probed_rows};
use super::super::decode::{Id, Listed, One, PlainId};
use super::super::named::{Named, NextPage, PagePosition};
use super::super::per_group::{Nouns, PerGroup};
use super::shapes::{self, SraTenant};
use super::{First, Sra};
use crate::model::{ListKind, SourceReading};
use crate::wire::page::numbered::{Numbered, PageAt, walk_numbered};
use crate::wire::page::{End, ListRow, WalkResult};
use crate::wire::{RequestPlan, WireError};
use futures_util::stream::{self, StreamExt};
use std::collections::{BTreeMap, BTreeSet};

/// Rows by the object whose list they are of.
pub(super) type GroupRows = Vec<(Id, Vec<Listed>)>;

/// Which lists exist once an object of another list.
#[derive(Clone, Copy)]
pub(super) struct NestedLists {
    kind: ListKind,
    nouns: Nouns,
    /// Path of the list that names the objects.
    parent: &'static str,
    /// Path of the list below an object.
    child: &'static str,
}

impl NestedLists {
    fn path(self, id: &Id) -> String {
        format!("{}/{}/{}", self.parent, id.in_path(), self.child)
    }

    /// Path of all of them, for reports.
    pub(super) fn pattern(self) -> String {
        format!("{}/{{id}}/{}", self.parent, self.child)
    }
}

pub(super) const MEMBERS: NestedLists = NestedLists {
    kind: ListKind::Members,
    nouns: Nouns { rows: "members", one: "policy", many: "policies" },
    parent: "/group-policy",
    child: "member",
};
pub(super) const VENDOR_USERS: NestedLists = NestedLists {
    kind: ListKind::VendorUsers,
    nouns: Nouns { rows: "users", one: "vendor", many: "vendors" },
    parent: "/vendor",
    child: "user",
};
const POLICIES_OF_USERS: NestedLists = NestedLists {
    kind: ListKind::DirectoryMembers,
    nouns: Nouns { rows: "policies", one: "user", many: "users" },
    parent: "/user",
    child: "group-policies",
};

/// How much is read of each list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// All of it, to its proof: a run.
    Whole,
    /// Its first page: a check.
    FirstPage,
}

/// The first page of one group's list.
struct FirstOf {
    id: Id,
    path: String,
    first: First,
}

impl Sra {
    /// Reads one list an object: the first page of each, then, when all is known that is to come, the rest. Objects whose lists
    /// fail are looked up in the list that names them, and those of which it was denied that they exist are asked once more.
    pub(super) async fn per_group(
        &self,
        of: NestedLists,
        ids: impl Iterator<Item = Id>,
        depth: Depth,
    ) -> (GroupRows, PerGroup, u64) {
        let before = self.source_client.client.requests();
        let ids: BTreeSet<Id> = ids.collect();
        let mut tally = PerGroup::of(of.kind, of.nouns, ids.iter().cloned());
        let mut rows: BTreeMap<Id, Vec<Listed>> = self.round(of, ids, depth, &mut tally).await.into_iter().collect();
        if tally.needs_list() {
            let named = self.named_now(of.parent).await;
            tally.settle(named.as_ref());
            let absent = tally.absent().into_iter().collect();
            rows.extend(self.round(of, absent, depth, &mut tally).await);
        }
        rows.retain(|id, _| !tally.removed().contains(id));
        for (id, members) in rows.iter().filter(|_| of.kind == ListKind::Members) {
            if members.iter().any(shapes::has_odd_user) {
                tally.doubt(id, "the user_id of a member cannot be read".to_owned());
            }
        }
        (rows.into_iter().collect(), tally, self.source_client.client.requests() - before)
    }

    /// Reads the lists of these objects.
    async fn round(&self, of: NestedLists, ids: BTreeSet<Id>, depth: Depth, tally: &mut PerGroup) -> GroupRows {
        let kind = of.kind;
        let firsts = self.first_of_each(of, ids, tally).await;
        if depth == Depth::Whole {
            let mut plan = RequestPlan::default();
            let rest = firsts.iter().map(|first| first.first.rest()).sum();
            plan.add(format!("the remaining pages of {}", kind.as_str()), rest);
            if let Err(refusal) = self.source_client.client.afford(&plan) {
                tally.refuse(in_words(kind, &refusal));
                return Vec::new();
            }
        }
        let walks = stream::iter(firsts).map(|first| async move {
            let FirstOf { id, path, first } = first;
            let walked = match (depth, first.page) {
                (Depth::FirstPage, Ok(page)) => in_one(page.rows, page.reported.total),
                (_, page) => walk_numbered(self.source_client.walk, page.ok(), |at| self.page(&path, at), |_| {}).await,
            };
            (id, walked)
        });
        let mut walks = walks.buffer_unordered(self.source_client.walk.concurrency);
        let mut found = Vec::new();
        while let Some((id, walked)) = walks.next().await {
            let walked: WalkResult<Listed, WireError> = walked;
            let hopeless = walked.end.as_ref().is_err_and(is_hopeless);
            let rows = tally.take(&id, walked);
            found.push((id, rows));
            self.source_client.progress(kind, tally.distinct(), None);
            if hopeless {
                break;
            }
        }
        found
    }

    /// Reads the first pages.
    async fn first_of_each(&self, of: NestedLists, ids: BTreeSet<Id>, tally: &mut PerGroup) -> Vec<FirstOf> {
        let (kind, at) = (of.kind, PageAt { number: 1, size: self.source_client.walk.page_size });
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
                    if tally.failed(&id, error) {
                        break;
                    }
                }
                page => firsts.push(FirstOf { id, path, first: First { kind, path: "", page, requests: 0 } }),
            }
            self.source_client.progress(kind, firsts.len() as u64, None);
        }
        firsts
    }

    /// Returns the ids that a list names now, where it can be read to its proof.
    async fn named_now(&self, path: &str) -> Option<BTreeSet<Id>> {
        let walked = walk_numbered(self.source_client.walk, None, |at| self.page(path, at), |_| {}).await;
        let proven = matches!(walked.end, Ok(End::Proven(_)));
        proven.then(|| walked.rows.into_iter().map(|row: Listed| row.id).collect())
    }

    /// Reads the policies of each user whom a directory member may hold, where the limits of the hour allow a request for each.
    pub(super) async fn policies_of_users(&self, tenant: &mut SraTenant, reading: &mut SourceReading) {
        let ids = tenant.maybe_in_directory();
        let mut plan = RequestPlan::default();
        plan.add("policies of directory users", ids.len() as u64);
        if let Err(refusal) = self.source_client.client.afford(&plan) {
            reading.warnings.push(format!("directory users were not resolved: {refusal}"));
            return;
        }
        if ids.is_empty() {
            return;
        }
        let (rows, tally, requests) = self.per_group(POLICIES_OF_USERS, ids.into_iter(), Depth::Whole).await;
        let read = rows.into_iter().filter(|(id, _)| tally.has_read(id));
        tenant.resolved = read.map(|(id, rows)| (id, rows.into_iter().map(|row| row.id).collect())).collect();
        reading.lists.push(tally.report(self.query(&POLICIES_OF_USERS.pattern()), requests));
    }

    /// Reads what exists below the lists: the members of every policy and the users of every vendor up to a bound, each provider's own
    /// record, and the policies of one user where a run asks for them. `lists`: what the lists themselves show.
    pub(super) async fn look_below(&self, firsts: &[First], lists: &mut Vec<ProbedList>) {
        let first = |kind: ListKind| firsts.iter().find(|first| first.kind == kind);
        for (of, parent) in [(MEMBERS, ListKind::Groups), (VENDOR_USERS, ListKind::Vendors)] {
            if let Some(Ok(page)) = first(parent).map(|first| &first.page) {
                self.look_at_each(of, parent, page, lists).await;
            }
        }
        let rows = |kind: ListKind| {
            let page = first(kind).and_then(|first| first.page.as_ref().ok());
            page.into_iter().flat_map(|page| &page.rows).filter(|row| row.is_identified())
        };
        if let Some(user) = rows(ListKind::Users).next().filter(|_| self.resolve_directory_users) {
            let page = self.page(&POLICIES_OF_USERS.path(&user.id), self.first_page()).await;
            let shown = page.as_ref().map(|page| (&page.rows[..], page.reported.total));
            lists.push(probed_rows(ListKind::DirectoryMembers, shown));
        }
        for provider in rows(ListKind::SecurityProviders) {
            let path = format!("{}/security-provider/{}", self.base, provider.id.in_path());
            if let Err(error) = self.source_client.client.get::<One<PlainId>>(&path).await {
                lists.push(probed(ListKind::SecurityProviders, Err(&error)));
                break;
            }
        }
    }

    /// Reads the first page of the list below each object that a list names, beginning with that list's own first page.
    async fn look_at_each(
        &self,
        of: NestedLists,
        parent: ListKind,
        page: &Numbered<Listed>,
        lists: &mut Vec<ProbedList>,
    ) {
        let next = |place: PagePosition| async move {
            let at = PageAt { number: place.pages + 1, ..self.first_page() };
            let page = self.page(of.parent, at).await?;
            let behind = behind(&page, at.number);
            Ok((page.rows, behind))
        };
        let named = Named::read(parent, (page.rows.clone(), behind(page, 1)), next).await;
        if let (Some(why), Some(list)) = (&named.trouble, lists.iter_mut().find(|list| list.kind == parent)) {
            list.page = Err(why.clone());
        }
        if !named.rows.is_empty() {
            let (_, tally, _) = self.per_group(of, named.ids(), Depth::FirstPage).await;
            lists.push(tally.probed(&named, page.reported.total));
        }
    }
}

/// Returns what follows a page. A list that does not say where it ends has an empty page at its end.
fn behind(page: &Numbered<Listed>, number: u64) -> NextPage {
    let follows = page.reported.last.map(|last| number < last).or(page.reported.next);
    if follows.unwrap_or(!page.rows.is_empty()) { NextPage::More } else { NextPage::Nothing }
}
