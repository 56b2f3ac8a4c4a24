//! Items that are taken in order while calls go on: the same, in the same order, as if all were taken at the end.

use super::*;
use crate::batch::ItemRejection;
use crate::plan::Undo;

/// A client that takes what it can, with pauses in between, and leaves after a while.
struct Taking {
    pace: Pace,
    /// Milliseconds for which it does not take anything after each piece.
    pause: u64,
    leaves: Duration,
    taken: Vec<DispatchedItem>,
    /// How many items were in each piece, and what they held.
    pieces: Vec<(usize, usize)>,
    /// It was polled until it had written everything.
    has_ended: bool,
}

impl Taking {
    fn new(bytes: usize, wait: u64) -> Self {
        Self {
            pace: Pace { bytes, wait: Duration::from_millis(wait) },
            pause: 0,
            leaves: Duration::from_secs(1000),
            taken: Vec::new(),
            pieces: Vec::new(),
            has_ended: false,
        }
    }
}

impl Client for Taking {
    async fn attend<E: Engine>(&mut self, batch: &InOrder<'_, E>) {
        let leaves = crate::clock::Deadline::after(self.leaves);
        while leaves.race(batch.next(self.pace)).await == Some(Next::Piece) {
            let Piece { items, held } = batch.take();
            self.pieces.push((items.len(), held));
            self.taken.extend(items);
            tokio::time::sleep(Duration::from_millis(self.pause)).await;
        }
        self.has_ended = true;
    }
}

/// Runs a plan, and returns all items: those that the client has taken come first.
fn taken(fake: &Fake, plan: Plan, limits: DispatchLimits, client: &mut Taking) -> Vec<DispatchedItem> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let rest = runtime.block_on(async { dispatch(plan, &fake, fake, limits, client).await });
    std::mem::take(&mut client.taken).into_iter().chain(rest).collect()
}

fn shown(items: &[DispatchedItem]) -> Vec<String> {
    let show = |item: &DispatchedItem| {
        let DispatchedItem { subject, route, upstream, outcome, coalesced, undone, .. } = item;
        format!("{} {route:?} {upstream:?} {outcome:?} {coalesced} {undone:?}", subject.id.as_str())
    };
    items.iter().map(show).collect()
}

fn answered(count: usize, delays: &[u64]) -> Fake {
    Fake { delays: delays.to_vec(), ..Fake::new(&vec![Act::Answer(200); count], 9) }
}

#[test]
fn nothing_is_taken_behind_an_item_that_is_under_way() {
    let fake = answered(4, &[10, 300, 20, 200]);
    let mut client = Taking::new(usize::MAX, 50);
    taken(&fake, fake.plan(1), limits(), &mut client);
    assert_eq!(client.pieces.iter().map(|(items, _)| *items).collect::<Vec<_>>(), [1]);
    let fake = answered(4, &[10, 100, 20, 400]);
    let mut client = Taking::new(usize::MAX, 50);
    taken(&fake, fake.plan(1), limits(), &mut client);
    assert_eq!(client.pieces.iter().map(|(items, _)| *items).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn nothing_is_taken_of_a_batch_that_is_over_soon() {
    let fake = answered(4, &[0, 10, 20, 40]);
    let mut client = Taking::new(usize::MAX, 50);
    assert_eq!(taken(&fake, fake.plan(1), limits(), &mut client).len(), 4);
    assert_eq!(client.pieces, []);
}

#[test]
fn what_others_need_is_held_and_all_else_is_not() {
    let fields = [(http::header::ETAG, "abc".parse().unwrap())].into_iter().collect();
    let fake = Fake { fields, ..answered(4, &[10, 20, 400, 0]) };
    let mut plan = fake.plan(1);
    plan.dependencies = vec![Vec::new(), Vec::new(), vec![ItemIndex(0)], vec![ItemIndex(2)]];
    let mut client = Taking::new(usize::MAX, 50);
    taken(&fake, plan, limits(), &mut client);
    assert_eq!(client.pieces, [(2, 7)], "the second item's reply, and not the first's");
}

#[test]
fn a_group_that_may_be_undone_holds_up_the_reply() {
    let fake = answered(3, &[10, 20, 400]);
    let mut plan = fake.plan(1);
    plan.dependencies = vec![Vec::new(); 3];
    plan.follows = vec![None; 3];
    plan.undos = vec![None, Some(Undo::Nothing), None];
    let mut client = Taking::new(usize::MAX, 50);
    taken(&fake, plan, limits(), &mut client);
    assert_eq!(client.pieces, [(1, 0)]);
}

#[test]
fn an_item_without_a_call_holds_up_nothing_and_a_copy_is_made_at_the_end() {
    let fake = answered(5, &[10, 0, 20, 0, 400]);
    let mut plan = fake.plan(1);
    plan.items[1].step = Step::Rejected(ItemRejection::NoRoute);
    plan.items[3].step = Step::Same(ItemIndex(0));
    let mut client = Taking::new(usize::MAX, 50);
    let items = taken(&fake, plan, limits(), &mut client);
    assert_eq!(client.pieces, [(3, 0)]);
    assert!(items[3].coalesced && matches!(items[3].outcome, Outcome::Answered(_)));
}

#[test]
fn a_client_that_is_slow_still_takes_its_piece_once_the_deadline_has_come() {
    let fake = answered(2, &[10, 100_000]);
    let mut client = Taking { pause: 10_000, ..Taking::new(0, 0) };
    let limits = DispatchLimits { patience: Duration::from_millis(100), ..limits() };
    let items = taken(&fake, fake.plan(1), limits, &mut client);
    assert_eq!((client.pieces, client.has_ended), (vec![(1, 0)], true));
    assert_eq!(failure(&items[1]), Some((CallFailure::DeadlineBeforeCall, Sent::No)));
    assert_eq!(fake.under_way.load(Ordering::Relaxed), 0);
}

proptest! {
    #[test]
    fn what_is_taken_early_is_what_it_would_be_at_the_end(
        acts in proptest::collection::vec(act(), 1..30),
        delays in proptest::collection::vec(0u64..300, 30),
        steps in proptest::collection::vec(0u8..12, 30),
        picks in proptest::collection::vec(any::<proptest::sample::Index>(), 30),
        has_dependencies: bool,
        group in proptest::option::of((any::<proptest::sample::Index>(), 2usize..6)),
        concurrency in 1usize..9,
        sequential: bool,
        stop_on_error: bool,
        deadline in 1u64..3000,
        bytes in 0usize..2,
        wait in 0u64..100,
        pause in 0u64..100,
        leaves in 1u64..4000,
    ) {
        let fake = || Fake { delays: delays.clone(), ..Fake::new(&acts, 9) };
        let plan = |fake: &Fake| {
            let mut plan = fake.plan(2);
            let count = plan.items.len();
            let members = group.map_or(0..0, |(first, length)| {
                let first = first.index(count);
                first..(first + length).min(count)
            });
            for number in (1..count).filter(|number| !members.contains(number)) {
                let first = picks[number].index(number);
                match steps[number] {
                    0 | 1 if steps[first] > 1 => plan.items[number].step = Step::Same(ItemIndex(first)),
                    2 => plan.items[number].step = Step::Rejected(ItemRejection::NoRoute),
                    _ => {}
                }
            }
            let waits = |number: usize| {
                let waits = has_dependencies && number > 0 && steps[number] > 7;
                waits.then(|| ItemIndex(picks[number].index(number)))
            };
            if has_dependencies || !members.is_empty() {
                plan.dependencies = (0..count).map(|number| waits(number).into_iter().collect()).collect();
            }
            if !members.is_empty() {
                let before = |number: usize| number.checked_sub(1).filter(|before| members.contains(before));
                let is_member = |number: &usize| members.contains(number);
                plan.follows = (0..count)
                    .map(|number| before(number).filter(|_| is_member(&number)).map(ItemIndex))
                    .collect();
                plan.undos = (0..count).map(|number| is_member(&number).then_some(Undo::Nothing)).collect();
            }
            plan
        };
        let limits = DispatchLimits {
            concurrency, sequential, stop_on_error, patience: Duration::from_millis(deadline), ..limits()
        };
        let leaves = Duration::from_millis(leaves);
        let (early, whole) = (fake(), fake());
        let mut client = Taking { pause, leaves, ..Taking::new(bytes, wait) };
        let found = taken(&early, plan(&early), limits, &mut client);
        prop_assert_eq!(found.len(), acts.len());
        let mut client = Taking { leaves, ..Taking::new(usize::MAX, 1_000_000) };
        let expected = taken(&whole, plan(&whole), limits, &mut client);
        prop_assert_eq!(client.pieces.len(), 0);
        // A client that takes something notices only afterwards that it has left, so those may have gone on.
        if pause == 0 || leaves > Duration::from_millis(deadline) {
            prop_assert_eq!(shown(&found), shown(&expected));
        }
    }
}
