//! What the appliance was asked, counted. Tests wait on these counters; they never sleep.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests of any kind, counted when they arrive.
    pub requests: u64,
    /// Tokens given.
    pub tokens_issued: u64,
    /// Pages of the users list that the API answered with 200 (a mishap may still spoil one on its way).
    pub users_pages: u64,
    /// The same for the groups list.
    pub groups_pages: u64,
    /// Users asked for by id, found or not.
    pub details: u64,
    /// 429 answers.
    pub too_many: u64,
    /// 401 answers, of the API and of the token endpoint.
    pub unauthorized: u64,
    /// Requests being answered.
    pub in_flight: u64,
    /// The most that there ever were.
    pub max_in_flight: u64,
    /// Requests that met a chance of [`super::Faults`] (churn apart).
    pub faults_injected: u64,
    /// Writes that changed something.
    pub writes: u64,
    /// Users deleted or created by churn, and memberships changed by it.
    pub churned: u64,
    /// Pages of the lists of `/api/config/v1` that were answered with 200.
    pub config_pages: u64,
    /// Requests that were refused by the hard limits.
    pub over_limit: u64,
    /// The most requests of `/api/config/v1` that ever arrived within one second.
    pub max_per_second: u64,
    /// Password Safe: sessions opened.
    pub sessions_opened: u64,
    /// Password Safe: sessions that are open now.
    pub sessions_open: u64,
    /// Password Safe: lists answered with 200 (a mishap may still spoil one on its way).
    pub safe_lists: u64,
    /// SCIM: pages of users and groups, the same.
    pub scim_pages: u64,
    /// Password Safe: requests that made the appliance synchronise a directory group.
    pub directory_syncs: u64,
}

#[derive(Default)]
pub(super) struct Tally {
    counters: Mutex<Counters>,
    changed: Condvar,
}

/// One request on its way; it leaves when this is dropped.
pub(super) struct InFlight<'a>(&'a Tally);

impl Tally {
    pub(super) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut lock(&self.counters));
        self.changed.notify_all();
    }

    pub(super) fn snapshot(&self) -> Counters {
        *lock(&self.counters)
    }

    pub(super) fn enter(&self) -> InFlight<'_> {
        self.count(|c| {
            c.requests += 1;
            c.in_flight += 1;
            c.max_in_flight = c.max_in_flight.max(c.in_flight);
        });
        InFlight(self)
    }

    /// False when the time was up first.
    pub(super) fn wait_for(&self, most: Duration, enough: impl Fn(&Counters) -> bool) -> bool {
        let counters = lock(&self.counters);
        let waited = self.changed.wait_timeout_while(counters, most, |c| !enough(c));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.count(|c| c.in_flight -= 1);
    }
}

/// A test that panicked while it held the lock does not stop the server.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
