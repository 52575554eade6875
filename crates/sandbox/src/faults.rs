//! How the appliance misbehaves: permanently, or by chance. The faults can be changed while it serves.
//!
//! Chances are per GET request, from 0.0 to 1.0, and are drawn one after the other. The token endpoint is spared unless
//! [`Faults::token_endpoint_too`] is set.

use crate::dialect::Dialect;
use fastrand::Rng;
use std::collections::BTreeSet;
use std::time::Duration;

/// The faults of a simulated appliance. The default has none.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Faults {
    /// Dialects: the ways in which real appliances deviate from the documentation.
    pub dialects: BTreeSet<Dialect>,
    /// Rows of the list of users have only the four fields of the guide's example.
    pub sparse_lists: bool,
    /// No page has more rows than this, whatever the client asks for.
    pub page_clamp: Option<usize>,
    /// The list of users reports no total.
    pub no_total: bool,
    /// The list of groups reports a total (the guide's does not).
    pub groups_total: bool,
    /// The list of groups is not paged: every request gets all groups.
    pub unpaged_groups: bool,
    /// Every page is the first page.
    pub ignore_offset: bool,
    /// A token is refused after this time, although its stated lifetime is 3600 s.
    pub token_life: Option<Duration>,
    /// A token is refused after this number of uses.
    pub token_requests: Option<u64>,
    /// The token endpoint accepts the account by HTTP Basic only.
    pub refuse_form: bool,
    /// The list of users and single users are answered with 403.
    pub forbid_users: bool,
    /// The list of groups is answered with 403.
    pub forbid_groups: bool,
    /// The list of users is empty, with 200 and a total of 0.
    pub empty_users: bool,
    /// Responses are never compressed.
    pub no_gzip: bool,
    /// Every response is delayed by this time.
    pub latency: Option<Duration>,
    /// The server's clock minus the true time, in seconds.
    pub clock_skew_seconds: i64,
    /// Requests granted in a second; more get 429. `X-RateLimit-Limit` and `X-RateLimit-Remaining` report the limit.
    pub rate_limit: Option<u32>,
    /// Chance of a 429 with `Retry-After` in one of four notations, at most a second away.
    pub too_many: f64,
    /// Chance of 500, 502 or 503.
    pub server_error: f64,
    /// Chance that the connection is cut before a response.
    pub reset: f64,
    /// Chance that the body ends before its `Content-Length`.
    pub truncate: f64,
    /// Chance of a login page in HTML, with 200.
    pub html_200: f64,
    /// Chance of an empty body, with 200.
    pub empty_200: f64,
    /// The chances apply to the token endpoint too.
    pub token_endpoint_too: bool,
    /// Chance, for each request of the list of users, that one to three users are deleted or created just before.
    pub churn: f64,
    /// The Configuration API is that of Remote Support: no vendors, no single group policy, private display names.
    pub rs: bool,
    /// Requests to `/api/config/v1` granted in any second and in an hour; more get 429. `X-RateLimit-Limit` and
    /// `X-RateLimit-Remaining` report the hourly limit and what is left of it.
    pub hard_limits: Option<(u32, u32)>,
    /// Requests of this hour that other clients made already.
    pub hourly_used: u32,
    /// Pages of `/api/config/v1` have no paging headers: no `X-BT-Pagination-…`, no `Link`.
    pub no_page_headers: bool,
    /// The member lists of group policies are answered with 403.
    pub forbid_members: bool,
    /// Vendors and their users are answered with 403.
    pub forbid_vendors: bool,
    /// PRA: the users of every vendor are answered with 403; the list of vendors is not.
    pub forbid_vendor_users: bool,
    /// PRA, RS: the security providers are answered with 403.
    pub forbid_providers: bool,
    /// PRA, RS: the API accounts are answered with 403.
    pub forbid_api_accounts: bool,
    /// Chance of a JSON object that reports an error, with 200, instead of any response.
    pub json_error_200: f64,
    /// The member list of this group policy is always answered with 500.
    pub fail_member_list: Option<u64>,
    /// Churn ends after this number of changes.
    pub churn_max_changes: Option<u64>,
    /// Password Safe: a session ends after this number of requests, without a sign-out; the next request gets 401.
    pub session_requests: Option<u64>,
    /// Password Safe: `GET Users` returns at most this number of users, and nothing indicates the cut.
    pub cap_users: Option<usize>,
    /// Password Safe: `UserGroups` and everything below it are answered with 403.
    pub forbid_user_groups: bool,
    /// Password Safe: the users of this group are always answered with 500.
    pub fail_group_users: Option<u64>,
    /// SCIM: users have no `groups`.
    pub scim_members_only: bool,
    /// SCIM: groups have no `members`.
    pub scim_groups_only: bool,
    /// SCIM: a (user, group) pair that the members of the group leave out, although the user names the group.
    pub scim_disagree: Option<(u64, u64)>,
}

impl Faults {
    /// Returns faults with the six most common chances at this rate; churn is not among them.
    pub fn each(rate: f64) -> Self {
        Self {
            too_many: rate,
            server_error: rate,
            reset: rate,
            truncate: rate,
            html_200: rate,
            empty_200: rate,
            ..Self::default()
        }
    }

    /// Draws what goes wrong with one request, if anything.
    pub(super) fn draw(&self, rng: &mut Rng) -> Option<Fault> {
        let chances = [
            (self.too_many, Fault::TooMany),
            (self.server_error, Fault::ServerError),
            (self.reset, Fault::Reset),
            (self.truncate, Fault::Truncate),
            (self.html_200, Fault::Html),
            (self.empty_200, Fault::Empty),
            (self.json_error_200, Fault::JsonError),
        ];
        chances.into_iter().find(|(chance, _)| occurs(rng, *chance)).map(|(_, fault)| fault)
    }
}

/// Draws whether a chance occurs. A chance of 0 draws nothing, so the sequence of the generator does not depend on it.
pub(super) fn occurs(rng: &mut Rng, chance: f64) -> bool {
    chance > 0.0 && rng.f64() < chance
}

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    TooMany,
    ServerError,
    Reset,
    Truncate,
    Html,
    Empty,
    JsonError,
}
