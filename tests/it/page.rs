//! Tests of `report`: it renders the page of a published snapshot again from that snapshot alone.

use super::receiver::{Receiver, body, unused_port};
use super::rig::{
    Rig, SURFACES, as_of, assert_exit, day, private, program, read_json, set_field, sha256, stderr, stdout,
};
use bt_rollcall_sandbox::{Faults, Surface, World};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

/// Executes `report` in a folder without a configuration and with an empty environment.
fn report(snapshot: &Path, more: &[&str]) -> Output {
    let nowhere = tempfile::tempdir().unwrap();
    let mut command = program();
    command.arg("report").arg(snapshot).args(more).current_dir(nowhere.path()).env_clear().output().unwrap()
}

fn page(snapshot: &Path) -> String {
    fs::read_to_string(snapshot.join("report.html")).unwrap()
}

/// Asserts that `report` renders the same bytes as the published page.
#[track_caller]
fn is_the_published_page(snapshot: &Path) {
    let output = report(snapshot, &[]);
    assert_exit(&output, 0);
    let (published, rendered) = (page(snapshot), stdout(&output));
    for (published, rendered) in published.lines().zip(rendered.lines()) {
        assert_eq!(published, rendered, "{}", snapshot.display());
    }
    assert!(published == rendered, "{}", snapshot.display());
    assert!(stderr(&output).contains("the page is identical to the published report.html"), "{}", stderr(&output));
}

/// Returns a file of exceptions: active, expired, overlapping and unused ones.
fn exceptions(rig: &Rig) -> String {
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

/// Returns a tenant with everything that a page can show.
///
/// It has six days with changes. One is partial and its changes are reverted later; one reads a single source.
fn six_days() -> Rig {
    let rig = Rig::with_surfaces(&SURFACES, World::seeded(1, 203, as_of()), Faults::default(), None);
    rig.edit("csv = \"raw\"\n", "csv = \"strict\"\n");
    rig.edit(
        "[policy]\n",
        "[policy]\nframeworks = [\"pci-dss-4.0.1\", \"disa-stig\"]\nexceptions = \"exceptions.toml\"\n",
    );
    rig.append(
        "[[policy.custom_rules]]\nid = \"no-end\"\nseverity = \"low\"\ntitle = \"No end\"\naction = \"Set one.\"\nwhen = 'enabled && days_until_expiry == null'\n\
         [policy.rules]\n\"shared-email\" = \"off\"\n\"no-end\" = \"info\"",
    );
    let write = |text: &str| private(&rig.folder.path().join("exceptions.toml"), text);
    write("");
    assert_exit(&rig.run_on_day(0, &[]), 0);
    write(&exceptions(&rig));
    rig.sandbox.with_world(|world| world.simulate_day(1, as_of()));
    assert_exit(&rig.run_on_day(1, &[]), 0);
    let groups: Vec<u64> = rig.sandbox.with_world(|world| world.groups().map(|(id, _)| id).collect());
    let somebody = rig.sandbox.with_world(|world| *world.user_ids().iter().nth(7).unwrap());
    let enable = |enabled: bool| {
        rig.sandbox.with_world(|world| set_field(world, somebody, "enabled", json!(enabled)));
    };
    enable(true);
    assert_exit(&rig.run_on_day(2, &[]), 0);
    enable(false);
    rig.sandbox.set_faults(Faults { forbid_groups: true, ..Faults::default() });
    assert_exit(&rig.run_on_day(3, &[]), 3);
    enable(true);
    rig.sandbox.set_faults(Faults::default());
    // The members of this group leave it. Only the previous snapshot knows its name.
    rig.sandbox.with_world(|world| world.remove_group(groups[0]));
    assert_exit(&rig.run_on_day(4, &[]), 0);
    assert_exit(&rig.run_on_day(5, &["--source", "sandbox-pra"]), 3);
    rig
}

#[test]
fn report_renders_the_published_page_of_every_snapshot_byte_for_byte() {
    let rig = six_days();
    let snapshots = rig.snapshots();
    assert_eq!(snapshots.len(), 6);
    for snapshot in &snapshots {
        is_the_published_page(snapshot);
    }
    is_the_published_page(&rig.snapshots_dir().join("latest"));
    // The pages must show these things: two empty pages would be equal as well.
    let shown = |number: usize, words: &[&str]| {
        let page = page(&snapshots[number]);
        for word in words {
            assert!(page.contains(word), "{number}: {word}");
        }
    };
    shown(0, &["This is the first snapshot", "quarantined", "No end", "PCI DSS 8.2.6"]);
    shown(
        1,
        &["Accepted exceptions", "overlaps with the one in line", "ends in", "Changes since", "removed from group"],
    );
    shown(
        3,
        &["not proven complete: groups. Rows that are missing from these lists are kept", "not confirmed by this run"],
    );
    shown(4, &["removed from group"]);
    shown(5, &["nothing was read", "not read. Its rows are those of an earlier run"]);
}

#[test]
fn report_renders_the_published_page_from_tables_of_every_format() {
    for (tables, csv) in [
        ("[\"csv\"]", "strict"),
        ("[\"csv\"]", "excel"),
        ("[\"csv\"]", "raw"),
        ("[\"parquet\"]", "strict"),
        ("[\"csv\", \"parquet\"]", "raw"),
    ] {
        let rig = Rig::with_surfaces(&SURFACES, World::seeded(5, 103, as_of()), Faults::default(), None);
        rig.edit("csv = \"raw\"\n", &format!("csv = \"{csv}\"\ntables = {tables}\n"));
        assert_exit(&rig.run_on_day(0, &[]), 0);
        rig.sandbox.with_world(|world| world.simulate_day(1, as_of()));
        assert_exit(&rig.run_on_day(1, &[]), 0);
        for snapshot in rig.snapshots() {
            is_the_published_page(&snapshot);
            assert_eq!(page(&snapshot).contains("the guard is off"), csv == "raw");
        }
    }
}

#[test]
fn report_renders_the_published_page_of_remote_support_with_a_nanosecond_instant() {
    let rig = Rig::with_surfaces(
        &[Surface::Rs],
        World::seeded(7, 103, as_of()),
        Faults { rs: true, ..Faults::default() },
        None,
    );
    assert_exit(&rig.call(&["run", "--as-of", "2026-11-23T02:00:00.123456789Z"]), 0);
    is_the_published_page(&rig.snapshot());
}

#[test]
fn report_of_a_changed_snapshot_is_refused() {
    let rig = Rig::seeded(60);
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let snapshot = rig.snapshot();
    fs::write(snapshot.join("users.csv"), "").unwrap();
    let refused = report(&snapshot, &[]);
    assert_exit(&refused, 1);
    assert!(refused.stdout.is_empty());
    assert!(stderr(&refused).contains("users.csv: changed"), "{}", stderr(&refused));
}

#[test]
fn snapshot_published_without_a_page_is_rendered_into_another_folder() {
    let rig = Rig::seeded(60);
    rig.edit("[output]\n", "[output]\nreports = []\n");
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let snapshot = rig.snapshot();
    assert!(!snapshot.join("report.html").exists());
    let to = rig.folder.path().join("page.html");
    let output = report(&snapshot, &["--output", to.to_str().unwrap()]);
    assert_exit(&output, 0);
    assert!(
        stdout(&output).contains("page.html")
            && stderr(&output).contains("the snapshot was published without report.html")
    );
    let page = fs::read_to_string(&to).unwrap();
    assert!(page.contains(snapshot.file_name().unwrap().to_str().unwrap()) && page.trim_end().ends_with("</html>"));
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600, "the page contains personal data");
    assert_exit(&rig.call(&["verify", snapshot.to_str().unwrap()]), 0);
    assert_exit(&report(&snapshot, &["--output", to.to_str().unwrap()]), 0);
    assert_eq!(fs::read_dir(rig.folder.path()).unwrap().filter(|entry| is_hidden(entry.as_ref().unwrap())).count(), 0);
}

fn is_hidden(entry: &fs::DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with('.')
}

#[test]
fn report_writes_only_regular_files_outside_the_folder_of_snapshots() {
    let rig = Rig::seeded(60);
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let (snapshot, store) = (rig.snapshot(), rig.snapshots_dir());
    let victim = rig.folder.path().join("victim");
    fs::write(&victim, "mine").unwrap();
    std::os::unix::fs::symlink(&victim, rig.folder.path().join("link.html")).unwrap();
    for (place, why) in [
        (store.join("latest"), "this is not a regular file"),
        (store.join("page.html"), "only runs write into a folder of snapshots"),
        (store.join(".lock"), "only runs write into a folder of snapshots"),
        (store.join("latest/page.html"), "which never changes"),
        (rig.folder.path().to_owned(), "this is a folder"),
        (rig.folder.path().join("page.html/"), "this is a folder"),
        (rig.folder.path().join("link.html"), "this is not a regular file"),
        ("/dev/stdout".into(), "this is not a regular file"),
        ("/".into(), "this is a folder"),
        (rig.folder.path().join("no/such/page.html"), "its folder does not exist"),
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
fn missing_or_changed_page_is_restored_and_nothing_else_is_written_into_a_snapshot() {
    let rig = Rig::seeded(60);
    assert_exit(&rig.run_on_day(0, &[]), 0);
    let other = rig.snapshot();
    assert_exit(&rig.run_on_day(1, &[]), 0);
    let snapshot = rig.snapshot();
    let (published, own) = (page(&snapshot), snapshot.join("report.html"));
    fs::write(&own, "changed").unwrap();
    let verified = rig.call(&["verify", snapshot.to_str().unwrap()]);
    assert_exit(&verified, 1);
    assert!(stderr(&verified).contains("renders it again from the other files"), "{}", stderr(&verified));
    let output = report(&snapshot, &[]);
    assert_exit(&output, 0);
    assert!(stdout(&output) == published && stderr(&output).contains("report.html: changed"), "{}", stderr(&output));
    let same_size = published.replacen("<html", "<HTML", 1);
    fs::write(&own, &same_size).unwrap();
    assert!(stderr(&report(&snapshot, &[])).contains("its SHA-256 differs from the manifest"));
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

/// Changes a file of a snapshot and its entry in the manifest, so that the snapshot still verifies.
fn forge(snapshot: &Path, name: &str, change: impl Fn(&mut Value)) {
    let (path, manifest) = (snapshot.join(name), snapshot.join("manifest.json"));
    let mut content = read_json(&path);
    change(&mut content);
    fs::write(&path, content.to_string()).unwrap();
    // The manifest has no entry of its own, so a change of the manifest itself ends here.
    let mut listed = read_json(&manifest);
    let files = listed["files"].as_array_mut().unwrap();
    let Some(entry) = files.iter_mut().find(|file| file["path"] == name) else { return };
    entry["sha256"] = sha256(content.to_string().as_bytes()).into();
    entry["bytes"] = content.to_string().len().into();
    fs::write(&manifest, listed.to_string()).unwrap();
}

#[test]
fn report_refuses_unknown_content_of_another_version_and_logs_a_different_page() {
    let rig = Rig::with_surfaces(&SURFACES, World::seeded(1, 103, as_of()), Faults::default(), None);
    let refused = |name: &str, change: &dyn Fn(&mut Value), words: &str| {
        assert_exit(&rig.run_on_day(0, &[]), 0);
        forge(&rig.snapshot(), name, change);
        let output = report(&rig.snapshot(), &[]);
        assert_exit(&output, 1);
        let log = stderr(&output);
        assert!(output.stdout.is_empty() && log.contains(words) && log.contains("the version of bt-rollcall"), "{log}");
    };
    refused("manifest.json", &|it| it["policy"]["rules"]["value"] = json!({"of-tomorrow": "off"}), "of-tomorrow");
    let unevaluated = |it: &mut Value| it["rules"].as_array_mut().unwrap().retain(|entry| entry["rule"] != "no-mfa");
    refused("manifest.json", &unevaluated, "no outcome of rule no-mfa for source");

    assert_exit(&rig.run_on_day(0, &[]), 0);
    let snapshot = rig.snapshot();
    forge(&snapshot, "manifest.json", |it| it["warnings"] = json!(["tokyo"]));
    let output = report(&snapshot, &[]);
    assert_exit(&output, 1);
    assert!(stdout(&output).contains("tokyo"), "the page is printed for comparison");
    let log = stderr(&output);
    assert!(log.contains("the page differs from the report.html that the same version published"), "{log}");
    let own = snapshot.join("report.html");
    let kept = report(&snapshot, &["--output", own.to_str().unwrap()]);
    assert_exit(&kept, 2);
    assert!(stderr(&kept).contains("its manifest lists another page"));
    forge(&snapshot, "manifest.json", |it| it["tool"]["version"] = "0.0.9".into());
    let output = report(&snapshot, &[]);
    assert_exit(&output, 0);
    assert!(stderr(&output).contains("version 0.0.9 rendered that one"), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("rendered again by version") && !page(&snapshot).contains("rendered again by version")
    );
}

#[test]
fn table_page_and_events_agree_on_every_finding() {
    let port = unused_port();
    let to = format!("tcp://127.0.0.1:{port}");
    let rig = Rig::with_syslog(World::ordinary(3, 200, as_of()), Faults::default(), Some(&to));
    rig.edit("[syslog]\n", "[syslog]\nsend = \"all\"\n");
    assert_exit(&rig.run_on_day(0, &[]), 5);
    let stale = rig.table("findings").iter().find(|row| row["rule"] == "stale-login").unwrap()["subject_id"].clone();
    rig.sandbox.with_world(|world| {
        world.simulate_day(1, as_of());
        set_field(world, stale.parse().unwrap(), "last_login", json!(day(1)));
    });
    assert_exit(&rig.run_on_day(1, &[]), 5);
    let receiver = Receiver::on_port(port);
    assert_exit(&rig.call(&["emit"]), 0);

    let table = rig.table("findings");
    let of_table: BTreeSet<[String; 3]> =
        table.iter().map(|row| ["fingerprint", "status", "first_seen"].map(|column| row[column].clone())).collect();
    let cells = |message: &String| {
        let body = body(message);
        let (finding, run) = (&body["btrollcall"]["finding"], &body["btrollcall"]["run"]["id"]);
        let of_newest = rig.snapshot().ends_with(run.as_str().unwrap());
        let text = |key: &str| finding[key].as_str().map(|text| text.replace(".000Z", "Z"));
        of_newest.then_some([text("fingerprint")?, text("status")?, text("first_seen")?])
    };
    let of_events: BTreeSet<[String; 3]> = receiver.messages().iter().filter_map(cells).collect();
    assert!(of_events == of_table);
    let statuses: BTreeSet<&str> = of_table.iter().map(|[_, status, _]| status.as_str()).collect();
    assert_eq!(statuses, BTreeSet::from(["new", "open", "resolved"]));

    let mut counts: BTreeMap<(&str, usize), usize> = BTreeMap::new();
    for row in &table {
        let place = ["new", "reopened", "open", "excepted", "resolved"].iter().position(|word| row["status"] == *word);
        *counts.entry((&row["rule"], place.unwrap())).or_insert(0) += 1;
    }
    let output = report(&rig.snapshot(), &[]);
    assert_exit(&output, 0);
    let page = stdout(&output);
    let by_rule = page.split("<section id=\"findings\">").nth(1).unwrap();
    for (rule, place) in counts.keys() {
        let row = by_rule.split(&format!("<code>{rule}</code>")).nth(1);
        // A rule whose findings are all resolved has no row in the table.
        let Some(row) = row.map(|rest| rest.split("</tr>").next().unwrap()) else { continue };
        let cells: Vec<&str> = row.rsplit("<td class=\"num\">").take(4).collect();
        let shown = cells[[3, 3, 2, 1, 0][*place]].split('<').next().unwrap();
        assert_eq!(shown.replace(',', ""), counts[&(*rule, *place)].to_string(), "{rule}");
    }
    assert!(page.contains(&format!("since {}", &day(0)[..10])), "the age of an open finding");
}
