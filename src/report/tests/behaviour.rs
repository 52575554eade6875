//! Tests of the statements of the page, and of statements that it must never make.

use super::sample::{World, as_of};
use super::tenant::{list, reading};
use crate::model::{
    Completeness, Finding, Fingerprint, LastLogin, ListKind, ReportedDate, Rule, RuleOutcome, Severity,
    SourceInventory, SourceStatus, User,
};
use crate::report::{CompletenessGrade, RuleStatus, TopRow};
use crate::snapshot::manifest::ConfirmedShrink;
use crate::snapshot::manifest::SourceEntry;
use chrono::Duration;

const HOSTILE: &str =
    "</title></style><script>alert(1)</script>\"' onload=x <img src=//evil.example/x> &amp; \u{202e}nimda\0\r\n";

pub(super) fn world_with(change: impl FnOnce(&mut World)) -> World {
    let mut world = World::complete();
    change(&mut world);
    world
}

pub(super) fn set_outcome(world: &mut World, rule: Rule, outcome: &RuleOutcome) {
    for evaluation in world.evaluations.iter_mut().filter(|evaluation| evaluation.rule == rule) {
        evaluation.outcome = outcome.clone();
    }
    world.findings.retain(|finding| finding.rule != rule);
}

fn rule(world: &World, wanted: Rule) -> crate::report::RuleSummary {
    world.view().rules.into_iter().find(|rule| rule.id == wanted.as_str()).expect("every rule has a result")
}

/// Returns the inside of every `<…>`. Both signs are escaped in text, so everything between them is markup.
fn markup(page: &str) -> Vec<&str> {
    page.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or_default()).collect()
}

fn hostile_world() -> World {
    let mut eu = reading("appliance-eu", 60, 7);
    for user in &mut eu.users {
        user.username = Some(HOSTILE.into());
        user.account_type = Some(HOSTILE.into());
    }
    for group in &mut eu.groups {
        group.name = Some(format!("admin {HOSTILE}").into());
    }
    eu.source.url = HOSTILE.to_owned();
    eu.source.client_id = HOSTILE.to_owned();
    eu.lists[1] = list(ListKind::Groups, None, 14, ("failed", HOSTILE));
    let mut world = World::of(vec![eu]);
    for finding in &mut world.findings {
        finding.wording = (HOSTILE, &*finding.evidence()).into();
    }
    world.manifest.warnings = vec![HOSTILE.to_owned()];
    world.manifest.host = HOSTILE.to_owned();
    world.manifest.confirmed_shrinks = vec![confirmed(HOSTILE)];
    world.manifest.sources[0].name = HOSTILE.to_owned();
    world
}

fn confirmed(text: &str) -> ConfirmedShrink {
    let text = || text.to_owned();
    ConfirmedShrink {
        source: text(),
        list: ListKind::VendorUsers,
        before: None,
        now: 7,
        gone: 3,
        limit_percent: 20,
        by: text(),
        at: text(),
    }
}

#[test]
fn a_confirmed_shrink_is_shown_with_person_and_time_and_without_one_the_section_is_absent() {
    assert!(!World::complete().page().contains("Confirmed by a person"));
    let shrink = |before| ConfirmedShrink {
        source: "appliance-eu".to_owned(),
        before,
        by: "root (sudo: alice)".to_owned(),
        at: "2026-11-23T08:15:00.25Z".to_owned(),
        ..confirmed("")
    };
    let world = world_with(|world| world.manifest.confirmed_shrinks = vec![shrink(Some(1_200)), shrink(None)]);
    let page = world.page();
    for reported in
        ["vendor users", "1,200", "no such list", "20 %", "root (sudo: alice)", "23 November 2026, 08:15:00 UTC"]
    {
        assert!(page.contains(reported), "{reported}");
    }
}

#[test]
fn hostile_text_in_every_field_is_escaped() {
    let page = hostile_world().page();
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("onload=x <"));
    assert!(page.contains("&#60;script&#62;"), "the name is shown, escaped");
    assert_eq!(page.matches("</style>").count(), 1);
    assert_eq!(page.matches("</title>").count(), 2, "one for the page and one for the histogram");
    for acting in ['\0', '\r', '\u{202e}'] {
        assert!(!page.contains(acting), "{acting:?} acts on the page");
    }
    assert!(page.contains("[U+202E]nimda\u{2400}\u{240d}\u{240a}"));
}

const FORBIDDEN: [&str; 11] =
    ["script", "img", "link", "iframe", "object", "embed", "form", "base", "use", "image", "foreignObject"];

#[test]
fn the_page_loads_nothing_and_runs_nothing() {
    for page in [World::complete().page(), World::partial().page(), hostile_world().page()] {
        for tag in markup(&page) {
            let name = tag.split([' ', '\n']).next().unwrap_or_default();
            assert!(!FORBIDDEN.contains(&name), "<{tag}> in the page");
            for reference in ["src=", "href=\"h", "href=\"/", "url(", " on", "javascript:"] {
                assert!(!tag.contains(reference), "{reference} in <{tag}>");
            }
        }
        let style = page.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).unwrap_or_default();
        assert!(!style.contains("@import") && style.matches("url(").count() == style.matches("url(#hatch)").count());
        assert!(page.contains("default-src 'none'; style-src 'sha256-"));
        assert!(!page.contains(" style=\""), "the policy would refuse it");
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert_eq!(World::complete().page(), World::complete().page());
}

#[test]
fn a_run_without_sources_is_reported_as_empty() {
    let world = World::of(Vec::new());
    let view = world.view();
    assert_eq!((view.status.word, view.status.grade), ("Empty", CompletenessGrade::Unproven));
    assert!(view.rules.iter().all(|rule| rule.status == RuleStatus::NotEvaluated), "no rule passed");
    assert!(world.page().contains("No source was read."));
}

#[test]
fn a_complete_tenant_without_accounts_has_nothing_to_evaluate() {
    let mut empty = reading("appliance-eu", 0, 1);
    empty.groups.clear();
    let world = World::of(vec![empty]);
    assert_eq!(rule(&world, Rule::StaleLogin).status, RuleStatus::NoSubject);
    let page = world.page();
    assert!(page.contains(": complete, 0 accounts, 0 groups") && page.contains("0 of 0 accounts were evaluated"));
    assert!(page.contains("There is no such account."));
}

#[test]
fn a_rule_without_findings_shows_how_many_accounts_were_evaluated() {
    let world = World::complete();
    assert_eq!(rule(&world, Rule::DanglingGroup).status, RuleStatus::Passed);
    assert!(world.page().contains("no finding; 408 of 408 accounts were evaluated"));
}

#[test]
fn a_rule_that_could_not_be_evaluated_is_not_listed_as_passed() {
    let why = "the source does not report last logins".to_owned();
    let world = world_with(|w| set_outcome(w, Rule::StaleLogin, &RuleOutcome::Undetermined { why }));
    let result = rule(&world, Rule::StaleLogin);
    assert_eq!((result.status, result.result().as_str()), (RuleStatus::NotEvaluated, "could not be evaluated"));
    let page = world.page();
    assert!(
        page.contains("<h3>Could not be evaluated</h3>") && page.contains("the source does not report last logins")
    );
    let tile = world.view().tiles.into_iter().find(|tile| tile.label == "Inactive accounts").expect("a tile");
    assert_eq!(tile.value, "not evaluated", "0 would be a claim");
    assert_eq!(tile.note, "the source does not report last logins", "the reason is next to it");
}

#[test]
fn a_rule_with_accounts_that_lack_its_data_has_not_fully_passed() {
    let world =
        world_with(|w| set_outcome(w, Rule::NoGroup, &RuleOutcome::Evaluated { subjects: 200, undetermined: 3 }));
    let result = rule(&world, Rule::NoGroup);
    assert_eq!(result.status, RuleStatus::PartlyPassed);
    assert_eq!(result.evaluated, "394 of 400 accounts were evaluated");
}

#[test]
fn a_rule_that_is_off_is_listed_as_switched_off() {
    let world = world_with(|w| set_outcome(w, Rule::NoGroup, &RuleOutcome::Off));
    assert_eq!(rule(&world, Rule::NoGroup).status, RuleStatus::Off);
    assert!(world.page().contains("<h3>Switched off</h3>"));
}

#[test]
fn a_partial_run_names_the_incomplete_list_and_no_rule_passes() {
    let world = World::partial();
    let page = world.page();
    assert!(page.contains("<b class=\"word\">Partial</b>"));
    assert!(page.contains("131 of 140 users, not proven complete") && page.contains("5 of 14 groups, not fully read"));
    assert!(page.contains("The list of users is not proven complete for <bdi>appliance-apac</bdi>"));
    let passed = world.view().with_status(RuleStatus::Passed).iter().map(|rule| rule.id).collect::<Vec<_>>();
    assert!(passed.is_empty(), "{passed:?}");
}

#[test]
fn a_failed_source_is_the_worst_grade() {
    let mut down = reading("appliance-us", 96, 11);
    down.users.clear();
    down.lists[0] = list(ListKind::Users, None, 0, ("failed", "connection refused"));
    let view = World::of(vec![reading("appliance-eu", 20, 7), down]).view();
    assert_eq!(view.status.grade, CompletenessGrade::Failed);
    assert!(view.status.meaning.starts_with("At least one source could not be read."));
}

#[test]
fn twenty_thousand_findings_with_long_names_fit_on_a_small_page() {
    let mut eu = reading("appliance-eu", 20_000, 7);
    for user in &mut eu.users {
        user.username =
            Some(format!("{}{}", "𝕏".repeat(if user.id.as_str().len() < 3 { 4000 } else { 90 }), user.id).into());
        user.account_type = Some(user.id.as_str().into());
        user.enabled = Some(true);
        user.last_login = LastLogin::At(as_of() - Duration::days(500));
    }
    let world = World::of(vec![eu]);
    assert!(world.findings.len() >= 19_000);
    let page = world.page();
    assert!(page.len() < 300_000, "{} bytes", page.len());
    assert!(page.contains("groups in <code>findings.csv</code>") && page.contains("more in <code>users.csv</code>"));
}

#[test]
fn five_hundred_sources_fit_on_a_small_page() {
    let readings = (0..500).map(|n| reading(&format!("appliance-{n}"), 2, n)).collect();
    let page = World::of(readings).page();
    assert!(page.len() < 300_000, "{} bytes", page.len());
    assert!(page.contains("<h1><bdi>500 sources</bdi></h1>"));
}

#[test]
fn the_most_severe_come_first_then_privileged_local_and_oldest() {
    let view = World::complete().view();
    assert_eq!(view.top.rows.len(), 20);
    let severities: Vec<_> = view.top.rows.iter().map(|row| Severity::parse(row.severity)).collect();
    assert!(severities.is_sorted_by(|a, b| a >= b), "{severities:?}");
    let found = &view.top.rows[0].findings.rows[0];
    let severity = found.variants.rows[0].severity;
    assert_eq!((view.top.rows[0].severity, severity, found.rule), ("high", "high", "local-outside-sso"));
    let is_privileged = |row: &TopRow| row.tags.iter().any(|tag| tag.as_str().starts_with("privileged"));
    assert!(is_privileged(&view.top.rows[0]), "{:?}", view.top.rows[0]);
    let privileged: Vec<bool> = view.top.rows.iter().map(is_privileged).collect();
    let high = severities.iter().filter(|severity| **severity == Some(Severity::High)).count();
    assert!(privileged[..high].is_sorted_by_key(|privileged| !privileged), "{privileged:?}");
}

#[test]
fn the_histogram_counts_every_account_once_and_marks_exactly_the_stale_ones() {
    let world = World::complete();
    let inactivity = world.view().inactivity;
    let stale = world.findings.iter().filter(|finding| finding.rule == Rule::StaleLogin).count() as u64;
    assert_eq!(inactivity.stale, stale);
    let counts = |user: &&User| user.enabled == Some(true) && user.kind != crate::model::UserKind::Service;
    let users =
        world.inventory.sources.iter().flat_map(|source_inventory: &SourceInventory| &source_inventory.reading.users);
    assert_eq!(inactivity.population, users.filter(counts).count() as u64);
    assert!(inactivity.bins.iter().filter(|bin| bin.label == "0–6").all(|bin| bin.stale == 0));
}

#[test]
fn an_age_at_the_threshold_lies_beyond_its_line_and_a_future_login_is_age_zero() {
    let mut eu = reading("appliance-eu", 4, 7);
    let ages = [Duration::days(45), Duration::days(45) - Duration::seconds(1), Duration::days(-3), Duration::zero()];
    for (user, age) in eu.users.iter_mut().zip(ages) {
        user.username = None;
        user.enabled = Some(true);
        user.last_login = LastLogin::At(as_of() - age);
        user.group_memberships = Box::default();
    }
    let bins = World::of(vec![eu]).view().inactivity.bins;
    let total = |label: &str| bins.iter().find(|bin| bin.label == label).map(|bin| (bin.total, bin.stale));
    assert_eq!(total("45–59"), Some((1, 1)));
    assert_eq!(total("30–44"), Some((1, 0)));
    assert_eq!(total("0–6"), Some((2, 0)));
}

#[test]
fn expired_and_disabled_accounts_are_not_in_the_histogram() {
    let mut eu = reading("appliance-eu", 2, 7);
    eu.users[0].enabled = Some(false);
    eu.users[1].enabled = Some(true);
    eu.users[1].expires_at = ReportedDate::At(as_of());
    let world = World::of(vec![eu]);
    assert_eq!(world.view().inactivity.population, 0);
}

#[test]
fn unexpected_evidence_does_not_hide_a_finding() {
    let world = world_with(|w| {
        let source = w.findings[0].source.clone();
        let odd = |finding: &Finding| Finding {
            wording: ("t", "not json").into(),
            severity: Severity::Critical,
            fingerprint: Fingerprint::of(&["odd"]),
            source: source.clone(),
            ..finding.clone()
        };
        w.findings = vec![odd(&w.findings[0])];
    });
    let row = world.view().top.rows.remove(0);
    assert_eq!((row.severity, row.findings.rows.len(), row.due.as_deref()), ("critical", 1, Some("2026-11-24")));
    assert!(world.page().contains("<th scope=\"col\" class=\"num\">Critical</th>"));
}

#[test]
fn a_field_that_no_source_reports_is_listed_as_not_checked() {
    let view = World::complete().view();
    let what: Vec<&str> = view.unchecked.rows.iter().map(|item| item.what.as_str()).collect();
    assert!(what.contains(&"The second factor: not reported by appliance-eu, appliance-us"), "{what:?}");
    assert!(what.contains(&"Earlier runs"));
}

#[test]
fn a_rule_whose_data_is_missing_for_every_account_is_not_evaluated_and_its_tile_shows_no_number() {
    let world = world_with(|world| {
        set_outcome(world, Rule::NoGroup, &RuleOutcome::Evaluated { subjects: 3, undetermined: 3 });
    });
    let result = rule(&world, Rule::NoGroup);
    assert_eq!(result.status, RuleStatus::NotEvaluated);
    assert!(result.evaluated.starts_with("0 of "), "{}", result.evaluated);
    let tile = world.view().tiles.into_iter().find(|tile| tile.label == "Accounts in no group").unwrap();
    assert!(!tile.is_number && tile.value == "not evaluated" && tile.note == "every account lacks the data");
}

#[test]
fn a_tile_shows_how_many_accounts_lack_the_data() {
    let world = world_with(|world| {
        set_outcome(world, Rule::NoGroup, &RuleOutcome::Evaluated { subjects: 300, undetermined: 3 });
    });
    let tiles: Vec<String> = world.view().tiles.into_iter().map(|tile| tile.note).collect();
    assert!(tiles.iter().any(|note| note.ends_with("; not evaluated: 6 accounts")), "{tiles:?}");
}

#[test]
fn the_page_refers_only_to_table_files_that_exist() {
    let world = world_with(|world| world.manifest.files.retain(|file| !file.path.ends_with("csv")));
    let page = world.page();
    assert!(page.contains("findings.parquet") && !page.contains("findings.csv"));
}

#[test]
fn a_formula_guard_that_is_off_shows_no_count_of_cells() {
    let page = world_with(|world| world.manifest.formula_guard = false).page();
    assert!(page.contains("the guard is off") && !page.contains("CSV cells that a spreadsheet would run"));
}

#[test]
fn sources_that_the_run_did_not_read_are_listed_as_not_checked() {
    let world = world_with(|world| {
        world.manifest.completeness = Completeness::Partial;
        let source = SourceEntry { name: "appliance-apac".to_owned(), ..world.manifest.sources[0].clone() };
        let left_out = SourceEntry { status: SourceStatus::Failed, lists: Vec::new(), ..source };
        world.manifest.sources.push(left_out);
    });
    let view = world.view();
    assert!(view.unchecked.rows.iter().any(|item| item.what.as_str().contains("appliance-apac")));
    assert!(view.status.meaning.contains("this run did not read every configured source"), "{}", view.status.meaning);
}

#[test]
fn changes_name_their_baseline_and_list_gains_of_privilege_first() {
    let changes = World::complete().view().changes;
    assert_eq!(changes.base_run.as_ref().unwrap().as_str(), "20261122T020000Z-1c4e");
    assert!(changes.rows.rows.len() <= 15 && !changes.rows.is_empty());
    let privileged: Vec<bool> = changes.rows.rows.iter().map(|row| row.privileged).collect();
    assert!(privileged[0] && privileged.is_sorted_by_key(|privileged| !privileged), "{privileged:?}");
    let counted: u64 = changes.counts.iter().map(|count| count.count).sum();
    assert_eq!(counted, World::complete().changes.len() as u64);
    assert!(changes.counts.iter().any(|count| count.kind == "user.removed"));
}

#[test]
fn a_first_run_has_no_changes_and_a_run_without_changes_names_its_baseline() {
    let section = |change: &dyn Fn(&mut World)| {
        let page = world_with(|world| {
            world.changes.clear();
            change(world);
        });
        let page = page.page();
        page.split("<section id=\"changes\">").nth(1).unwrap().split("</section>").next().unwrap().to_owned()
    };
    let first = section(&|world| world.manifest.base = None);
    assert!(first.contains("This is the first snapshot, so there is nothing to compare it with."), "{first}");
    assert!(section(&|_| {}).contains("No change since 20261122T020000Z-1c4e"));
}

#[test]
fn a_source_that_is_not_complete_has_a_note_about_its_changes() {
    let limits = World::partial().view().changes.limits.rows;
    let has_note = |source: &str| limits.iter().any(|line| line.as_str().starts_with(source));
    assert!(has_note("appliance-us") && has_note("appliance-apac") && !has_note("appliance-eu"), "{limits:?}");
}

#[test]
fn accepted_findings_are_counted_separately_from_open_ones() {
    let world = World::complete();
    let open = world.findings.iter().filter(|f| f.status.is_open() && f.severity >= Severity::High).count();
    let end = format!("; 2 are accepted by an exception, and of the others {open} are high or critical.");
    assert!(world.view().status.lead.ends_with(&end), "{}", world.view().status.lead);
    let without = world_with(|world| world.findings.retain(|finding| finding.status.is_open()));
    assert!(!without.view().status.lead.contains("accepted"));
}

#[test]
fn a_privileged_group_shows_its_gains_or_that_they_are_unknown() {
    let gained = |world: &World| -> Vec<Option<u64>> {
        world.view().groups.groups.rows.into_iter().map(|group| group.gained).collect()
    };
    let world = World::complete();
    let reported: u64 = gained(&world).into_iter().map(Option::unwrap).sum();
    let gains = world.changes.iter().filter(|change| change.gains_privilege()).count() as u64;
    assert!(reported == gains && reported > 0, "{reported} of {gains}");
    let partly = world_with(|world| {
        world.manifest.sources.iter_mut().for_each(|source| source.status = SourceStatus::Partial);
    });
    let some: Vec<u64> = gained(&partly).into_iter().flatten().collect();
    assert!(
        !some.contains(&0) && some.iter().sum::<u64>() == gains,
        "an incomplete source shows gains but never 0: {some:?}"
    );
    let first = world_with(|world| {
        world.changes.clear();
        world.manifest.sources.iter_mut().for_each(|source| source.known.is_compared = false);
    });
    assert!(gained(&first).iter().all(Option::is_none), "the gains of a first run are unknown");
}
