//! What exists below the lists of the Configuration API: the members of every policy, the users of every vendor, and, where the
//! configuration asks for it, the policies of single users.

use super::super::ProbedList;
use super::super::decode::{Id, Listed, One, PlainId};
use super::super::lists::{in_words, is_hopeless, probed, probed_rows};
use super::super::per_group::{Nouns, PerGroup};
use super::shapes::Tenant;
use super::{First, Sra};
use crate::model::{Harvest, ListKind};
use crate::wire::page::numbered::{PageAt, walk_numbered};
use crate::wire::page::{End, Row, Walked};
use crate::wire::{Plan, WireError};
use futures_util::stream::{self, StreamExt};
use std::collections::{BTreeMap, BTreeSet};

/// Rows by the object whose list they are of.
pub(super) type GroupRows = Vec<(Id, Vec<Listed>)>;

/// Which lists exist once an object of another list.
#[derive(Clone, Copy)]
pub(super) struct Lists {
    pub(super) kind: ListKind,
    pub(super) nouns: Nouns,
    /// Path of the list that names the objects.
    pub(super) parent: &'static str,
}

pub(super) const POLICIES: Nouns = Nouns { rows: "members", one: "policy", many: "policies" };
const USERS: Nouns = Nouns { rows: "policies", one: "user", many: "users" };
pub(super) const VENDORS: Nouns = Nouns { rows: "users", one: "vendor", many: "vendors" };

/// Returns the path of each object's own list.
pub(super) fn paths(objects: &[Listed], parent: &str, child: &str) -> Vec<(Id, String)> {
    objects.iter().map(|row| (row.id.clone(), format!("{parent}/{}/{child}", row.id.in_path()))).collect()
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
    pub(super) async fn per_group(&self, of: Lists, paths: Vec<(Id, String)>) -> (GroupRows, PerGroup, u64) {
        let before = self.desk.client.requests();
        let mut tally = PerGroup::of(of.kind, of.nouns, paths.iter().map(|(id, _)| id.clone()));
        let mut rows: BTreeMap<Id, Vec<Listed>> =
            self.round(of.kind, paths.clone(), &mut tally).await.into_iter().collect();
        if tally.needs_list() {
            let named = self.named_now(of.parent).await;
            tally.settle(named.as_ref());
            let absent = tally.absent();
            let again = paths.into_iter().filter(|(id, _)| absent.contains(id)).collect();
            rows.extend(self.round(of.kind, again, &mut tally).await);
        }
        rows.retain(|id, _| !tally.removed().contains(id));
        (rows.into_iter().collect(), tally, self.desk.client.requests() - before)
    }

    /// Reads the lists of these objects.
    async fn round(&self, kind: ListKind, paths: Vec<(Id, String)>, tally: &mut PerGroup) -> GroupRows {
        let firsts = self.first_of_each(kind, paths, tally).await;
        let mut plan = Plan::default();
        let rest = firsts.iter().map(|first| first.first.rest()).sum();
        plan.add(format!("the remaining pages of {}", kind.as_str()), rest);
        if let Err(refusal) = self.desk.client.afford(&plan) {
            tally.refuse(in_words(kind, &refusal));
            return Vec::new();
        }
        let walks = stream::iter(firsts).map(|first| async move {
            let FirstOf { id, path, first } = first;
            let walked = walk_numbered(self.desk.walk, first.page.ok(), |at| self.page(&path, at), |_| {}).await;
            (id, walked)
        });
        let mut walks = walks.buffer_unordered(self.desk.walk.concurrency);
        let mut found = Vec::new();
        while let Some((id, walked)) = walks.next().await {
            let walked: Walked<Listed, WireError> = walked;
            let hopeless = walked.end.as_ref().is_err_and(is_hopeless);
            let rows = tally.take(&id, walked);
            found.push((id, rows));
            self.desk.progress(kind, tally.distinct(), None);
            if hopeless {
                break;
            }
        }
        found
    }

    /// Reads the first pages.
    async fn first_of_each(&self, kind: ListKind, paths: Vec<(Id, String)>, tally: &mut PerGroup) -> Vec<FirstOf> {
        let at = PageAt { number: 1, size: self.desk.walk.page_size };
        let mut firsts = Vec::new();
        let mut answers = stream::iter(paths)
            .map(|(id, path)| async move {
                let page = self.page(&path, at).await;
                (id, path, page)
            })
            .buffer_unordered(self.desk.walk.concurrency);
        while let Some((id, path, page)) = answers.next().await {
            match page {
                Err(error) => {
                    if tally.failed(&id, error) {
                        break;
                    }
                }
                page => firsts.push(FirstOf { id, path, first: First { kind, path: "", page, requests: 0 } }),
            }
            self.desk.progress(kind, firsts.len() as u64, None);
        }
        firsts
    }

    /// Returns the ids that a list names now, where it can be read to its proof.
    async fn named_now(&self, path: &str) -> Option<BTreeSet<Id>> {
        let walked = walk_numbered(self.desk.walk, None, |at| self.page(path, at), |_| {}).await;
        let proven = matches!(walked.end, Ok(End::Proven(_)));
        proven.then(|| walked.rows.into_iter().map(|row: Listed| row.id).collect())
    }

    /// Reads the policies of each user whom a directory member may hold, where the limits of the hour allow a request for each.
    pub(super) async fn policies_of_users(&self, tenant: &mut Tenant, harvest: &mut Harvest) {
        let ids = tenant.maybe_in_directory();
        let mut plan = Plan::default();
        plan.add("policies of directory users", ids.len() as u64);
        if let Err(refusal) = self.desk.client.afford(&plan) {
            harvest.warnings.push(format!("directory users were not resolved: {refusal}"));
            return;
        }
        if ids.is_empty() {
            return;
        }
        let users: Vec<(Id, String)> =
            ids.into_iter().map(|id| (id.clone(), format!("/user/{}/group-policies", id.in_path()))).collect();
        let of = Lists { kind: ListKind::DirectoryMembers, nouns: USERS, parent: "/user" };
        let (rows, tally, requests) = self.per_group(of, users).await;
        let read = rows.into_iter().filter(|(id, _)| tally.has_read(id));
        tenant.resolved = read.map(|(id, rows)| (id, rows.into_iter().map(|row| row.id).collect())).collect();
        harvest.lists.push(tally.report(self.query("/user/{id}/group-policies"), requests));
    }

    /// Reads one of what exists below the lists: the members of a policy, the users of a vendor, a provider's own record, and the
    /// policies of a user where a run asks for them.
    pub(super) async fn look_below(&self, firsts: &[First]) -> Vec<ProbedList> {
        let row = |kind: ListKind| {
            let page = firsts.iter().find(|first| first.kind == kind)?.page.as_ref().ok()?;
            page.rows.iter().find(|row| row.is_identified()).map(|row| row.id.in_path())
        };
        let mut below = Vec::new();
        let mut add = |kind: ListKind, path: Option<String>| below.extend(path.map(|path| (kind, path)));
        add(ListKind::Members, row(ListKind::Groups).map(|id| format!("/group-policy/{id}/member")));
        add(ListKind::VendorUsers, row(ListKind::Vendors).map(|id| format!("/vendor/{id}/user")));
        let user = row(ListKind::Users).filter(|_| self.resolve_directory_users);
        add(ListKind::DirectoryMembers, user.map(|id| format!("/user/{id}/group-policies")));
        let at = PageAt { number: 1, size: self.desk.walk.page_size };
        let mut lists = Vec::new();
        for (kind, path) in below {
            let page = self.page(&path, at).await;
            lists.push(probed_rows(kind, page.as_ref().map(|page| (&page.rows[..], page.told.total))));
        }
        if let Some(id) = row(ListKind::SecurityProviders) {
            let record = self.desk.client.get::<One<PlainId>>(&format!("{}/security-provider/{id}", self.base)).await;
            if let Err(error) = record {
                lists.push(probed(ListKind::SecurityProviders, Err(&error)));
            }
        }
        lists
    }
}
