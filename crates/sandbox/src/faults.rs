//! How the appliance misbehaves: what is wrong all the time, and what goes wrong by chance. Can be changed while it serves.
//! Chances are per GET request, 0.0 to 1.0, and drawn one after the other; the token endpoint is spared unless asked for.

use super::dialect::Dialect;
use fastrand::Rng;
use std::collections::BTreeSet;
use std::time::Duration;

/// The fault handles. The default appliance is faultless.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Faults {
    /// The variations of real appliances that it shows.
    pub dialects: BTreeSet<Dialect>,
    /// Rows of the users list carry only the four fields of the guide's example.
    pub sparse_lists: bool,
    /// No page has more rows than this, whatever was asked for.
    pub page_clamp: Option<usize>,
    /// The users list tells no total.
    pub no_total: bool,
    /// The groups list tells a total (the guide's does not).
    pub groups_total: bool,
    /// The groups list is not paged: all of it, always.
    pub unpaged_groups: bool,
    /// Every page is the first page.
    pub ignore_offset: bool,
    /// A token is refused after this, though it was said to last 3600 s.
    pub token_life: Option<Duration>,
    /// A token is refused after so many uses.
    pub token_requests: Option<u64>,
    /// The account is accepted by HTTP Basic only.
    pub refuse_form: bool,
    /// The API account has the scope `read_only`: writes answer 403.
    pub read_only: bool,
    /// The users list and users answer 403.
    pub forbid_users: bool,
    /// The groups list answers 403.
    pub forbid_groups: bool,
    /// The users list is empty, with 200 and total 0.
    pub empty_users: bool,
    /// Answers are never compressed.
    pub no_gzip: bool,
    /// Every answer comes this much later.
    pub latency: Option<Duration>,
    /// The server's clock minus the true time, in seconds.
    pub clock_skew_seconds: i64,
    /// Requests in one second; beyond it 429. Told by `X-RateLimit-Limit` and `X-RateLimit-Remaining`.
    pub rate_limit: Option<u32>,
    /// Chance of a 429, with `Retry-After` in one of four notations, at most a second away.
    pub too_many: f64,
    /// Chance of 500, 502 or 503.
    pub server_error: f64,
    /// Chance that the connection is cut before an answer.
    pub reset: f64,
    /// Chance that the body breaks off before its `Content-Length`.
    pub truncate: f64,
    /// Chance of a login page in HTML, with 200.
    pub html_200: f64,
    /// Chance of an empty body, with 200.
    pub empty_200: f64,
    /// The chances hold at the token endpoint too.
    pub token_endpoint_too: bool,
    /// Chance, per request of the users list, that one to three users are deleted or created just before.
    pub churn: f64,
    /// The Configuration API is that of Remote Support: no vendors, no single group policy, private display names.
    pub rs: bool,
    /// Requests that `/api/config/v1` grants in any second and in an hour; beyond either 429. The hourly limit and what is
    /// left of it are told by `X-RateLimit-Limit` and `X-RateLimit-Remaining`.
    pub hard_limits: Option<(u32, u32)>,
    /// Requests of this hour that others made already.
    pub hourly_used: u32,
    /// Pages of `/api/config/v1` tell nothing about themselves: no `X-BT-Pagination-…`, no `Link`.
    pub no_page_headers: bool,
    /// The member lists of group policies answer 403.
    pub forbid_members: bool,
    /// Vendors and their users answer 403.
    pub forbid_vendors: bool,
    /// PRA: the people of every vendor answer 403; the vendors do not.
    pub forbid_vendor_users: bool,
    /// PRA, RS: the security providers answer 403.
    pub forbid_providers: bool,
    /// PRA, RS: the API accounts answer 403.
    pub forbid_api_accounts: bool,
    /// Chance of a JSON object that tells an error, with 200, in the place of any answer.
    pub json_error_200: f64,
    /// The member list of this group policy always answers 500.
    pub fail_member_list: Option<u64>,
    /// The churn ends after so many deletions and creations.
    pub churn_max_changes: Option<u64>,
    /// Password Safe: a session is dead after so many requests, though nobody signed out; the next one answers 401.
    pub session_requests: Option<u64>,
    /// Password Safe: `GET Users` gives at most so many, and does not say so.
    pub cap_users: Option<usize>,
    /// Password Safe: `UserGroups` and all below it answer 403.
    pub forbid_user_groups: bool,
    /// Password Safe: the users of this group answer 500, always.
    pub fail_group_users: Option<u64>,
    /// SCIM: users carry no `groups`.
    pub scim_members_only: bool,
    /// SCIM: groups carry no `members`.
    pub scim_groups_only: bool,
    /// SCIM: the members of this group (the second) leave out this user (the first), who names the group.
    pub scim_disagree: Option<(u64, u64)>,
}

impl Faults {
    /// Every chance but churn at the same rate.
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

    /// What goes wrong with one request, if anything.
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
        chances.into_iter().find(|(chance, _)| hits(rng, *chance)).map(|(_, mishap)| mishap)
    }
}

/// Draws only where there is a chance, so that a faultless handle leaves the sequence alone.
pub(super) fn hits(rng: &mut Rng, chance: f64) -> bool {
    chance > 0.0 && rng.f64() < chance
}

/// One thing that goes wrong with one request.
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
