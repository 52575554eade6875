//! Many runs that were not proven, one after the other: whoever hears them all knows in the end how it is.

use super::*;

pub(super) fn lines(heard: &Heard) -> String {
    let mut lines = Vec::new();
    heard.write_lines(&mut lines).unwrap();
    String::from_utf8(lines).unwrap()
}

/// What each run tells, as it is made of what the one before it carries on.
pub(super) fn tell(base: Side<'_>, heard: &Heard, now: Side<'_>) -> Comparison {
    let mut comparison = between(base, now);
    take_back(&mut comparison, base, now, heard);
    comparison
}

proptest! {
    #[test]
    fn who_heard_every_run_that_was_not_proven_and_then_one_that_was_knows_how_it_is(
        a in inventory(true), partial in proptest::collection::vec(inventory(false), 0..5), b in inventory(true)
    ) {
        let base = Side { run_id: "base", inventory: &a };
        let (mut known, mut heard) = (state(&a), Heard::default());
        for (number, inventory) in partial.iter().enumerate() {
            let run_id = format!("partial-{number}");
            let comparison = tell(base, &heard, Side { run_id: &run_id, inventory });
            comparison.changes.iter().for_each(|change| hear(&mut known, change));
            heard = heard.after(&comparison, "base", &run_id);
            prop_assert_eq!(Heard::read(&lines(&heard)), Ok(heard.clone()));
        }
        let new = Side { run_id: "new", inventory: &b };
        let last = tell(base, &heard, new);
        last.changes.iter().for_each(|change| hear(&mut known, change));
        prop_assert_eq!(known, state(&b));
        prop_assert!(last.changes.is_sorted_by_key(|change| change.kind));
        let of_base = last.changes.iter().filter(|change| &*change.base_run == "base").cloned();
        prop_assert_eq!(of_base.collect::<Vec<_>>(), between(base, new).changes, "nothing is lost for it");
        // Once is enough.
        let heard = heard.after(&last, "base", "new");
        prop_assert_eq!(tell(base, &heard, new).changes, between(base, new).changes);
    }
}

#[test]
fn what_stands_told_is_read_as_it_was_written_and_lines_that_are_none_are_refused_with_their_number() {
    assert_eq!(Heard::read(""), Ok(Heard::default()));
    let group = ChangedGroup { id: "3".into(), name: Some("a \"b\"\n".into()), privileged: true };
    let event = |kind: ChangeKind, group: Option<ChangedGroup>| Change {
        source: "eu".into(),
        event_id: Fingerprint::of(&[kind.as_str()]),
        kind,
        subject: Subject { kind: SubjectKind::User, id: "7".into(), name: None },
        field: Some("group_memberships".into()),
        before: None,
        after: Some("3".into()),
        base_run: "partial".into(),
        group,
    };
    let heard = Heard::of([event(ChangeKind::MembershipAdded, Some(group)), event(ChangeKind::UserChanged, None)]);
    let text = lines(&heard);
    assert_eq!(Heard::read(&text), Ok(heard));
    assert!(Heard::read(&format!("{text}x")).unwrap_err().starts_with("line 3: "));
    let strange = text.replace("user.changed", "user.dreamt");
    assert!(Heard::read(&strange).unwrap_err().contains("\"user.dreamt\" is nothing that this version knows"));
}
