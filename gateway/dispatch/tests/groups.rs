//! Groups of several items: members run one by one, whatever becomes of the others, and a batch stops after a group.

use super::*;
use crate::batch::ItemIndex;

/// A plan whose items follow these others.
fn grouped(fake: &Fake, upstreams: usize, follows: &[Option<usize>]) -> Plan {
    let follows: Vec<_> = follows.iter().map(|before| before.map(ItemIndex)).collect();
    Plan { dependencies: vec![Vec::new(); follows.len()], follows, ..fake.plan(upstreams) }
}

const GROUP: [Option<usize>; 4] = [None, Some(0), Some(1), None];

fn statuses(items: &[DispatchedItem]) -> Vec<String> {
    let status = |item: &DispatchedItem| match &item.outcome {
        Outcome::Answered(reply) => reply.status.as_str().to_owned(),
        Outcome::Rejected(_) => "rejected".to_owned(),
        Outcome::Skipped(SkipReason::BatchStopped) => "stopped".to_owned(),
        Outcome::Skipped(_) => "skipped".to_owned(),
        Outcome::Failed { .. } => "failed".to_owned(),
        Outcome::Responded(_) => "responded".to_owned(),
        Outcome::Undone { .. } => "undone".to_owned(),
    };
    items.iter().map(status).collect()
}

#[test]
fn a_member_starts_when_the_one_before_it_has_ended() {
    let fake = Fake::new(&[Act::Answer(500), Act::FailUnsent, Act::Answer(200), Act::Answer(200)], 9);
    let items = run_plan(&fake, grouped(&fake, 2, &GROUP), |_| {});
    assert_eq!(statuses(&items), ["500", "failed", "200", "200"]);
    let members: Vec<_> = fake.calls().into_iter().filter(|call| *call < 3).collect();
    assert_eq!(members, [0, 1, 2]);
}

#[test]
fn a_member_that_needs_the_one_before_it_is_skipped_and_the_next_one_is_not() {
    let fake = Fake::new(&[Act::Answer(404), Act::Answer(200), Act::Answer(200), Act::Answer(200)], 9);
    let mut plan = grouped(&fake, 1, &GROUP);
    plan.dependencies[1].push(ItemIndex(0));
    assert_eq!(statuses(&run_plan(&fake, plan, |_| {})), ["404", "skipped", "200", "200"]);
}

#[test]
fn a_batch_that_stops_at_errors_stops_after_the_group() {
    for (acts, expected) in [
        ([404, 200, 200, 200], ["404", "200", "200", "stopped"]),
        ([200, 200, 404, 200], ["200", "200", "404", "stopped"]),
        ([200, 200, 200, 200], ["200", "200", "200", "200"]),
    ] {
        let fake = Fake::new(&acts.map(Act::Answer), 9);
        let items = run_plan(&fake, grouped(&fake, 2, &GROUP), |limits| {
            limits.stop_on_error = true;
            limits.sequential = true;
        });
        assert_eq!(statuses(&items), expected);
    }
}

#[test]
fn an_item_that_is_skipped_meanwhile_does_not_stop_the_batch_within_the_group() {
    for sequential in [true, false] {
        let fake = Fake::new(&[Act::Answer(404), Act::Answer(200), Act::Answer(200), Act::Answer(200)], 9);
        let mut plan = grouped(&fake, 1, &GROUP);
        plan.dependencies[3].push(ItemIndex(0));
        let items = run_plan(&fake, plan, |limits| {
            limits.stop_on_error = true;
            limits.sequential = sequential;
        });
        assert_eq!(statuses(&items), ["404", "200", "200", "skipped"]);
    }
}

#[test]
fn a_member_that_is_rejected_stops_the_batch_after_the_group_too() {
    let fake = Fake::new(&[Act::Answer(200); 4], 9);
    for (rejected, expected) in [
        (0, ["rejected", "200", "200", "stopped"]),
        (1, ["200", "rejected", "200", "stopped"]),
        (2, ["200", "200", "rejected", "stopped"]),
        (3, ["200", "200", "200", "rejected"]),
    ] {
        let mut plan = grouped(&fake, 1, &GROUP);
        plan.items[rejected].step = Step::Rejected(ItemRejection::NoRoute);
        let items = run_plan(&fake, plan, |limits| {
            limits.stop_on_error = true;
            limits.sequential = true;
        });
        assert_eq!(statuses(&items), expected, "{rejected}");
    }
}

#[test]
fn all_members_of_a_refused_group_are_rejected_before_the_batch_stops() {
    let fake = Fake::new(&[Act::Answer(200); 4], 9);
    let mut plan = grouped(&fake, 1, &GROUP);
    for item in &mut plan.items[..3] {
        item.step = Step::Rejected(ItemRejection::NotAtomic);
    }
    let items = run_plan(&fake, plan, |limits| limits.stop_on_error = true);
    assert_eq!(statuses(&items), ["rejected", "rejected", "rejected", "stopped"]);
    assert!(fake.calls().is_empty());
}
