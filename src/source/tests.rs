//! Tests of whole readings against small HTTP servers on loopback that give wrong, partial or failing answers.

use super::*;
use crate::event::NoObserver;
use crate::model::{Classes, Coverage, SourceInventory, SourceName, UserKind};
use crate::wire::{Credentials, TokenAuth};
use bt_rollcall_sandbox::{Faults, Sandbox, SandboxOptions, World};
use secrecy::SecretString;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

fn settings(url: &str, kind: SourceKind, id: &str, secret: &str) -> SourceSettings {
    let name = SourceName::from("s");
    let base_path = kind.base_path().to_owned();
    let token_path = if kind == SourceKind::PasswordSafe {
        format!("{base_path}/Auth/Connect/Token")
    } else {
        "/oauth2/token".to_owned()
    };
    let account = Credentials::Oauth {
        token_path,
        client_id: id.to_owned(),
        client_secret: SecretString::from(secret.to_owned()),
        token_auth: TokenAuth::Form,
    };
    let mut client = ClientSettings::new(name.clone(), url, account);
    client.requests_per_second = 1e6;
    client.backoff = Duration::from_millis(1);
    client.max_wait = Duration::from_millis(5);
    client.attempts = 2;
    let identity =
        SourceIdentity { name, kind: kind.as_str().to_owned(), url: url.to_owned(), client_id: id.to_owned() };
    SourceSettings { page_size: 20, base_path, ..SourceSettings::new(identity, kind, client) }
}

fn reading(settings: &SourceSettings) -> SourceReading {
    let observer: Arc<dyn Observer> = Arc::new(NoObserver);
    let source = build(settings, observer).unwrap();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let reading = source.read_all().await;
        source.sign_out().await;
        reading
    })
}

/// Reads the source of this kind that the server at `url` simulates.
fn reading_of(url: &str, kind: SourceKind) -> SourceReading {
    reading(&settings(url, kind, "i", "s"))
}

fn sandbox(users: usize, faults: Faults) -> Sandbox {
    let world = World::seeded(7, users, "2026-11-23T02:00:00Z".parse().unwrap());
    Sandbox::start(SandboxOptions { world, faults, seed: 1, ..SandboxOptions::default() }).unwrap()
}

fn settings_of(sandbox: &Sandbox, kind: SourceKind) -> SourceSettings {
    settings(sandbox.url(), kind, sandbox.client_id(), sandbox.client_secret())
}

/// Request that a test server answers.
struct Request<'a> {
    path: &'a str,
    /// Number of earlier requests with the same path.
    before: usize,
}

impl Request<'_> {
    /// Returns a number in the query, such as `per_page=`.
    fn number(&self, parameter: &str) -> u64 {
        self.path.split(parameter).nth(1).unwrap().split('&').next().unwrap().parse().unwrap()
    }

    fn is_for(&self, part: &str) -> bool {
        self.path.contains(part)
    }
}

/// Status, headers and body of an answer.
type Answer = (u16, String, String);

fn json(body: impl Into<String>) -> Answer {
    (200, String::new(), body.into())
}

fn status(code: u16) -> Answer {
    (code, String::new(), String::new())
}

/// Answers with an array that has these ids in the field `key`.
fn ids(ids: RangeInclusive<u64>, key: &str) -> Answer {
    json(format!("[{}]", ids.map(|id| format!("{{\"{key}\":{id}}}")).collect::<Vec<_>>().join(",")))
}

/// Answers with all `total` rows as the only page of a list.
fn only_page(total: u64, body: impl Into<String>) -> Answer {
    (200, pagination(total, 20, 1), body.into())
}

/// Answers with the requested page of a list of `total` rows with ids from 1.
fn numbered_page(request: &Request<'_>, total: u64) -> Answer {
    let (size, page) = (request.number("per_page="), request.number("current_page="));
    let last = (page * size).min(total);
    let (_, _, body) = ids((page - 1) * size + 1..=last, "id");
    (200, pagination(total, size, page), body)
}

fn pagination(total: u64, size: u64, page: u64) -> String {
    format!(
        "X-BT-Pagination-Total: {total}\r\nX-BT-Pagination-Last-Page: {}\r\nX-BT-Pagination-Per-Page: {size}\r\n\
         X-BT-Pagination-Current-Page: {page}\r\n",
        total.div_ceil(size).max(1)
    )
}

/// Reads one HTTP request; returns its path.
fn read_request(stream: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    line.split(' ').nth(1).map(str::to_owned)
}

/// Starts a server that answers with `answer`, and token requests with a token. Returns its address and the paths
/// requested.
fn server(answer: impl Fn(&Request<'_>) -> Answer + Send + 'static) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let log = Arc::new(Mutex::new(Vec::<String>::new()));
    let requested = Arc::clone(&log);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = BufReader::new(stream);
            let Some(path) = read_request(&mut stream) else { continue };
            let before = requested.lock().unwrap().iter().filter(|earlier| **earlier == path).count();
            requested.lock().unwrap().push(path.clone());
            let (status, headers, body) = if path.contains("oken") {
                json(r#"{"access_token":"t","expires_in":3600}"#)
            } else {
                answer(&Request { path: &path, before })
            };
            let length = body.len();
            let response =
                format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n{body}");
            // The client may have gone away: its error is what the test looks at.
            let _ = stream.get_mut().write_all(response.as_bytes());
        }
    });
    (url, log)
}

/// Simulates a Password Safe with these groups and no members. `users` answers the list of users.
fn password_safe(groups: u64, users: impl Fn(&Request<'_>) -> Answer + Send + 'static) -> String {
    let (url, _) = server(move |request| {
        if request.is_for("SignAppIn") {
            return (200, "Set-Cookie: ASP.NET_SessionId=a\r\n".to_owned(), "{}".to_owned());
        }
        if request.is_for("/UserGroups/") {
            return json("[]");
        }
        if request.is_for("/UserGroups") {
            return ids(1..=groups, "GroupID");
        }
        if request.is_for("/Users") { users(request) } else { json("") }
    });
    url
}

/// Simulates a SCIM provider with two users. `groups` answers the list of groups.
fn scim(groups: impl Fn(&Request<'_>) -> Answer + Send + 'static) -> String {
    let (url, _) = server(move |request| {
        if request.is_for("/Users?") {
            return json(r#"{"totalResults":2,"Resources":[{"id":"u1"},{"id":"u2"}]}"#);
        }
        groups(request)
    });
    url
}

#[test]
fn memberships_are_unknown_if_groups_are_forbidden() {
    for kind in [SourceKind::Pra, SourceKind::PasswordSafe, SourceKind::Scim] {
        let sandbox = sandbox(61, Faults { forbid_groups: true, scim_members_only: true, ..Faults::default() });
        let reading = reading(&settings_of(&sandbox, kind));
        let people = |users: &[crate::model::User]| users.iter().filter(|u| u.kind == UserKind::Person).count();
        assert!(people(&reading.users) > 0, "{kind:?}: there are users");
        let known = reading.users.iter().filter(|u| u.kind == UserKind::Person && u.groups_known).count();
        let privileged_groups = vec![Pattern::parse("Admins").unwrap()];
        let inventory = SourceInventory::join(reading, &Classes { privileged_groups, ..Classes::default() });
        let is_evaluated =
            |user: &&crate::model::User| user.kind == UserKind::Person && inventory.privilege(user) == Some(false);
        let evaluated = inventory.reading.users.iter().filter(is_evaluated).count();
        assert!(
            known == 0 && evaluated == 0,
            "{kind:?}: the groups of {known} users count as known, and {evaluated} users as not privileged"
        );
    }
}

#[test]
fn memberships_are_unknown_if_the_list_of_scim_groups_breaks_off() {
    let url = scim(|request| {
        if request.is_for("/Groups?startIndex=1&") {
            let groups: Vec<String> = (1..=20).map(|n| format!(r#"{{"id":"g{n:02}","members":[]}}"#)).collect();
            return json(format!(r#"{{"totalResults":40,"Resources":[{}]}}"#, groups.join(",")));
        }
        status(500)
    });
    let reading = reading_of(&url, SourceKind::Scim);
    assert_eq!(reading.users.len(), 2);
    assert!(reading.users.iter().all(|user| !user.groups_known), "only half of the groups were read");
}

#[test]
fn an_error_object_in_place_of_scim_groups_fails_the_list() {
    let url = scim(|_| json(r#"{"status":"500","detail":"backend"}"#));
    let reading = reading_of(&url, SourceKind::Scim);
    let coverage = reading.coverage(ListKind::Groups);
    assert!(matches!(coverage, Coverage::Failed { .. }), "{coverage:?} {:?}", reading.status());
}

#[test]
fn users_of_the_first_reading_are_kept_if_the_second_one_fails() {
    let url = password_safe(3, |request| if request.before == 0 { ids(1..=33, "UserID") } else { status(500) });
    let reading = reading_of(&url, SourceKind::PasswordSafe);
    assert_eq!(reading.users.len(), 33, "{:?}, {:?}", reading.status(), reading.reason());
    assert!(!reading.coverage(ListKind::Users).is_complete());
}

#[test]
fn a_list_of_users_is_not_complete_if_policies_name_more_users() {
    let (url, _) = server(|request| {
        if request.is_for("/member") {
            let policy: u64 = request.path.split('/').nth(5).unwrap().parse().unwrap();
            // 19 members per policy: users 1101 to 1119 of policy 1, 2101 to 2119 of policy 2, …
            let member = |n| format!("{{\"id\":{n},\"user_id\":{policy}{n}}}");
            return only_page(19, format!("[{}]", (101..=119).map(member).collect::<Vec<_>>().join(",")));
        }
        if request.is_for("/user?") {
            return numbered_page(request, 3);
        }
        if request.is_for("/group-policy?") {
            return numbered_page(request, 15);
        }
        match request.path.split("/user/").nth(1) {
            Some(id) => json(format!("{{\"id\":{id},\"created_at\":\"2019-01-01T00:00:00+00:00\"}}")),
            None => status(404),
        }
    });
    let reading = reading_of(&url, SourceKind::Pra);
    let coverage = reading.coverage(ListKind::Users);
    assert!(!coverage.is_complete(), "{} are missing: {coverage:?}", reading.outside.len());
}

#[test]
fn a_policy_whose_second_page_is_not_found_stays_and_does_not_stop_the_others() {
    let (url, _) = server(|request| {
        if request.is_for("/group-policy/1/member") {
            if !request.path.ends_with("current_page=1") {
                return status(404);
            }
            let members: Vec<String> = (1..=20).map(|n| format!("{{\"id\":{n},\"user_id\":1}}")).collect();
            return (200, pagination(40, 20, 1), format!("[{}]", members.join(",")));
        }
        if request.is_for("/member") {
            return only_page(1, r#"[{"id":1,"user_id":1}]"#);
        }
        if request.is_for("/user?") {
            return numbered_page(request, 3);
        }
        if request.is_for("/group-policy?") { numbered_page(request, 15) } else { status(404) }
    });
    let mut settings = settings(&url, SourceKind::Pra, "i", "s");
    settings.client.concurrency = 1;
    let reading = reading(&settings);
    let Coverage::Failed { error } = reading.coverage(ListKind::Members) else { panic!("the list names it") };
    assert!(error.contains("the members of 1 policy answered 404, but the list of policies contains them"), "{error}");
    let known = reading.groups.iter().filter(|group| group.members_known == Some(true)).count();
    assert_eq!((reading.groups.len(), known), (15, 14));
}

// RADIUS users (provider 2) whose groups come from the LDAP group provider 3 (`external_lookup` in the vendor's
// OpenAPI).
#[test]
fn users_whose_groups_come_from_another_directory_have_unknown_groups() {
    let (url, _) = server(|request| {
        if request.is_for("/member") {
            return only_page(1, r#"[{"id":1,"security_provider_id":3,"distinguished_name":"CN=Admins"}]"#);
        }
        if request.is_for("/user?") {
            return only_page(1, r#"[{"id":1,"security_provider_id":2,"enabled":true}]"#);
        }
        if request.is_for("/group-policy?") {
            return numbered_page(request, 1);
        }
        if request.is_for("/security-provider?") {
            return only_page(2, r#"[{"id":2,"type":"radius","external_lookup":[3]},{"id":3,"type":"ldap_group"}]"#);
        }
        status(404)
    });
    let reading = reading_of(&url, SourceKind::Pra);
    let user = reading.users.iter().find(|user| user.id.as_str() == "1").unwrap();
    assert!(!user.groups_known, "{user:?}");
}

#[test]
fn a_list_whose_headers_a_proxy_replaced_is_read_whole_or_not_complete() {
    let (url, _) = server(|request| {
        let link = "Link: </assets/app.css>; rel=preload; as=style\r\n".to_owned();
        let body = if request.is_for("/user?") && request.number("current_page=") <= 3 {
            let page = request.number("current_page=");
            ids((page - 1) * 20 + 1..=page * 20, "id").2
        } else {
            "[]".to_owned()
        };
        if request.is_for("/user?") || request.is_for("/group-policy?") { (200, link, body) } else { status(404) }
    });
    let reading = reading_of(&url, SourceKind::Pra);
    let coverage = reading.coverage(ListKind::Users);
    assert!(!coverage.is_complete() || reading.users.len() == 60, "{} of 60 users: {coverage:?}", reading.users.len());
}

#[test]
fn memberships_are_unknown_if_the_list_of_groups_may_be_cut() {
    let url = password_safe(100, |_| ids(1..=33, "UserID"));
    let reading = reading_of(&url, SourceKind::PasswordSafe);
    assert_eq!(reading.users.len(), 33);
    assert!(reading.users.iter().all(|user| !user.groups_known), "exactly 100 groups may be a cut list");
}

#[test]
fn a_used_up_hourly_limit_is_reported_as_such() {
    for (limit, used) in [(15_000, 15_000), (15_000, 14_990), (100, 0)] {
        let sandbox =
            sandbox(2400, Faults { hard_limits: Some((1000, limit)), hourly_used: used, ..Faults::default() });
        let mut settings = settings_of(&sandbox, SourceKind::Pra);
        // The configuration sets this for PRA. Then a small limit of the server counts as hourly, and the client does
        // not wait for it.
        settings.client.requests_per_hour = Some(15_000);
        let reason = reading(&settings).reason().unwrap_or_default();
        assert!(reason.contains("in this hour") || reason.contains("an hour"), "limit {limit}, used {used}: {reason}");
    }
}

#[test]
fn users_who_are_created_during_a_run_do_not_make_it_exceed_its_hourly_limit() {
    let requests = AtomicU64::new(0);
    let (url, log) = server(move |request| {
        if request.is_for("/user?") {
            // 40 pages of 20 users, and a new user after every 20 requests.
            return numbered_page(request, 800 + requests.fetch_add(1, Ordering::SeqCst) / 20);
        }
        if request.is_for("/group-policy?") { only_page(0, "[]") } else { status(404) }
    });
    let mut settings = settings(&url, SourceKind::Pra, "i", "s");
    settings.client.requests_per_hour = Some(60);
    let reading = reading(&settings);
    let made = log.lock().unwrap().len();
    assert!(made <= 60, "{made} requests were made, 60 are allowed: {:?}", reading.lists[0]);
}

// The vendor's OpenAPI requires at least 5 rows per page.
#[test]
fn a_page_of_fewer_than_five_rows_is_never_requested() {
    let (url, _) = server(|request| {
        if !request.is_for("per_page") {
            return status(404);
        }
        if request.number("per_page=") < 5 {
            return (422, String::new(), r#"{"message":"per_page"}"#.to_owned());
        }
        numbered_page(request, if request.is_for("/user?") { 16 } else { 0 })
    });
    let mut settings = settings(&url, SourceKind::Pra, "i", "s");
    settings.page_size = 5;
    let reading = reading(&settings);
    assert_eq!(reading.users.len(), 16, "{:?}", reading.reason());
}

#[test]
fn a_kind_of_source_is_parsed_from_the_text_that_it_writes() {
    for kind in SourceKind::ALL {
        assert_eq!(SourceKind::parse(kind.as_str()), Some(kind));
    }
    assert_eq!(SourceKind::parse("PRA"), None);
}
