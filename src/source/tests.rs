//! Whole harvests against small servers that lie, stumble or stop, on loopback.

use super::*;
use crate::event::NoObserver;
use crate::model::{Coverage, SourceName};
use crate::wire::{Credentials, TokenAuth};
use bt_rollcall_sandbox::{Faults, Sandbox, SandboxOptions, World};
use secrecy::SecretString;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::Duration;

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
    let mut client = ClientSettings::with(name.clone(), url, account);
    client.requests_per_second = 1e6;
    client.backoff = Duration::from_millis(1);
    client.max_wait = Duration::from_millis(5);
    client.attempts = 2;
    let identity =
        SourceIdentity { name, kind: kind.as_str().to_owned(), url: url.to_owned(), client_id: id.to_owned() };
    SourceSettings { page_size: 20, base_path, ..SourceSettings::new(identity, kind, client) }
}
fn reading(settings: &SourceSettings) -> SourceReading {
    let nobody: Arc<dyn Observer> = Arc::new(NoObserver);
    let source = build(settings, nobody).unwrap();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let reading = source.read_all().await;
        source.leave().await;
        reading
    })
}
fn read(stream: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        if let Some(v) = header.to_lowercase().strip_prefix("content-length:") {
            length = v.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(line)
}
/// (status, headers, body) by request line and how many of the same line came before
fn server(answer: impl Fn(&str, usize) -> (u16, String, String) + Send + 'static) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let log = Arc::new(Mutex::new(Vec::<String>::new()));
    let kept = Arc::clone(&log);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = BufReader::new(stream);
            let Some(line) = read(&mut stream) else { continue };
            let before = kept.lock().unwrap().iter().filter(|l| **l == line).count();
            kept.lock().unwrap().push(line.clone());
            let (status, headers, body) = if line.contains("oken") {
                (200, String::new(), r#"{"access_token":"t","expires_in":3600}"#.to_owned())
            } else {
                answer(&line, before)
            };
            let _ = stream.get_mut().write_all(
                format!(
                    "HTTP/1.1 {status} x\r\nContent-Length: {}\r\n{headers}Connection: close\r\n\r\n{body}",
                    body.len()
                )
                .as_bytes(),
            );
        }
    });
    (url, log)
}
fn ids(n: std::ops::RangeInclusive<u64>, key: &str) -> String {
    format!("[{}]", n.map(|n| format!("{{\"{key}\":{n}}}")).collect::<Vec<_>>().join(","))
}
fn headers(total: usize) -> String {
    format!(
        "X-BT-Pagination-Total: {total}\r\nX-BT-Pagination-Last-Page: 1\r\nX-BT-Pagination-Per-Page: 20\r\nX-BT-Pagination-Current-Page: 1\r\n"
    )
}

#[test]
fn groups_that_are_forbidden_leave_memberships_unknown() {
    for kind in [SourceKind::Pra, SourceKind::PasswordSafe, SourceKind::Scim] {
        let faults = Faults { forbid_groups: true, scim_members_only: true, ..Faults::default() };
        let sandbox = Sandbox::start(SandboxOptions {
            world: World::seeded(7, 61, "2026-11-23T02:00:00Z".parse().unwrap()),
            faults,
            seed: 1,
            ..SandboxOptions::default()
        })
        .unwrap();
        let reading = reading(&settings(sandbox.url(), kind, sandbox.client_id(), sandbox.client_secret()));
        let people = reading.users.iter().filter(|u| u.kind == crate::model::UserKind::Person);
        let known = people.filter(|u| u.groups_known).count();
        let source_inventory = crate::model::SourceInventory::join(
            reading,
            &crate::model::Classes {
                privileged_groups: vec![crate::model::Pattern::parse("Admins").unwrap()],
                ..Default::default()
            },
        );
        let evaluated = source_inventory
            .reading
            .users
            .iter()
            .filter(|u| u.kind == crate::model::UserKind::Person && source_inventory.privilege(u) == Some(false))
            .count();
        assert!(
            known == 0 && evaluated == 0,
            "{kind:?}: memberships of {known} users are said to be known; {evaluated} are said not to be privileged"
        );
    }
}

#[test]
fn scim_groups_that_break_off_leave_memberships_unknown() {
    let (url, _) = server(|line, _| {
        if line.contains("/Users?") {
            return (200, String::new(), r#"{"totalResults":2,"Resources":[{"id":"u1"},{"id":"u2"}]}"#.to_owned());
        }
        if line.contains("/Groups?startIndex=1&") {
            return (
                200,
                String::new(),
                format!(
                    r#"{{"totalResults":40,"Resources":[{}]}}"#,
                    (1..=20).map(|n| format!(r#"{{"id":"g{n:02}","members":[]}}"#)).collect::<Vec<_>>().join(",")
                ),
            );
        }
        (500, String::new(), String::new())
    });
    let reading = reading(&settings(&url, SourceKind::Scim, "i", "s"));
    assert!(
        reading.users.iter().all(|u| !u.groups_known),
        "half of the groups were read, and the memberships are said to be known"
    );
}

#[test]
fn an_error_object_in_the_place_of_scim_groups_fails_the_list() {
    let (url, _) = server(|line, _| {
        if line.contains("/Users?") {
            return (200, String::new(), r#"{"totalResults":2,"Resources":[{"id":"u1"},{"id":"u2"}]}"#.to_owned());
        }
        (200, String::new(), r#"{"status":"500","detail":"backend"}"#.to_owned())
    });
    let reading = reading(&settings(&url, SourceKind::Scim, "i", "s"));
    assert!(
        !reading.coverage(ListKind::Groups).is_complete(),
        "{:?} {:?}",
        reading.coverage(ListKind::Groups),
        reading.status()
    );
}

#[test]
fn a_second_reading_that_fails_keeps_what_the_first_gave() {
    let (url, _) = server(|line, before| {
        let cookie = "Set-Cookie: ASP.NET_SessionId=a\r\n".to_owned();
        if line.contains("SignAppIn") {
            return (200, cookie, "{}".to_owned());
        }
        if line.contains("/UserGroups/") {
            return (200, String::new(), "[]".to_owned());
        }
        if line.contains("/UserGroups") {
            return (200, String::new(), ids(1..=3, "GroupID"));
        }
        if line.contains("/Users") {
            return if before == 0 {
                (200, String::new(), ids(1..=33, "UserID"))
            } else {
                (500, String::new(), String::new())
            };
        }
        (200, String::new(), String::new())
    });
    let reading = reading(&settings(&url, SourceKind::PasswordSafe, "i", "s"));
    assert!(
        reading.users.len() == 33,
        "{} users kept, {:?}, {:?}",
        reading.users.len(),
        reading.status(),
        reading.reason()
    );
}

#[test]
fn a_list_that_lacks_users_who_policies_name_is_not_complete() {
    let (url, _) = server(|line, _| {
        let path = line.split(' ').nth(1).unwrap_or("").to_owned();
        if path.contains("/member") {
            let rows = (101..=119).map(|n| format!("{{\"id\":{n},\"user_id\":{n}}}")).collect::<Vec<_>>().join(",");
            let policy: u64 = path.split('/').nth(5).unwrap().parse().unwrap();
            let rows = rows.replace("\"user_id\":", &format!("\"user_id\":{policy}"));
            return (200, headers(19), format!("[{rows}]"));
        }
        if path.contains("/user?") {
            return (200, headers(3), ids(1..=3, "id"));
        }
        if path.contains("/group-policy?") {
            return (200, headers(15), ids(1..=15, "id"));
        }
        if let Some(id) = path.split("/user/").nth(1) {
            return (200, String::new(), format!("{{\"id\":{id},\"created_at\":\"2019-01-01T00:00:00+00:00\"}}"));
        }
        (404, String::new(), String::new())
    });
    let reading = reading(&settings(&url, SourceKind::Pra, "i", "s"));
    assert!(
        !reading.coverage(ListKind::Users).is_complete(),
        "{} are missing; {:?} {:?}",
        reading.outside.len(),
        reading.status(),
        reading.coverage(ListKind::Users)
    );
}

#[test]
fn a_policy_whose_second_page_is_denied_stays_and_stops_no_other() {
    let (url, _) = server(|line, _| {
        let path = line.split(' ').nth(1).unwrap_or("").to_owned();
        if path.contains("/group-policy/1/member") {
            if path.ends_with("current_page=1") {
                let rows = (1..=20).map(|n| format!("{{\"id\":{n},\"user_id\":1}}")).collect::<Vec<_>>().join(",");
                return (
                    200,
                    "X-BT-Pagination-Total: 40\r\nX-BT-Pagination-Last-Page: 2\r\n".to_owned(),
                    format!("[{rows}]"),
                );
            }
            return (404, String::new(), String::new());
        }
        if path.contains("/member") {
            return (200, headers(1), "[{\"id\":1,\"user_id\":1}]".to_owned());
        }
        if path.contains("/user?") {
            return (200, headers(3), ids(1..=3, "id"));
        }
        if path.contains("/group-policy?") {
            return (200, headers(15), ids(1..=15, "id"));
        }
        (404, String::new(), String::new())
    });
    let mut settings = settings(&url, SourceKind::Pra, "i", "s");
    settings.client.concurrency = 1;
    let reading = reading(&settings);
    let Coverage::Failed { error } = reading.coverage(ListKind::Members) else { panic!("the list names it") };
    assert!(error.contains("the members of 1 policy answered 404 though the list of policies names them"), "{error}");
    let known = reading.groups.iter().filter(|group| group.members_known == Some(true)).count();
    assert_eq!((reading.groups.len(), known), (15, 14));
}

#[test]
fn users_whose_groups_are_looked_up_in_another_directory_may_be_in_them() {
    // RADIUS users (provider 2) whose groups come from LDAP group provider 3 (OpenAPI: external_lookup)
    let (url, _) = server(|line, _| {
        let path = line.split(' ').nth(1).unwrap_or("").to_owned();
        if path.contains("/member") {
            return (
                200,
                headers(1),
                r#"[{"id":1,"security_provider_id":3,"distinguished_name":"CN=Admins"}]"#.to_owned(),
            );
        }
        if path.contains("/user?") {
            return (200, headers(1), r#"[{"id":1,"security_provider_id":2,"enabled":true}]"#.to_owned());
        }
        if path.contains("/group-policy?") {
            return (200, headers(1), ids(1..=1, "id"));
        }
        if path.contains("/security-provider?") {
            return (
                200,
                headers(2),
                r#"[{"id":2,"type":"radius","external_lookup":[3]},{"id":3,"type":"ldap_group"}]"#.to_owned(),
            );
        }
        (404, String::new(), String::new())
    });
    let reading = reading(&settings(&url, SourceKind::Pra, "i", "s"));
    assert!(
        reading.users.iter().all(|u| u.id.as_str() != "1" || !u.groups_known),
        "said to be in no group: {:?}",
        reading.users[0]
    );
    let _ = Coverage::NotOffered;
}

#[test]
fn a_proxy_that_strips_headers_and_adds_a_link_hides_nobody() {
    let (url, _) = server(|line, _| {
        let path = line.split(' ').nth(1).unwrap_or("").to_owned();
        let link = "Link: </assets/app.css>; rel=preload; as=style\r\n".to_owned();
        if path.contains("/user?") {
            let page: u64 = path.rsplit('=').next().unwrap().parse().unwrap();
            return (200, link, if page <= 3 { ids((page - 1) * 20 + 1..=page * 20, "id") } else { "[]".to_owned() });
        }
        if path.contains("/group-policy?") {
            return (200, link, "[]".to_owned());
        }
        (404, String::new(), String::new())
    });
    let reading = reading(&settings(&url, SourceKind::Pra, "i", "s"));
    assert!(
        !reading.coverage(ListKind::Users).is_complete() || reading.users.len() == 60,
        "{} of 60 users: {:?}",
        reading.users.len(),
        reading.coverage(ListKind::Users)
    );
}

#[test]
fn a_list_of_groups_in_doubt_leaves_memberships_unknown() {
    let (url, _) = server(|line, _| {
        let cookie = "Set-Cookie: ASP.NET_SessionId=a\r\n".to_owned();
        if line.contains("SignAppIn") {
            return (200, cookie, "{}".to_owned());
        }
        if line.contains("/UserGroups/") {
            return (200, String::new(), "[]".to_owned());
        }
        if line.contains("/UserGroups") {
            return (200, String::new(), ids(1..=100, "GroupID"));
        }
        if line.contains("/Users") {
            return (200, String::new(), ids(1..=33, "UserID"));
        }
        (200, String::new(), String::new())
    });
    let reading = reading(&settings(&url, SourceKind::PasswordSafe, "i", "s"));
    assert!(
        reading.users.iter().all(|u| !u.groups_known),
        "the list of groups may be cut, and every membership is said to be known"
    );
}

#[test]
fn an_hour_that_is_used_up_is_said_in_so_many_words() {
    for (limit, used) in [(15_000, 15_000), (15_000, 14_990), (100, 0)] {
        let faults = Faults { hard_limits: Some((1000, limit)), hourly_used: used, ..Faults::default() };
        let sandbox = Sandbox::start(SandboxOptions {
            world: World::seeded(7, 2400, "2026-11-23T02:00:00Z".parse().unwrap()),
            faults,
            seed: 1,
            ..SandboxOptions::default()
        })
        .unwrap();
        let mut settings = settings(sandbox.url(), SourceKind::Pra, sandbox.client_id(), sandbox.client_secret());
        // As the configuration sets it: then a small limit of the server is one of an hour, and is not waited for.
        settings.client.requests_per_hour = Some(15_000);
        let reason = reading(&settings).reason().unwrap_or_default();
        assert!(reason.contains("in this hour") || reason.contains("an hour"), "limit {limit}, used {used}: {reason}");
    }
}

#[test]
fn newcomers_do_not_make_a_run_exceed_its_budget() {
    // 40 pages of users; one user is created in the middle; 60 requests an hour are allowed
    let (url, log) = server(|line, _| {
        use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
        static SEEN: AtomicUsize = AtomicUsize::new(0);
        let path = line.split(' ').nth(1).unwrap_or("").to_owned();
        if path.contains("/user?") {
            let n = SEEN.fetch_add(1, SeqCst);
            let total: u64 = 800 + n as u64 / 20; // somebody new every 20 requests
            let get = |k: &str| path.split(k).nth(1).unwrap().split('&').next().unwrap().parse::<u64>().unwrap();
            let (size, page) = (get("per_page="), get("current_page="));
            let rows = (1..=total)
                .skip(usize::try_from((page - 1) * size).unwrap())
                .take(usize::try_from(size).unwrap())
                .map(|n| format!("{{\"id\":{n}}}"))
                .collect::<Vec<_>>()
                .join(",");
            return (
                200,
                format!(
                    "X-BT-Pagination-Total: {total}\r\nX-BT-Pagination-Last-Page: {}\r\nX-BT-Pagination-Per-Page: {size}\r\nX-BT-Pagination-Current-Page: {page}\r\n",
                    total.div_ceil(size)
                ),
                format!("[{rows}]"),
            );
        }
        if path.contains("/group-policy?") {
            return (200, headers(0), "[]".to_owned());
        }
        (404, String::new(), String::new())
    });
    let mut settings = settings(&url, SourceKind::Pra, "i", "s");
    settings.client.requests_per_hour = Some(60);
    let reading = reading(&settings);
    let made = log.lock().unwrap().len();
    assert!(made <= 60, "{made} requests were made, 60 are allowed: {:?}", reading.lists[0]);
}
#[test]
fn no_page_of_less_than_five_rows_is_asked_for() {
    let (url, _) = server(|line, _| {
        let path = line.split(' ').nth(1).unwrap_or("").to_owned();
        let get = |k: &str| path.split(k).nth(1).unwrap().split('&').next().unwrap().parse::<u64>().unwrap();
        if !path.contains("per_page") {
            return (404, String::new(), String::new());
        }
        let (size, page) = (get("per_page="), get("current_page="));
        if size < 5 {
            return (422, String::new(), "{\"message\":\"per_page\"}".to_owned());
        } // OpenAPI: PerPage minimum 5
        let total: u64 = if path.contains("/user?") { 16 } else { 0 };
        let rows = (1..=total)
            .skip(usize::try_from((page - 1) * size).unwrap())
            .take(usize::try_from(size).unwrap())
            .map(|n| format!("{{\"id\":{n}}}"))
            .collect::<Vec<_>>()
            .join(",");
        (
            200,
            format!(
                "X-BT-Pagination-Total: {total}\r\nX-BT-Pagination-Last-Page: {}\r\nX-BT-Pagination-Per-Page: {size}\r\nX-BT-Pagination-Current-Page: {page}\r\n",
                total.div_ceil(size).max(1)
            ),
            format!("[{rows}]"),
        )
    });
    let mut settings = settings(&url, SourceKind::Pra, "i", "s");
    settings.page_size = 5;
    let reading = reading(&settings);
    assert!(reading.users.len() == 16, "{:?}", reading.reason());
}
