//! Connector for `scim`: SCIM 2.0 (RFC 7643, RFC 7644), whichever product serves it.
//! Knows its paths, its windows (`startIndex` from 1, `count`) and the order of reading; the shapes are in `decode`, the paging in
//! `wire::page`. Reads only.

mod decode;

use super::lists::{Desk, pages, probed, report, settle_strangers};
use super::record::{Decoding, Listed, Record, listed};
use super::{Harvesting, Probe, Probing, Source, SourceSettings};
use crate::event::Observer;
use crate::model::{Coverage, Harvest, ListKind, ListReport};
use crate::wire::page::{Page, Window, walk};
use crate::wire::{Body, Plan, WireError, WireErrorKind};
use chrono::Utc;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// RFC 7644 §3.1.
const MEDIA_TYPE: &str = "application/scim+json";
/// Rounds of repair before a list is said to be not proven. Each can read the whole list: ids have no order.
const MAX_PASSES: u32 = 6;

/// Reads one service provider.
pub(super) struct Scim {
    desk: Desk,
    base: String,
    last_login_path: Option<String>,
}

/// RFC 7644 §3.4.2: `Resources` is absent when there are none.
struct ListResponse {
    total: Option<u64>,
    resources: Option<Vec<Record>>,
}

impl<'de> Deserialize<'de> for ListResponse {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Shape {
            #[serde(default)]
            schemas: Vec<String>,
            #[serde(rename = "totalResults")]
            total: Option<u64>,
            #[serde(rename = "Resources")]
            resources: Option<Vec<Record>>,
        }
        let Shape { schemas, total, resources } = Shape::deserialize(deserializer)?;
        // An object that tells an error is no empty list.
        let is_list = schemas.iter().any(|schema| schema.ends_with(":ListResponse"));
        if total.is_none() && resources.is_none() && !is_list {
            return Err(serde::de::Error::custom("not a ListResponse"));
        }
        Ok(Self { total, resources })
    }
}

impl Body for ListResponse {
    fn rows(&self) -> Option<u64> {
        Some(self.resources.as_ref().map_or(0, |rows| rows.len() as u64))
    }
}

impl Scim {
    /// Makes the connector. Errors: the client could not be set up.
    pub(super) fn new(settings: &SourceSettings, observer: Arc<dyn Observer>) -> Result<Self, WireError> {
        let mut settings = settings.clone();
        settings.client.accept = MEDIA_TYPE;
        let desk = Desk::new(&settings, observer, MAX_PASSES)?;
        Ok(Self { desk, base: settings.base_path, last_login_path: settings.last_login_path })
    }

    async fn read(&self) -> Harvest {
        let (decoding, began) = (Decoding::default(), Utc::now());
        let mut harvest = Harvest::of(self.desk.identity.clone());
        let page_size = match self.provider().await {
            Ok(most) => most.map_or(self.desk.walk.page_size, |most| self.desk.walk.page_size.min(most.max(1))),
            Err(error) => {
                // What it would have told can be seen from the answers as well.
                harvest.warnings.push(format!("its ServiceProviderConfig could not be read: {error}"));
                self.desk.walk.page_size
            }
        };
        let (users, report) = self.list(ListKind::Users, "Users", page_size).await;
        let failed = matches!(report.coverage, Coverage::Failed { .. });
        harvest.lists.push(report);
        // Without users the groups say nothing; a source that is down is not asked again.
        let groups = if failed {
            Vec::new()
        } else {
            let (groups, report) = self.list(ListKind::Groups, "Groups", page_size).await;
            harvest.lists.push(report);
            groups
        };
        let mut users = users;
        let missing = decode::strangers(&users, &groups);
        let (found, unknown) = self.desk.strangers(&format!("{}/Users", self.base), "id", &missing).await;
        settle_strangers(&mut harvest, &found, unknown, began, |row| row.record.at("/meta/created").cloned());
        users.extend(found);
        decode::fill(&mut harvest, users, groups, self.last_login_path.as_deref(), &decoding);
        harvest.clock_skew_seconds = self.desk.client.clock_skew_seconds();
        harvest.tls_certificate_sha256 = self.desk.client.tls_certificate_sha256();
        harvest.warnings.extend(decoding.warnings());
        harvest
    }

    /// RFC 7643 §5: the most rows of one answer, where the provider tells them.
    async fn provider(&self) -> Result<Option<u64>, WireError> {
        let path = format!("{}/ServiceProviderConfig", self.base);
        let config = self.desk.client.get::<Record>(&path).await?;
        Ok(config.at("/filter/maxResults").and_then(Value::as_u64).filter(|most| *most > 0))
    }

    async fn list(&self, kind: ListKind, resource: &str, page_size: u64) -> (Vec<Listed>, ListReport) {
        let before = self.desk.client.requests();
        let settings = crate::wire::page::WalkSettings { page_size, ..self.desk.walk };
        let fetch = |window: Window| self.window(resource, window, page_size);
        let walked = walk(settings, fetch, |p| self.desk.tell(kind, &p)).await;
        let query = self.path(resource, Window { offset: 0, limit: page_size });
        report(kind, query, self.desk.client.requests() - before, walked)
    }

    /// One window. A server that refuses more rows than a page, instead of giving fewer, is asked for a page.
    async fn window(&self, resource: &str, window: Window, page_size: u64) -> Result<Page<Listed>, WireError> {
        match self.page(&self.path(resource, window)).await {
            Err(error) if window.limit > page_size && matches!(error.kind, WireErrorKind::Status(400 | 416 | 422)) => {
                self.page(&self.path(resource, Window { limit: page_size, ..window })).await
            }
            answer => answer,
        }
    }

    async fn page(&self, path: &str) -> Result<Page<Listed>, WireError> {
        let answer: ListResponse = self.desk.client.get(path).await?;
        Ok(Page { rows: listed(answer.resources.unwrap_or_default(), "id", path)?, total: answer.total })
    }

    /// RFC 7644 §3.4.2.4: `startIndex` counts from 1.
    fn path(&self, resource: &str, window: Window) -> String {
        format!("{}/{resource}?startIndex={}&count={}", self.base, window.offset + 1, window.limit)
    }

    /// One page of each list, and what a run would cost by what they show.
    async fn look(&self) -> Probe {
        let (mut lists, mut plan) = (Vec::new(), Plan::default());
        plan.add("a token and the provider's own description", 2);
        let window = Window { offset: 0, limit: self.desk.walk.page_size };
        for (kind, resource) in [(ListKind::Users, "Users"), (ListKind::Groups, "Groups")] {
            let page = self.page(&self.path(resource, window)).await;
            let shown = page.as_ref().map(|page| (page.rows.len() as u64, page.total));
            if let Ok((rows, total)) = shown {
                plan.add(kind.as_str(), pages(total, rows));
            }
            lists.push(probed(kind, shown));
            if page.is_err() {
                break;
            }
        }
        let whole = lists.iter().all(|list| list.page.is_ok());
        let skew = self.desk.client.clock_skew_seconds();
        Probe { lists, clock_skew_seconds: skew, plan: whole.then_some(plan), beyond_limits: None }
    }
}

impl Source for Scim {
    fn harvest(&self) -> Harvesting<'_> {
        Box::pin(self.read())
    }

    fn probe(&self) -> Probing<'_> {
        Box::pin(self.look())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn an_object_that_tells_an_error_is_no_empty_list() {
        for body in
            [r#"{"error":"x"}"#, "{}", r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"403"}"#]
        {
            assert!(
                serde_json::from_str::<ListResponse>(body).is_err(),
                "{body} is read as an empty list without a total"
            );
        }
    }
}
