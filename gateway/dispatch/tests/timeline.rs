//! The timelines of items: what happened comes in order, and what did not happen has no time.

use super::*;

fn times(item: &DispatchedItem) -> (bool, usize, bool) {
    let Timeline { permit, attempts, end, .. } = &item.timeline;
    (permit.is_some(), attempts.iter().count(), end.is_some())
}

#[test]
fn the_times_of_an_item_are_in_order() {
    let fake = Fake::new(&[Act::Answer(200), Act::FailSent, Act::Hang], 9);
    for item in run(&fake, 1, |_| {}) {
        let Timeline { queued, permit, attempts, end } = &item.timeline;
        let (permit, end) = (permit.unwrap(), end.unwrap());
        let attempt = attempts.iter().next().unwrap();
        let times =
            [*queued, permit, attempt.sent, attempt.first_byte.unwrap_or(attempt.end), attempt.end, end];
        assert!(times.windows(2).all(|pair| pair[0].since(pair[1]).is_zero()), "{times:?}");
        assert_eq!(item.timeline.elapsed(), Some(end.since(permit)));
        assert_eq!(attempt.first_byte.is_some(), attempt.status.is_some());
    }
}

#[test]
fn what_was_not_started_has_no_times() {
    let fake = Fake::new(&[Act::Answer(404), Act::Answer(200), Act::HangUnsent], 9);
    let mut plan = fake.plan(1);
    plan.items[1].step = Step::Rejected(ItemRejection::NoRoute);
    let items = run_plan(&fake, plan, |_| {});
    assert_eq!(
        items.iter().map(times).collect::<Vec<_>>(),
        [(true, 1, true), (false, 0, false), (true, 0, true)]
    );
    let items = run(&Fake::new(&[Act::Hang; 2], 0), 1, |limits| {
        limits.patience = Duration::from_millis(10);
    });
    assert!(items.iter().all(|item| times(item) == (false, 0, false)));
}

#[test]
fn attempts_are_kept_in_order() {
    let now = Stopwatch::start();
    let attempt = |port| AttemptTimes {
        target: SocketAddr::from(([127, 0, 0, 1], port)).into(),
        connected: None,
        sent: now,
        first_byte: None,
        end: now,
        status: None,
    };
    let mut attempts = Attempts::none();
    for port in 1..=3 {
        attempts.push(attempt(port));
    }
    let targets: Vec<_> = attempts.iter().map(|attempt| attempt.target.to_string()).collect();
    assert_eq!(targets, ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]);
}
