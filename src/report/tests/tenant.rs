//! Accounts and groups of the sample tenant. Names, types and dates come from a generator with a fixed seed.

use super::sample::{as_of, hash};
use crate::model::{
    Coverage, Group, GroupId, Instant, LastLogin, ListKind, ListReport, ReportedDate, SourceIdentity, SourceReading,
    User,
};
use chrono::Duration;

/// A linear congruential generator (Knuth, MMIX). A library could change its numbers, and the samples with them.
struct Generator(u64);

impl Generator {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap_or(0)]
    }

    fn days(&mut self, from: u64, to: u64) -> Duration {
        Duration::seconds(i64::try_from((from * 86_400) + self.below((to - from) * 86_400)).unwrap_or(0))
    }
}

const GIVEN: [&str; 20] = [
    "amara", "ben", "chiara", "dmitri", "elena", "farid", "grace", "hiro", "ines", "jonas", "katya", "liam", "mei",
    "nadia", "omar", "petra", "quentin", "rosa", "sven", "tariq",
];
const FAMILY: [&str; 20] = [
    "okafor", "schmidt", "rossi", "ivanov", "garcia", "haddad", "murphy", "tanaka", "costa", "berg", "novak", "byrne",
    "chen", "petit", "rahman", "kowalski", "dubois", "silva", "larsen", "aziz",
];
const GROUPS: [&str; 14] = [
    "Administrators",
    "Service Desk",
    "Vault Admins",
    "Network Operations",
    "Database Operators",
    "Finance Read-Only",
    "Remote Support EMEA",
    "Remote Support Americas",
    "Policy Owners",
    "Auditors",
    "Payment Platform",
    "Build Engineers",
    "Vendor Access",
    "Security Operations",
];

pub(super) fn reading(name: &str, count: u64, seed: u64) -> SourceReading {
    let mut generator = Generator(seed);
    let users = (1..=count).map(|id| user(&mut generator, id)).collect();
    let groups = (1u64..).zip(GROUPS).map(|(id, name)| group(id, name)).collect();
    let pages = count.div_ceil(99);
    SourceReading {
        source: SourceIdentity {
            name: name.into(),
            kind: "rest-v3".to_owned(),
            url: format!("https://{name}.example.com"),
            client_id: "rollcall-reader".to_owned(),
        },
        users,
        groups,
        outside: Vec::new(),
        lists: vec![
            list(ListKind::Users, Some(count), count, ("complete", &users_proof(count, pages))),
            list(ListKind::Groups, Some(14), 14, ("complete", "total 14 reached over 1 page")),
        ],
        clock_skew_seconds: Some(i64::try_from(seed % 5).unwrap_or(0) - 1),
        tls_certificate_sha256: Some(hash(&format!("certificate of {name}"))),
        hides_inactive: false,
        odd_values: Vec::new(),
        warnings: Vec::new(),
        notes: Vec::new(),
    }
}

/// Copies name and address of an account of the first source to every sixth account of the second.
pub(super) fn same_people(first: &SourceReading, second: &mut SourceReading) {
    for (user, known) in second.users.iter_mut().zip(&first.users).skip(1).step_by(6) {
        user.username.clone_from(&known.username);
        user.display_name.clone_from(&known.display_name);
        user.email_address.clone_from(&known.email_address);
    }
}

/// Returns a proof as `wire` words it.
fn users_proof(count: u64, pages: u64) -> String {
    match pages {
        1 => format!("total {count} reached over 1 page"),
        _ => format!("total {count} reached over {pages} pages; consecutive pages overlap as expected"),
    }
}

pub(super) fn list(kind: ListKind, expected: Option<u64>, rows: u64, (word, words): (&str, &str)) -> ListReport {
    let words = words.to_owned();
    let pages = rows.div_ceil(99).max(1);
    ListReport {
        kind,
        query: format!("/api/public/v3/{}?offset=0&limit=100", kind.as_str()),
        expected,
        received: rows + pages - 1,
        distinct: rows,
        pages,
        passes: if word == "drifted" { 4 } else { 1 },
        requests: pages + if word == "failed" { 6 } else { 1 },
        coverage: match word {
            "complete" => Coverage::Complete { proof: words },
            "drifted" => Coverage::Drifted { why: words },
            "failed" => Coverage::Failed { error: words },
            _ => Coverage::NotOffered,
        },
    }
}

fn group(id: u64, name: &str) -> Group {
    Group { name: Some(name.into()), ..Group::new(id.to_string()) }
}

fn user(generator: &mut Generator, id: u64) -> User {
    let (given, family) = (generator.pick(&GIVEN), generator.pick(&FAMILY));
    let local = generator.below(100) < 18;
    let username = match id {
        4 => "emergency-01".to_owned(),
        _ if id.is_multiple_of(29) => format!("svc-{}-{id}", generator.pick(&["backup", "scan", "deploy", "sync"])),
        _ => format!("{given}.{family}{id}"),
    };
    let created = as_of() - generator.days(20, 2200);
    let mut user = User::new(id.to_string());
    user.display_name = Some(format!("{given} {family}").into());
    user.email_address = Some(format!("{username}@example.com").into());
    user.username = Some(username.into());
    user.enabled = Some(generator.below(100) >= 9);
    user.account_type = Some(if local { "local".into() } else { generator.pick(&["SAML", "LDAP", "SAML"]).into() });
    user.group_memberships = memberships(generator);
    user.groups_known = true;
    user.last_login = last_login(generator, id, created);
    user.created_at = ReportedDate::At(created);
    make_unusual(id, &mut user);
    user
}

/// Makes some accounts unusual, as in a real tenant: a formula as a name, a right-to-left name, an unreadable date.
fn make_unusual(id: u64, user: &mut User) {
    match id {
        23 => user.username = Some("=HYPERLINK(\"intranet\",\"yael\")".into()),
        51 => {
            user.username = Some("יעל.כהן".into());
            user.display_name = Some("יעל כהן".into());
        }
        77 => user.last_login = LastLogin::Unreadable("31/02/2026".into()),
        _ => {}
    }
}

fn memberships(generator: &mut Generator) -> Box<[GroupId]> {
    let wanted = match generator.below(100) {
        0..=2 => 0,
        3..=60 => 1,
        61..=88 => 2,
        _ => 3,
    };
    // Privileged groups (1 and 3) are small.
    let mut ids: Vec<GroupId> = (0..wanted)
        .map(|_| if generator.below(100) < 6 { 1 + 2 * generator.below(2) } else { 4 + generator.below(11) })
        .map(|id| GroupId::from(id.to_string()))
        .collect();
    ids.sort();
    ids.dedup();
    ids.into()
}

fn last_login(generator: &mut Generator, id: u64, created: Instant) -> LastLogin {
    let age = match generator.below(100) {
        0..=54 => generator.days(0, 14),
        55..=72 => generator.days(14, 45),
        73..=82 => generator.days(45, 90),
        83..=90 => generator.days(90, 200),
        91..=94 => generator.days(200, 700),
        _ => {
            return LastLogin::Never {
                sentinel: id.is_multiple_of(2).then(|| Box::new("0001-01-01T00:00:00Z".into())),
            };
        }
    };
    LastLogin::At((as_of() - age).max(created))
}
