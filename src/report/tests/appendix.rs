//! Tests of the appendix: populations, glossary, and the header of printed pages.

use super::behaviour::world_with;
use super::products::{account, changed, product};
use super::sample::World;
use crate::model::{User, UserKind};
use crate::report::{PopulationCounts, SourcePopulation};

fn population(world: &World, rule: &str) -> SourcePopulation {
    let rule = world.view().populations.into_iter().find(|population| population.id == rule).expect("every rule");
    rule.sources.rows[0].clone()
}

/// Returns 90 accounts without a second factor: 25 of them are findings.
fn without_second_factor() -> World {
    let user = |n: u32| {
        let change = |user: &mut User| {
            user.mfa = Some(n > 90);
            match n {
                1..=30 => user.enabled = Some(false),
                31..=45 => user.kind = UserKind::Service,
                46..=65 => user.account_type = Some("SAML".into()),
                _ => {}
            }
        };
        changed(account(&n.to_string(), &format!("u{n}"), &format!("u{n}@example.com")), change)
    };
    World::of(vec![product("pra", "pra", (1..=100).map(user).collect())])
}

#[test]
fn the_report_explains_why_90_accounts_without_a_second_factor_are_25_findings() {
    let world = without_second_factor();
    let row = population(&world, "no-mfa");
    let counts = PopulationCounts {
        all: 100,
        excluded: "30 disabled, 15 service accounts".to_owned(),
        subjects: 55,
        undetermined: 20,
        found: 25,
    };
    assert_eq!(row.counts, Some(counts));
    let note = "The source reports no second factor for 90 accounts; 25 of them are findings. The others: 30 disabled or \
                blocked, 15 service accounts, 20 undetermined: an identity provider is responsible for the second factor, \
                or the type is unknown";
    assert_eq!(row.note.as_str(), note);
    assert!(world.page().contains(note));
}

#[test]
fn the_subjects_and_exclusions_of_every_rule_add_up_to_the_accounts_of_the_source() {
    let world = World::complete();
    let users = world.inventory.sources[0].reading.users.len() as u64;
    for population in world.view().populations.iter().filter(|population| population.noun == "accounts") {
        let row = &population.sources.rows[0];
        let Some(counts) = &row.counts else { continue };
        assert_eq!(counts.all, users, "{}", population.id);
        assert!(counts.found + counts.undetermined <= counts.subjects.max(counts.found), "{}", population.id);
    }
}

#[test]
fn a_rule_that_was_not_evaluated_has_the_reason_instead_of_numbers() {
    let row = population(&World::complete(), "no-mfa");
    assert_eq!((row.counts, row.note.as_str()), (None, "not evaluated: the source does not report second factors"));
}

#[test]
fn every_printed_page_has_the_run_and_a_number_and_an_edited_run_id_adds_no_style() {
    let page = World::complete().page();
    assert!(page.contains("@top-left { content: \"Access report, run 20261123T020000Z-7f3a\""));
    assert!(page.contains("content: \"Page \" counter(page) \" of \" counter(pages)"));
    let hostile =
        world_with(|world| world.manifest.run_id = "x\"; } body { display: none } </style>".to_owned()).page();
    assert!(hostile.contains("run xbodydisplaynonestyle\"") && hostile.matches("</style>").count() == 1);
}

#[test]
fn terms_with_a_meaning_of_their_own_are_in_the_glossary() {
    let page = World::complete().page();
    let glossary = page.split("<section id=\"glossary\">").nth(1).expect("a glossary");
    let terms: Vec<&str> =
        glossary.split("<dt>").skip(1).map(|rest| rest.split("</dt>").next().unwrap_or_default()).collect();
    assert!(terms.len() > 30 && terms.is_sorted(), "{terms:?}");
    for term in ["account", "finding", "past due", "person", "privileged", "proven complete", "undetermined"] {
        assert!(terms.contains(&term), "{term}");
    }
}

#[test]
fn a_wide_table_scrolls_in_a_region_that_the_keyboard_reaches_and_that_has_a_name() {
    let page = World::complete().page();
    let regions = page.split("<div class=\"scroll\"").skip(1);
    assert!(regions.clone().count() > 8);
    for region in regions {
        let tag = region.split('>').next().unwrap_or_default();
        assert!(
            tag.contains("role=\"region\"") && tag.contains("tabindex=\"0\"") && tag.contains("aria-label="),
            "{tag}"
        );
    }
}
