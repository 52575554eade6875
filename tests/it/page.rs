//! `report`: the page of a published snapshot, rendered from that snapshot again, by who has nothing else.

use super::memory::{day, run_on};
use super::receiver::Receiver;
use super::rig::{Rig, as_of, assert_exit, rows, stderr, stdout};
use bt_rollcall_sandbox::{Faults, Surface, World};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

const FOUR: [Surface; 4] = [Surface::Guide, Surface::Pra, Surface::PasswordSafe, Surface::Scim];

/// In a folder without configuration, and without what a run's environment has.
fn report(snapshot: &Path, more: &[&str]) -> Output {
    let nowhere = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bt-rollcall"));
    command.arg("report").arg(snapshot).args(more).current_dir(nowhere.path()).env_clear().output().unwrap()
}

fn page(snapshot: &Path) -> String {
    fs::read_to_string(snapshot.join("report.html")).unwrap()
}

#[track_caller]
fn is_the_published_page(snapshot: &Path) {
    let output = report(snapshot, &[]);
    assert_exit(&output, 0);
    let (published, rendered) = (page(snapshot), stdout(&output));
    for (published, rendered) in published.lines().zip(rendered.lines()) {
        assert_eq!(published, rendered, "{}", snapshot.display());
    }
    assert!(published == rendered, "{}", snapshot.display());
    assert!(stderr(&output).contains("the same bytes as the report.html that was published"), "{}", stderr(&output));
}

/// A register in which something is in force, over, overlapped and unused.
fn register(rig: &Rig) -> String {
    let findings = rig.table("findings");
    let stale: Vec<&str> =
        findings.iter().filter(|row| row["rule"] == "stale-login").map(|row| row["subject_id"].as_str()).collect();
    let entry = |rule: &str, subject: &str, until: &str, more: &str| {
        format!(
            "[[exception]]\nrule = \"{rule}\"\nsubject = \"{subject}\"\nreason = \"a <b>reason</b>\"\nowner = \"platform team\"\nuntil = {until}\n{more}\n"
        )
    };
    [
        entry("stale-login", &format!("id:{}", stale[0]), "2026-12-01", "ticket = \"CHG-1\""),
        entry("stale-login", &format!("id:{}", stale[0]), "2027-06-30", ""),
        entry("stale-login", &format!("id:{}", stale[1]), "2026-11-20", ""),
        entry("no-end", "glob:*", "2027-06-30", "source = \"sandbox-pra\""),
        entry("no-mfa", "Nobody", "2027-06-30", "source = \"sandbox-scim\""),
    ]
    .concat()
}

/// A tenant with everything that a page can show: six days with changes, one of them partial and undone, one of a single source.
fn six_days() -> Rig {
    let rig = Rig::of(&FOUR, World::seeded(1, 203, as_of()), Faults::default(), None);
    rig.edit("csv = \"raw\"\n", "csv = \"strict\"\n");
    rig.edit(
        "[policy]\n",
        "[policy]\nframeworks = [\"pci-dss-4.0.1\", \"disa-stig\"]\nexceptions = \"exceptions.toml\"\n",
    );
    rig.append(
        "[[policy.custom_rules]]\nid = \"no-end\"\nseverity = \"low\"\ntitle = \"No end\"\naction = \"Set one.\"\nwhen = 'enabled && days_until_expiry == null'\n\
         [policy.rules]\n\"shared-email\" = \"off\"\n\"no-end\" = \"info\"",
    );
    let write = |text: &str| fs::write(rig.folder.path().join("exceptions.toml"), text).unwrap();
    write("");
    assert_exit(&run_on(&rig, 0, &[]), 0);
    write(&register(&rig));
    rig.sandbox.with_world(|world| world.live_a_day(1, as_of()));
    assert_exit(&run_on(&rig, 1, &[]), 0);
    let groups: Vec<u64> = rig.sandbox.with_world(|world| world.groups().map(|(id, _)| id).collect());
    let somebody = rig.sandbox.with_world(|world| *world.user_ids().iter().nth(7).unwrap());
    let enable = |enabled: bool| {
        rig.sandbox.with_world(|world| {
            world.edit_user(somebody, |record| drop(record.insert("enabled".to_owned(), json!(enabled))));
        });
    };
    enable(true);
    assert_exit(&run_on(&rig, 2, &[]), 0);
    enable(false);
    rig.sandbox.set_faults(Faults { forbid_groups: true, ..Faults::default() });
    assert_exit(&run_on(&rig, 3, &[]), 3);
    enable(true);
    rig.sandbox.set_faults(Faults::default());
    // Whoever was in it leaves a group that only the snapshot before knows.
    rig.sandbox.with_world(|world| world.remove_group(groups[0]));
    assert_exit(&run_on(&rig, 4, &[]), 0);
    assert_exit(&run_on(&rig, 5, &["--source", "sandbox-pra"]), 3);
    rig
}

#[test]
fn the_page_of_any_snapshot_is_rendered_from_it_again_byte_for_byte() {
    let rig = six_days();
    let snapshots = rig.snapshots();
    assert_eq!(snapshots.len(), 6);
    for snapshot in &snapshots {
        is_the_published_page(snapshot);
    }
    is_the_published_page(&rig.snapshots_dir().join("latest"));
    // What these pages show, so that nobody believes an empty one.
    let shown = |number: usize, words: &[&str]| {
        let page = page(&snapshots[number]);
        for word in words {
            assert!(page.contains(word), "{number}: {word}");
        }
    };
    shown(0, &["it is a baseline", "quarantined", "No end", "PCI DSS 8.2.6"]);
    shown(1, &["Accepted exceptions", "overlaps with the one in line", "ends in", "Changes since", "left the group"]);
    shown(3, &["not proven complete: groups; what is not in them stays as it was", "not confirmed by this run"]);
    shown(4, &["left the group"]);
    shown(5, &["nothing was read", "not read; its rows stay as they were"]);
}

#[test]
fn the_page_is_rendered_again_from_tables_of_every_format() {
    for (tables, csv) in [
        ("[\"csv\"]", "strict"),
        ("[\"csv\"]", "excel"),
        ("[\"csv\"]", "raw"),
        ("[\"parquet\"]", "strict"),
        ("[\"csv\", \"parquet\"]", "raw"),
    ] {
        let rig = Rig::of(&FOUR, World::seeded(5, 103, as_of()), Faults::default(), None);
        rig.edit("csv = \"raw\"\n", &format!("csv = \"{csv}\"\ntables = {tables}\n"));
        assert_exit(&run_on(&rig, 0, &[]), 0);
        rig.sandbox.with_world(|world| world.live_a_day(1, as_of()));
        assert_exit(&run_on(&rig, 1, &[]), 0);
        for snapshot in rig.snapshots() {
            is_the_published_page(&snapshot);
            assert_eq!(page(&snapshot).contains("the guard is off"), csv == "raw");
        }
    }
}

#[test]
fn the_page_of_remote_support_and_of_a_finer_instant_is_rendered_again_too() {
    let rig = Rig::of(&[Surface::Rs], World::seeded(7, 103, as_of()), Faults { rs: true, ..Faults::default() }, None);
    assert_exit(&rig.call(&["run", "--as-of", "2026-11-23T02:00:00.123456789Z"]), 0);
    is_the_published_page(&rig.snapshot());
}

#[test]
fn there_is_no_page_of_what_cannot_be_trusted() {
    let rig = Rig::seeded(60);
    assert_exit(&run_on(&rig, 0, &[]), 0);
    let snapshot = rig.snapshot();
    fs::write(snapshot.join("users.csv"), "").unwrap();
    let refused = report(&snapshot, &[]);
    assert_exit(&refused, 1);
    assert!(refused.stdout.is_empty());
    assert!(stderr(&refused).contains("users.csv: changed"), "{}", stderr(&refused));
}

#[test]
fn a_snapshot_that_was_published_without_a_page_gets_one_elsewhere() {
    let rig = Rig::seeded(60);
    rig.edit("[output]\n", "[output]\nreports = []\n");
    assert_exit(&run_on(&rig, 0, &[]), 0);
    let snapshot = rig.snapshot();
    assert!(!snapshot.join("report.html").exists());
    let to = rig.folder.path().join("page.html");
    let output = report(&snapshot, &["--output", to.to_str().unwrap()]);
    assert_exit(&output, 0);
    assert!(stdout(&output).contains("page.html") && stderr(&output).contains("no report.html was published"));
    let page = fs::read_to_string(&to).unwrap();
    assert!(page.contains(snapshot.file_name().unwrap().to_str().unwrap()) && page.trim_end().ends_with("</html>"));
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600, "it tells of people");
    assert_exit(&rig.call(&["verify", snapshot.to_str().unwrap()]), 0);
    assert_exit(&report(&snapshot, &["--output", to.to_str().unwrap()]), 0);
    assert_eq!(fs::read_dir(rig.folder.path()).unwrap().filter(|entry| is_hidden(entry.as_ref().unwrap())).count(), 0);
}

fn is_hidden(entry: &fs::DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with('.')
}

#[test]
fn a_page_never_takes_the_place_of_anything_but_a_file_outside_the_snapshots() {
    let rig = Rig::seeded(60);
    assert_exit(&run_on(&rig, 0, &[]), 0);
    let (snapshot, store) = (rig.snapshot(), rig.snapshots_dir());
    let victim = rig.folder.path().join("victim");
    fs::write(&victim, "mine").unwrap();
    std::os::unix::fs::symlink(&victim, rig.folder.path().join("link.html")).unwrap();
    for (place, why) in [
        (store.join("latest"), "something else than a file"),
        (store.join("page.html"), "only runs write into a folder of snapshots"),
        (store.join(".lock"), "only runs write into a folder of snapshots"),
        (store.join("latest/page.html"), "which never changes"),
        (rig.folder.path().to_owned(), "that is a folder"),
        (rig.folder.path().join("page.html/"), "that is a folder"),
        (rig.folder.path().join("link.html"), "something else than a file"),
        ("/dev/stdout".into(), "something else than a file"),
        ("/".into(), "that is a folder"),
        (rig.folder.path().join("no/such/page.html"), "its folder is not there"),
    ] {
        let refused = report(&snapshot, &["--output", place.to_str().unwrap()]);
        assert_exit(&refused, 2);
        assert!(stderr(&refused).contains(why), "{}: {}", place.display(), stderr(&refused));
    }
    assert_eq!(fs::read(&victim).unwrap(), b"mine");
    assert_eq!(rig.latest(), Some(snapshot.clone()));
    assert_exit(&rig.call(&["verify", "--chain", store.to_str().unwrap()]), 0);
    let to_stdout = report(&snapshot, &["--output", "-"]);
    assert_exit(&to_stdout, 0);
    assert!(stdout(&to_stdout) == page(&snapshot));
}

#[test]
fn a_page_that_is_gone_or_was_changed_is_put_back_and_nothing_else_is_written_into_a_snapshot() {
    let rig = Rig::seeded(60);
    assert_exit(&run_on(&rig, 0, &[]), 0);
    let other = rig.snapshot();
    assert_exit(&run_on(&rig, 1, &[]), 0);
    let snapshot = rig.snapshot();
    let (published, own) = (page(&snapshot), snapshot.join("report.html"));
    fs::write(&own, "changed").unwrap();
    let verified = rig.call(&["verify", snapshot.to_str().unwrap()]);
    assert_exit(&verified, 1);
    assert!(stderr(&verified).contains("makes it again from the other files"), "{}", stderr(&verified));
    let output = report(&snapshot, &[]);
    assert_exit(&output, 0);
    assert!(stdout(&output) == published && stderr(&output).contains("report.html: changed"), "{}", stderr(&output));
    let same_size = published.replacen("<html", "<HTML", 1);
    fs::write(&own, &same_size).unwrap();
    assert!(stderr(&report(&snapshot, &[])).contains("its SHA-256 is not the manifest's"));
    fs::remove_file(&own).unwrap();
    for place in [snapshot.join("page.html"), snapshot.join("users.csv"), other.join("report.html")] {
        let before = fs::read(&place).ok();
        let refused = report(&snapshot, &["--output", place.to_str().unwrap()]);
        assert_exit(&refused, 2);
        assert!(stderr(&refused).contains("which never changes"), "{}", stderr(&refused));
        assert_eq!(fs::read(&place).ok(), before);
    }
    let latest = rig.snapshots_dir().join("latest");
    for _ in 0..2 {
        assert_exit(&report(&latest, &["--output", latest.join("report.html").to_str().unwrap()]), 0);
        assert!(page(&snapshot) == published);
    }
    assert_eq!(fs::metadata(&own).unwrap().permissions().mode() & 0o777, 0o600);
    for snapshot in rig.snapshots() {
        assert_exit(&rig.call(&["verify", snapshot.to_str().unwrap()]), 0);
    }
}

/// Replaces a file of a snapshot so that it verifies all the same.
fn forge(snapshot: &Path, name: &str, change: impl Fn(&mut Value)) {
    let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let (path, manifest) = (snapshot.join(name), snapshot.join("manifest.json"));
    let mut content = read(&path);
    change(&mut content);
    fs::write(&path, content.to_string()).unwrap();
    // The manifest lists no hash of itself.
    let mut reported = read(&manifest);
    let sha256 = <sha2::Sha256 as sha2::Digest>::digest(content.to_string());
    let files = reported["files"].as_array_mut().unwrap();
    let Some(entry) = files.iter_mut().find(|file| file["path"] == name) else { return };
    entry["sha256"] = sha256.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}")).into();
    entry["bytes"] = content.to_string().len().into();
    fs::write(&manifest, reported.to_string()).unwrap();
}

#[test]
fn a_snapshot_of_another_version_is_refused_by_what_is_not_understood_and_a_page_of_it_is_reported_from_the_published()
{
    let rig = Rig::of(&FOUR, World::seeded(1, 103, as_of()), Faults::default(), None);
    let refused = |name: &str, change: &dyn Fn(&mut Value), words: &str| {
        assert_exit(&run_on(&rig, 0, &[]), 0);
        forge(&rig.snapshot(), name, change);
        let output = report(&rig.snapshot(), &[]);
        assert_exit(&output, 1);
        let reported = stderr(&output);
        assert!(
            output.stdout.is_empty() && reported.contains(words) && reported.contains("the version of bt-rollcall"),
            "{reported}"
        );
    };
    refused("manifest.json", &|it| it["policy"]["rules"]["value"] = json!({"of-tomorrow": "off"}), "of-tomorrow");
    let unevaluated = |it: &mut Value| it["rules"].as_array_mut().unwrap().retain(|entry| entry["rule"] != "no-mfa");
    refused("manifest.json", &unevaluated, "nothing is told of no-mfa over source");

    assert_exit(&run_on(&rig, 0, &[]), 0);
    let snapshot = rig.snapshot();
    forge(&snapshot, "manifest.json", |it| it["warnings"] = json!(["tokyo"]));
    let output = report(&snapshot, &[]);
    assert_exit(&output, 1);
    assert!(stdout(&output).contains("tokyo"), "it is there to be compared");
    let reported = stderr(&output);
    assert!(reported.contains("not the same bytes as the report.html that the same version published"), "{reported}");
    let own = snapshot.join("report.html");
    let kept = report(&snapshot, &["--output", own.to_str().unwrap()]);
    assert_exit(&kept, 2);
    assert!(stderr(&kept).contains("this page is not the one that its manifest lists"));
    forge(&snapshot, "manifest.json", |it| it["tool"]["version"] = "0.0.9".into());
    let output = report(&snapshot, &[]);
    assert_exit(&output, 0);
    assert!(stderr(&output).contains("version 0.0.9 rendered that one"), "{}", stderr(&output));
    assert!(stdout(&output).contains("rendered by version") && !page(&snapshot).contains("rendered by version"));
}

#[test]
fn the_table_the_page_and_the_events_that_emit_delivers_say_the_same_of_every_finding() {
    // A port that nobody listens on.
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let to = format!("tcp://127.0.0.1:{port}");
    let rig = Rig::with_syslog(World::ordinary(3, 200, as_of()), Faults::default(), Some(&to));
    rig.edit("[syslog]\n", "[syslog]\nsend = \"all\"\n");
    assert_exit(&run_on(&rig, 0, &[]), 5);
    let stale = rig.table("findings").iter().find(|row| row["rule"] == "stale-login").unwrap()["subject_id"].clone();
    rig.sandbox.with_world(|world| {
        world.live_a_day(1, as_of());
        world.edit_user(stale.parse().unwrap(), |record| drop(record.insert("last_login".to_owned(), json!(day(1)))));
    });
    assert_exit(&run_on(&rig, 1, &[]), 5);
    let receiver = Receiver::on(TcpListener::bind(("127.0.0.1", port)).unwrap());
    assert_exit(&rig.call(&["emit"]), 0);

    let table = rows(&rig.snapshot().join("findings.csv"));
    let of_table: BTreeSet<[String; 3]> =
        table.iter().map(|row| ["fingerprint", "status", "first_seen"].map(|column| row[column].clone())).collect();
    let reported = |message: &String| {
        let body: Value = serde_json::from_str(&message[message.find('{').unwrap()..]).unwrap();
        let (finding, run) = (&body["btrollcall"]["finding"], &body["btrollcall"]["run"]["id"]);
        let of_newest = rig.snapshot().ends_with(run.as_str().unwrap());
        let text = |key: &str| finding[key].as_str().map(|text| text.replace(".000Z", "Z"));
        of_newest.then_some([text("fingerprint")?, text("status")?, text("first_seen")?])
    };
    let of_events: BTreeSet<[String; 3]> = receiver.messages().iter().filter_map(reported).collect();
    assert!(of_events == of_table);
    let statuses: BTreeSet<&str> = of_table.iter().map(|[_, status, _]| status.as_str()).collect();
    assert_eq!(statuses, BTreeSet::from(["new", "open", "resolved"]));

    let mut counts: BTreeMap<(&str, usize), (usize, &str)> = BTreeMap::new();
    for row in &table {
        let place = ["new", "reopened", "open", "excepted", "resolved"].iter().position(|word| row["status"] == *word);
        counts.entry((&row["rule"], place.unwrap())).or_insert((0, &row["status"])).0 += 1;
    }
    let output = report(&rig.snapshot(), &[]);
    assert_exit(&output, 0);
    let page = stdout(&output);
    for rule in table.iter().map(|row| row["rule"].as_str()).collect::<BTreeSet<_>>() {
        let of_rule = counts.range((rule, 0)..=(rule, 4)).map(|(_, (count, status))| format!("{count} {status}"));
        let lives = of_rule.collect::<Vec<_>>().join(", ");
        assert!(page.contains(&lives), "{rule}: {lives}");
    }
    assert!(page.contains(&format!("since {}", &day(0)[..10])), "the age of a finding that stands");
}
