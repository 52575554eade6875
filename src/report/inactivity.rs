//! The histogram of days since the last login. Every threshold is an edge of a bin, so its line is between two bars.

use super::chart::{Bin, Chart, Limit};
use super::index::Index;
use super::text::thousands;
use crate::model::{LastLogin, Rule, User};

/// First day of each bin. The last bin has no end.
const EDGES: [u64; 10] = [0, 7, 14, 30, 45, 60, 90, 120, 180, 365];

/// The section "Days since the last login".
#[derive(Clone, Debug, PartialEq)]
pub struct Inactivity {
    /// Number of accounts in the histogram: enabled, not blocked, not service accounts.
    pub population: u64,
    /// Number of accounts with a `stale-login` finding.
    pub stale: u64,
    /// Bins of days.
    pub bins: Vec<Bin>,
    /// Bins without a usable last login: never, not reported, unreadable.
    pub apart: [Bin; 3],
    /// Whether `stale-login` was evaluated in at least one source.
    pub evaluated: bool,
    /// All numbers as text, for readers who do not see the picture.
    pub description: String,
    /// Geometry of the picture.
    pub chart: Chart,
}

impl Inactivity {
    pub(super) fn of(index: &Index<'_>) -> Self {
        let limits = limits(index);
        let edges = edges(&limits);
        let mut bins: Vec<Bin> = (0..edges.len()).map(|at| Bin::named(&label(&edges, at))).collect();
        let mut apart = [Bin::named("never"), Bin::named("not reported"), Bin::named("unreadable")];
        for account in index.accounts().filter(|account| index.may_be_inactive(account.user)) {
            bin_of(index, account.user, &edges, &mut bins, &mut apart).add(account.facts.is_stale);
        }
        let limits = placed(limits, &edges);
        let counted = || bins.iter().chain(&apart);
        Self {
            population: counted().map(|bin| bin.total).sum(),
            stale: counted().map(|bin| bin.stale).sum(),
            evaluated: index.is_evaluated(Rule::StaleLogin),
            description: description(&bins, &apart, &limits),
            chart: Chart::of(&bins, &apart, &limits),
            bins,
            apart,
        }
    }
}

fn bin_of<'b>(
    index: &Index<'_>,
    user: &User,
    edges: &[u64],
    bins: &'b mut [Bin],
    apart: &'b mut [Bin; 3],
) -> &'b mut Bin {
    match &user.last_login {
        LastLogin::At(at) => {
            // A login in the future has age 0, as in the rules.
            let age = u64::try_from((index.input.as_of - at).num_seconds()).unwrap_or(0) / 86_400;
            &mut bins[edges.partition_point(|edge| *edge <= age) - 1]
        }
        LastLogin::Never { .. } => &mut apart[0],
        LastLogin::NotReported => &mut apart[1],
        LastLogin::Unreadable(_) => &mut apart[2],
    }
}

fn limits(index: &Index<'_>) -> Vec<Limit> {
    let policy = index.input.policy;
    let (all, privileged) = (u64::from(policy.stale_after.days), u64::from(policy.privileged_stale_after.days));
    let limit = |days: u64, who: &str| Limit { days, words: format!("{days} days: {who}"), bin: 0 };
    if all == privileged {
        return vec![limit(all, "all accounts")];
    }
    let mut limits = vec![limit(privileged, "privileged accounts"), limit(all, "other accounts")];
    limits.sort_by_key(|limit| limit.days);
    limits
}

fn edges(limits: &[Limit]) -> Vec<u64> {
    // A bin that spans a threshold would mix inactive accounts with others.
    let mut edges: Vec<u64> = EDGES.into_iter().chain(limits.iter().map(|limit| limit.days)).collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// Sets the bin of each threshold.
fn placed(mut limits: Vec<Limit>, edges: &[u64]) -> Vec<Limit> {
    for limit in &mut limits {
        limit.bin = edges.partition_point(|edge| *edge < limit.days);
    }
    limits
}

fn label(edges: &[u64], at: usize) -> String {
    match edges.get(at + 1) {
        None => format!("{}+", edges[at]),
        Some(next) if next - edges[at] == 1 => edges[at].to_string(),
        Some(next) => format!("{}–{}", edges[at], next - 1),
    }
}

fn description(bins: &[Bin], apart: &[Bin; 3], limits: &[Limit]) -> String {
    let days = bins.iter().map(|bin| format!("{} days: {}", bin.label, thousands(bin.total)));
    let rest = apart.iter().map(|bin| format!("{}: {}", bin.label, thousands(bin.total)));
    let limits: Vec<&str> = limits.iter().map(|limit| limit.words.as_str()).collect();
    let counts: Vec<String> = days.chain(rest).collect();
    format!("Accounts by days since the last login. {}. Thresholds: {}.", counts.join("; "), limits.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(days: u64) -> Limit {
        Limit { days, words: String::new(), bin: 0 }
    }

    #[test]
    fn a_threshold_is_always_an_edge_before_the_first_age_that_is_a_finding() {
        let limits = vec![limit(35), limit(400)];
        let edges = edges(&limits);
        assert_eq!(edges, [0, 7, 14, 30, 35, 45, 60, 90, 120, 180, 365, 400]);
        let placed = placed(limits, &edges);
        assert_eq!((placed[0].bin, placed[1].bin), (4, 11));
        assert_eq!((label(&edges, 3).as_str(), label(&edges, 11).as_str()), ("30–34", "400+"));
    }
}
