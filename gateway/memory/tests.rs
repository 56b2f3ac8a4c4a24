//! The memory: its marks, which batch waits for which, and which gives way.

use futures_util::FutureExt;

use super::clients::STANDSTILL;
use super::*;

const MIB: usize = 1 << 20;

/// A holding of a client of its own.
fn reservation(memory: &MemoryBudget) -> MemoryReservation<'_> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    MemoryReservation::new(memory, Client::named(&NEXT.fetch_add(1, Ordering::Relaxed).to_string()))
}

#[tokio::test(start_paused = true)]
async fn a_body_waits_for_room_but_not_for_long() {
    let memory = MemoryBudget::new(8 * MIB);
    let first = reservation(&memory);
    assert_eq!(first.admit(3 * MIB).await, Ok(()));
    let second = reservation(&memory);
    assert_eq!(second.admit(2 * MIB).await, Err(MemoryExhausted));
    let (admitted, ()) = tokio::join!(second.admit(2 * MIB), async {
        tokio::time::sleep(PATIENCE / 2).await;
        drop(first);
    });
    assert_eq!((admitted, memory.held()), (Ok(()), 2 * MIB));
    drop(second);
    assert_eq!(memory.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_eldest_has_the_last_quarter_and_waits_last() {
    let memory = MemoryBudget::new(8 * MIB);
    let [eldest, other] = [reservation(&memory), reservation(&memory)];
    eldest.stand_in_line();
    other.stand_in_line();
    assert_eq!(other.take(6 * MIB), Ok(()));
    assert_eq!(other.take(1), Err(MemoryExhausted));
    assert!(other.room().now_or_never().is_none());
    assert!(eldest.room().now_or_never().is_some());
    assert_eq!(eldest.take(MIB), Ok(()));
    assert_eq!(eldest.take(1), Err(MemoryExhausted));
    let mut waits = pin!(eldest.room());
    assert!(waits.as_mut().now_or_never().is_none());
    other.give_back(MIB);
    assert!(waits.now_or_never().is_some());
    eldest.leave_line();
    assert!(other.room().now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn who_waits_goes_on_once_the_eldest_has_ended() {
    let memory = MemoryBudget::new(8 * MIB);
    let [eldest, other] = [reservation(&memory), reservation(&memory)];
    eldest.stand_in_line();
    other.stand_in_line();
    other.take(5 * MIB).unwrap();
    let (room, ()) = tokio::join!(other.room(), async {
        tokio::time::sleep(PATIENCE).await;
        drop(eldest);
    });
    assert_eq!(room, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_eldest_that_can_not_go_on_ends() {
    let memory = MemoryBudget::new(8 * MIB);
    let [eldest, other] = [reservation(&memory), reservation(&memory)];
    eldest.stand_in_line();
    other.stand_in_line();
    other.take(5 * MIB).unwrap();
    eldest.take(2 * MIB).unwrap();
    let ((), room) = tokio::join!(
        async {
            assert_eq!(eldest.room().await, Err(MemoryExhausted));
            assert_eq!(eldest.room().now_or_never(), Some(Err(MemoryExhausted)));
            drop(eldest);
        },
        other.room()
    );
    assert_eq!(room, Ok(()));
}

#[test]
fn returned_memory_can_be_taken_by_others() {
    let memory = MemoryBudget::new(8 * MIB);
    let stream = reservation(&memory);
    stream.take(4 * MIB).unwrap();
    stream.give_back(3 * MIB);
    assert_eq!(memory.held(), MIB);
    stream.hold(9 * MIB);
    assert_eq!(memory.held(), 9 * MIB);
    stream.hold(10);
    assert_eq!(memory.held(), PIECE);
}

#[test]
fn there_is_room_left_for_what_writing_adds() {
    let memory = MemoryBudget::new(8 * MIB);
    let eldest = reservation(&memory);
    eldest.stand_in_line();
    let most = (1..10_000).take_while(|_| eldest.take(1000).is_ok()).count();
    eldest.hold(most * 1000 + MIB);
    assert_eq!(memory.held(), 8 * MIB);
}

#[test]
fn small_batches_lease_one_block() {
    let memory = MemoryBudget::new(8 * MIB);
    let batch = reservation(&memory);
    for _ in 0..16 {
        batch.take(1000).unwrap();
    }
    assert_eq!(memory.held(), BLOCK);
    batch.take(1000).unwrap();
    assert_eq!(memory.held(), 2 * BLOCK);
}

/// A client that reads nothing of its reply of `bytes` bytes, which is being written.
fn stalled<'memory>(
    reservation: &'memory MemoryReservation<'_>,
    bytes: usize,
) -> std::pin::Pin<Box<dyn Future<Output = Result<(), GaveWay>> + 'memory>> {
    reservation.hold(bytes);
    let mut writing = Box::pin(reservation.at_pace_of_client(std::future::pending::<()>()));
    assert!(writing.as_mut().now_or_never().is_none());
    writing
}

#[tokio::test(start_paused = true)]
async fn a_small_batch_comes_in_while_others_hold_all() {
    let memory = MemoryBudget::new(8 * MIB);
    let greedy = reservation(&memory);
    greedy.hold(7 * MIB);
    let small = reservation(&memory);
    assert!(matches!(small.admit(10_000).now_or_never(), Some(Ok(()))));
    assert_eq!(small.take(40_000), Ok(()));
    assert_eq!(small.take(100_000), Err(MemoryExhausted), "that is not small");
    assert!(greedy.admit(BLOCK).now_or_never().is_none(), "it holds much");
}

#[tokio::test(start_paused = true)]
async fn the_reserve_has_an_end() {
    let memory = MemoryBudget::new(8 * MIB);
    let greedy = reservation(&memory);
    greedy.hold(7 * MIB);
    let small: Vec<_> = (0..200).map(|_| reservation(&memory)).collect();
    let admitted =
        small.iter().take_while(|small| matches!(small.admit(1).now_or_never(), Some(Ok(())))).count();
    assert_eq!(admitted, MIB / 2 / PIECE);
}

#[tokio::test(start_paused = true)]
async fn the_largest_stalled_holder_gives_way_to_a_waiting_client() {
    let memory = MemoryBudget::new(8 * MIB);
    let [most, less] = [reservation(&memory), reservation(&memory)];
    let (most_writing, less_writing) = (stalled(&most, 4 * MIB), stalled(&less, 2 * MIB));
    let waits = reservation(&memory);
    let gives_way = async {
        let gave_way = most_writing.await;
        most.hold(0);
        gave_way
    };
    let (admitted, gave_way) = tokio::join!(waits.admit(MIB), gives_way);
    assert_eq!((admitted, gave_way), (Ok(()), Err(GaveWay { held: 4 * MIB })));
    assert!(less_writing.now_or_never().is_none(), "there is room enough");
}

#[tokio::test(start_paused = true)]
async fn no_client_gives_way_to_one_that_holds_more() {
    let memory = MemoryBudget::new(8 * MIB);
    let [little, much] = [reservation(&memory), reservation(&memory)];
    let writing = stalled(&little, 2 * MIB);
    much.hold(3 * MIB);
    assert_eq!(much.admit(MIB).await, Err(MemoryExhausted));
    assert!(writing.now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_client_does_not_give_way_to_itself() {
    let memory = MemoryBudget::new(8 * MIB);
    let client = Client::named("one");
    let [first, second] = [MemoryReservation::new(&memory, client), MemoryReservation::new(&memory, client)];
    let writing = stalled(&first, 5 * MIB);
    assert_eq!(second.admit(MIB).await, Err(MemoryExhausted));
    assert!(writing.now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_keeps_reading_keeps_its_reply() {
    let memory = MemoryBudget::new(8 * MIB);
    let slow = reservation(&memory);
    slow.hold(5 * MIB);
    let reads = async {
        for _ in 0..20 {
            tokio::time::sleep(STANDSTILL / 2).await;
        }
    };
    let waits = reservation(&memory);
    let (read, admitted) = tokio::join!(slow.at_pace_of_client(reads), waits.admit(MIB));
    assert_eq!((read, admitted), (Ok(()), Err(MemoryExhausted)));
}

#[tokio::test(start_paused = true)]
async fn no_client_gives_way_while_none_waits() {
    let memory = MemoryBudget::new(8 * MIB);
    let greedy = reservation(&memory);
    let mut writing = stalled(&greedy, 8 * MIB);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(writing.as_mut().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_has_arrived_waits_for_one_that_gives_way() {
    let memory = MemoryBudget::new(8 * MIB);
    let greedy = reservation(&memory);
    let writing = stalled(&greedy, 6 * MIB);
    let other = reservation(&memory);
    let gives_way = async {
        let gave_way = writing.await;
        greedy.hold(0);
        gave_way
    };
    let (taken, gave_way) = tokio::join!(other.take_or_wait(MIB), gives_way);
    assert_eq!((taken, gave_way.is_err()), (Ok(()), true));
    assert_eq!(
        other.take_or_wait(7 * MIB).now_or_never(),
        Some(Err(MemoryExhausted)),
        "nobody could give way"
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_waits_for_memory_is_not_stalled() {
    let memory = MemoryBudget::new(8 * MIB);
    let [large, waits, third] = [reservation(&memory), reservation(&memory), reservation(&memory)];
    large.hold(4 * MIB);
    waits.hold(2 * MIB);
    let body = waits.at_pace_of_client(waits.admit(MIB));
    let (read, admitted) = tokio::join!(body, third.admit(MIB));
    assert_eq!((read, admitted), (Ok(Err(MemoryExhausted)), Err(MemoryExhausted)));
}

#[test]
fn each_clients_count_is_the_sum_of_its_holdings() {
    let memory = MemoryBudget::new(8 * MIB);
    let client = Client::named("one");
    let [first, second] = [MemoryReservation::new(&memory, client), MemoryReservation::new(&memory, client)];
    first.take(MIB).unwrap();
    second.hold(MIB);
    assert_eq!((first.exchange.held_by_client(), memory.held()), (2 * MIB, 2 * MIB));
    drop(first);
    assert_eq!((second.exchange.held_by_client(), memory.held()), (MIB, MIB));
    drop(second);
    assert_eq!(memory.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_holds_next_to_nothing_starts_a_few_calls() {
    let memory = MemoryBudget::new(8 * MIB);
    let greedy = reservation(&memory);
    greedy.hold(7 * MIB);
    assert!(!greedy.has_room());
    let small = reservation(&memory);
    small.take(1000).unwrap();
    let mut calls = Vec::new();
    while small.has_room() {
        calls.push(small.call_begins());
    }
    assert_eq!(calls.len(), memory.small() / PIECE - 1);
    calls.pop();
    assert!(small.has_room());
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_makes_its_client_large_waits() {
    let memory = MemoryBudget::new(8 * MIB);
    let greedy = reservation(&memory);
    greedy.hold(7 * MIB);
    let small = reservation(&memory);
    let (taken, ()) = tokio::join!(small.take_or_wait(MIB), async {
        tokio::time::sleep(PATIENCE * 3).await;
        greedy.hold(MIB);
    });
    assert_eq!(taken, Ok(()));
}

#[test]
fn what_is_kept_without_need_leaves_room_for_the_rest() {
    let memory = MemoryBudget::new(16 * MIB);
    let [one, other] = [reservation(&memory), reservation(&memory)];
    assert_eq!(one.may_keep(), 4 * MIB);
    one.keep(3 * MIB);
    assert_eq!((memory.held(), one.may_keep(), other.may_keep()), (3 * MIB, 4 * MIB, MIB));
    one.keep(4 * MIB);
    assert_eq!(other.may_keep(), memory.small(), "a little can always be kept");
    other.hold(5 * MIB);
    assert_eq!((one.may_keep(), other.may_keep()), (0, 0), "more than half is held");
    one.keep(MIB);
    assert_eq!((memory.held(), other.may_keep()), (6 * MIB, 3 * MIB));
    drop(one);
    assert_eq!((memory.held(), other.may_keep()), (5 * MIB, 4 * MIB));
}

#[test]
fn replies_to_calls_of_the_eldest_fit_even_if_it_has_to_wait_for_its_client() {
    let memory = MemoryBudget::new(16 * MIB);
    let [first, second] = [reservation(&memory), reservation(&memory)];
    first.stand_in_line();
    second.stand_in_line();
    first.hold(11 * MIB);
    second.hold(MIB);
    assert_eq!((first.has_room(), second.has_room()), (true, false));
    first.leave_line();
    assert_eq!((first.has_room(), second.has_room()), (false, true), "another batch goes on");
    assert_eq!(reservation(&memory).take(2 * MIB), Err(MemoryExhausted));
    assert_eq!(first.take(2 * MIB), Ok(()));
}
