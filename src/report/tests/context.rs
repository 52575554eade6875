//! What is kept beside the tables comes back as it was.

use crate::diff::{Compared, Comparison, Since, Standing};
use crate::model::ChangeKind::{MembershipAdded, MembershipRemoved};
use crate::model::{
    Blocked, Change, ChangeKind, ChangedGroup, Classes, Fingerprint, Harvest, Inventory, ListKind, SourceIdentity,
    Subject, SubjectKind, Told, User,
};
use crate::report::Context;

fn inventory(mark: impl Fn(usize, &mut User)) -> Inventory {
    let harvest = |name: &str| {
        let identity = SourceIdentity {
            name: name.into(),
            kind: "pra".to_owned(),
            url: "u".to_owned(),
            client_id: "c".to_owned(),
        };
        let users = (0..12).map(|at: usize| {
            let mut user = User::new(at.to_string());
            mark(at, &mut user);
            user
        });
        Harvest { users: users.collect(), ..Harvest::of(identity) }
    };
    Inventory::join(vec![harvest("eu"), harvest("us")], &Classes::default())
}

fn again(context: &Context<'_>) -> Context<'static> {
    let read = Context::read(&context.to_json()).unwrap();
    assert_eq!(read, *context);
    read
}

#[test]
fn what_columns_of_accounts_do_not_hold_comes_back_to_the_same_accounts() {
    let told = inventory(|at, user| {
        user.blocked = [None, Some(Blocked::Expired), Some(Blocked::Quarantined), Some(Blocked::NotApproved)][at % 4];
        user.signs_in_by = ["SAML", "", "a \"b\"\n"].get(at % 5).map(|way| (*way).into());
        user.expires_at = if at.is_multiple_of(3) { Told::Unreadable(Box::default()) } else { Told::Not };
    });
    let mut read = inventory(|_, _| {});
    assert!(read != told);
    again(&Context::of(&told, &Since::Baseline, &[], true)).mark(&mut read).unwrap();
    assert!(read == told);
    // Where there is nothing to keep, nothing is kept.
    let bare = inventory(|_, _| {});
    let text = Context::of(&bare, &Since::Baseline, &[], true).to_json();
    assert!(text.contains("\"accounts\":{}"), "{text}");
}

#[test]
fn marks_of_accounts_that_are_not_there_are_refused() {
    let told = inventory(|_, user| user.blocked = Some(Blocked::Expired));
    let context = Context::of(&told, &Since::Baseline, &[], false);
    let mut less = Inventory { rolls: told.rolls[..1].to_vec() };
    assert_eq!(context.mark(&mut less), Err("source \"us\" is not in the manifest".to_owned()));
    let mut fewer = told.clone();
    fewer.rolls[1].harvest.users.pop();
    assert_eq!(context.mark(&mut fewer), Err("account \"11\" is not in the table of users".to_owned()));
}

#[test]
fn how_a_run_was_compared_comes_back() {
    let nobody = Inventory::default();
    let standings = [
        Standing::Whole,
        Standing::InPart(vec![ListKind::Users, ListKind::VendorUsers]),
        Standing::Baseline,
        Standing::Gone,
        Standing::Failed,
    ];
    let sources = ["a", "b", "c", "d", "e"]
        .into_iter()
        .zip(standings)
        .map(|(name, standing)| Compared { source: name.into(), standing });
    let comparison = Comparison { sources: sources.collect(), ..Comparison::default() };
    let unknown = Since::Unknown { run_id: "r1".to_owned(), why: "it \"is\" gone".to_owned() };
    for since in [Since::Baseline, unknown, Since::Base { run_id: "r2".to_owned(), comparison }] {
        for (omitted, guard) in [(vec!["x".to_owned()], true), (Vec::new(), false)] {
            let context = again(&Context::of(&nobody, &since, &omitted, guard));
            assert_eq!((&context.omitted_sources, context.formula_guard), (&omitted, guard));
            assert_eq!(context.since(Vec::new()), Ok(since.clone()));
        }
    }
}

fn membership(source: &str, kind: ChangeKind, base_run: &str, group: ChangedGroup) -> Change {
    Change {
        source: source.into(),
        event_id: Fingerprint::of(&[source, base_run]),
        kind,
        subject: Subject { kind: SubjectKind::User, id: "7".into(), name: None },
        field: Some("group_memberships".into()),
        before: Some(group.id.as_str().into()),
        after: Some(group.id.as_str().into()),
        base_run: base_run.into(),
        group: Some(group),
    }
}

#[test]
fn a_group_is_told_as_it_was_in_the_run_that_a_change_is_told_against() {
    let group =
        |name: Option<&str>, privileged| ChangedGroup { id: "3".into(), name: name.map(Into::into), privileged };
    let changes = vec![
        membership("eu", MembershipAdded, "r1", group(Some("Operators"), false)),
        membership("eu", MembershipRemoved, "r1", group(Some("Administrators"), true)),
        membership("eu", MembershipRemoved, "r2", group(None, false)),
        membership("us", MembershipAdded, "r1", group(Some("x"), true)),
        membership("us", MembershipAdded, "r1", group(Some("x"), true)),
    ];
    let nobody = Inventory::default();
    let comparison = Comparison { changes: changes.clone(), ..Comparison::default() };
    let since = Since::Base { run_id: "r1".to_owned(), comparison };
    let context = again(&Context::of(&nobody, &since, &[], true));
    for change in &changes {
        assert_eq!(context.changed_group(change, change.group_id().unwrap()), change.group);
    }
    assert_eq!(context.changed_group(&changes[0], "4"), None);
    assert_eq!(context.since(changes), Ok(since));
}
