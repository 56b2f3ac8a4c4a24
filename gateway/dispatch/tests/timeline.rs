//! The timelines of items: what happened comes in order, and what did not happen has no time.

use super::*;
use crate::batch::ItemIndex;

fn times(item: &DispatchedItem) -> (bool, usize, bool) {
    let Timeline { permit, attempts, end, .. } = &item.timeline;
    (permit.is_some(), attempts.iter().count(), end.is_some())
}

#[test]
fn the_times_of_an_item_are_in_order() {
    let fake = Fake::new(&[Act::Answer(200), Act::FailSent, Act::Hang], 9);
    for item in run(&fake, 1, |_| {}) {
        let Timeline { queued, permit, attempts, end, undo: _ } = &item.timeline;
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
    let mut attempts = Attempts::none();
    for (number, target) in ["a", "b", "c"].into_iter().enumerate() {
        assert_eq!(
            (attempts.count(), attempts.last().map(|last| &*last.target)),
            (number, ["a", "b"].get(number.wrapping_sub(1)).copied())
        );
        attempts.push(attempt(target, now, now));
    }
    let targets: Vec<_> = attempts.iter().map(|attempt| &*attempt.target).collect();
    assert_eq!(targets, ["a", "b", "c"]);
}

fn attempt(target: &str, sent: Stopwatch, end: Stopwatch) -> AttemptTimes {
    AttemptTimes {
        target: target.into(),
        span: None,
        connected: None,
        sent,
        first_byte: None,
        end,
        status: None,
    }
}

#[tokio::test(start_paused = true)]
async fn the_parts_of_an_items_time_are_those_of_its_last_attempt() {
    let ticks = async |milliseconds| {
        tokio::time::advance(Duration::from_millis(milliseconds)).await;
        Stopwatch::start()
    };
    let queued = Stopwatch::start();
    let permit = ticks(5).await;
    let mut timeline = Timeline { permit: Some(permit), ..Timeline::not_started(queued) };
    let (sent, end) = (ticks(1).await, ticks(2).await);
    timeline.attempts.push(attempt("a", sent, end));
    let parts = |timeline: &Timeline| (timeline.connect_time(), timeline.first_byte_time());
    assert_eq!(parts(&timeline), (None, None));
    let (connected, sent, first_byte, end) =
        (ticks(10).await, ticks(1).await, ticks(20).await, ticks(4).await);
    let second =
        AttemptTimes { connected: Some(connected), first_byte: Some(first_byte), ..attempt("b", sent, end) };
    timeline.attempts.push(second);
    timeline.end = Some(end);
    let milliseconds = |number| Some(Duration::from_millis(number));
    assert_eq!(parts(&timeline), (milliseconds(10), milliseconds(20)));
    assert_eq!(timeline.queue_time(), milliseconds(5));
    assert_eq!((timeline.elapsed(), timeline.total()), (milliseconds(38), milliseconds(43)));
}

#[tokio::test(start_paused = true)]
async fn time_lost_at_targets_that_refuse_is_time_of_connecting() {
    let ticks = async |milliseconds| {
        tokio::time::advance(Duration::from_millis(milliseconds)).await;
        Stopwatch::start()
    };
    let (permit, notes) = (Stopwatch::start(), ConnectNotes::new());
    let mut timeline = Timeline { permit: Some(permit), ..Timeline::not_started(permit) };
    let milliseconds = |number| Some(Duration::from_millis(number));
    assert_eq!((timeline.connect_time(), timeline.target()), (None, ""));
    let began = ticks(5).await;
    ticks(30).await;
    notes.add(&"dead".into(), began, Some(CallFailure::ConnectionRefused));
    timeline.attempts.failed_connects = notes.take();
    assert_eq!((timeline.connect_time(), timeline.target()), (milliseconds(35), "dead"));
    let (sent, end) = (ticks(1).await, ticks(2).await);
    timeline.attempts.push(attempt("idle", sent, end));
    assert_eq!((timeline.connect_time(), timeline.target()), (milliseconds(36), "idle"));
    let (sent, end) = (ticks(7).await, ticks(1).await);
    timeline.attempts.push(attempt("again", sent, end));
    assert_eq!((timeline.connect_time(), timeline.target()), (None, "again"), "that was before");
}

#[test]
fn few_failed_connects_are_kept_and_the_rest_is_counted() {
    let (notes, now) = (ConnectNotes::new(), Stopwatch::start());
    (0..20).for_each(|number| notes.add(&format!("t{number}").into(), now, None));
    let failed = notes.take();
    assert_eq!((failed.iter().count(), failed.omitted()), (8, 12));
    assert!(notes.take().last().is_none(), "they are handed out once");
}

#[test]
fn an_item_that_waits_for_another_is_queued_from_the_others_end() {
    let dependencies = vec![Vec::new(), vec![ItemIndex(0)]];
    for (sequential, dependencies) in
        [(true, Vec::new()), (true, dependencies.clone()), (false, dependencies)]
    {
        let mut fake = Fake::new(&[Act::Answer(200); 2], 9);
        fake.delays = vec![30, 5];
        let plan = Plan { dependencies, sequential, ..fake.plan(1) };
        let items = run_plan(&fake, plan, |limits| limits.sequential = sequential);
        let [first, second] = [0, 1].map(|number| &items[number].timeline);
        let least = Duration::from_millis(30);
        assert!(second.queued.since(first.queued) >= least, "{sequential} {second:?}");
        assert!(second.queue_time().is_some_and(|queue| queue < least), "{sequential} {second:?}");
        assert!(second.total() < first.total(), "{sequential} {first:?} {second:?}");
    }
}
