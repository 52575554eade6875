//! Counts of the requests that the appliance received. Tests wait on these counters; they never sleep.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Counts since the start of the appliance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests of any kind, counted when they arrive.
    pub requests: u64,
    /// Tokens issued by the token endpoints.
    pub tokens_issued: u64,
    /// Pages of the list of users that the API answered with 200. An injected fault may still spoil the response.
    pub(crate) users_pages: u64,
    /// Pages of the list of groups that the API answered with 200. An injected fault may still spoil the response.
    pub(crate) groups_pages: u64,
    /// Requests for a single user, found or not.
    pub details: u64,
    /// Responses with status 429.
    pub(crate) too_many: u64,
    /// Responses with status 401, of the API and of the token endpoint.
    pub unauthorized: u64,
    /// Requests that are being answered now.
    pub(crate) in_flight: u64,
    /// The highest value of `in_flight` so far.
    pub(crate) max_in_flight: u64,
    /// Requests that met a chance of [`crate::Faults`], churn excepted.
    pub faults_injected: u64,
    /// Users deleted or created by churn, and memberships changed by it.
    pub(crate) churned: u64,
    /// Pages of `/api/config/v1` that were answered with 200.
    pub(crate) config_pages: u64,
    /// Requests that the hard limits refused.
    pub over_limit: u64,
    /// The highest number of requests to `/api/config/v1` within any second.
    pub max_per_second: u64,
    /// Password Safe: sessions opened so far.
    pub sessions_opened: u64,
    /// Password Safe: sessions that are open now.
    pub sessions_open: u64,
    /// Password Safe: lists answered with 200. An injected fault may still spoil the response.
    pub(crate) safe_lists: u64,
    /// SCIM: pages of users and groups answered with 200. An injected fault may still spoil the response.
    pub(crate) scim_pages: u64,
    /// Password Safe: requests that made the appliance synchronise a directory group.
    pub(crate) directory_syncs: u64,
}

/// The counters, shared by all requests, with a signal for those who wait on them.
#[derive(Default)]
pub(super) struct SharedCounters {
    counters: Mutex<Counters>,
    changed: Condvar,
}

/// A request that is being answered; it leaves `in_flight` when this is dropped.
pub(super) struct InFlight<'a>(&'a SharedCounters);

impl SharedCounters {
    /// Changes the counters and wakes everybody who waits on them.
    pub(super) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut lock(&self.counters));
        self.changed.notify_all();
    }

    pub(super) fn snapshot(&self) -> Counters {
        *lock(&self.counters)
    }

    /// Counts a request that arrives.
    pub(super) fn enter(&self) -> InFlight<'_> {
        self.count(|c| {
            c.requests += 1;
            c.in_flight += 1;
            c.max_in_flight = c.max_in_flight.max(c.in_flight);
        });
        InFlight(self)
    }

    /// Waits until `enough` holds; returns false if the time was up first.
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

/// Locks a mutex, poisoned or not. A test that panicked while it held the lock must not stop the server.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
