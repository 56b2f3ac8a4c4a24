//! The limiter against a simple model: there are never too many permits out, waiting calls are woken in the model's
//! order, and none is forgotten, whatever is cancelled and when.

use std::net::Ipv4Addr;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::Stopwatch;

fn limiter(permits: usize, queue: usize, rate: Option<Rate>) -> FairLimiter {
    shared_limiter(permits, queue, 100, rate)
}

/// A limiter that lets one client use `percent`.
fn shared_limiter(permits: usize, queue: usize, percent: u64, rate: Option<Rate>) -> FairLimiter {
    let share = ClientShare::from_percent(percent).unwrap();
    FairLimiter::new(LimiterLimits { permits: NonZeroUsize::new(permits).unwrap(), queue, share, rate })
}

fn client(number: u8) -> Client {
    Client::at(Some(Ipv4Addr::new(10, 0, 0, number).into()))
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Acquiring<'limiter> =
    Pin<Box<dyn Future<Output = Result<Permit<&'limiter FairLimiter>, QueueFull>> + 'limiter>>;

/// A call that waits for a permit.
struct Caller<'limiter> {
    name: usize,
    acquiring: Acquiring<'limiter>,
    woken: Arc<Woken>,
}

impl<'limiter> Caller<'limiter> {
    fn new(name: usize, limiter: &'limiter FairLimiter, flow: &'limiter Flow) -> Self {
        Self { name, acquiring: Box::pin(FairLimiter::acquire(limiter, flow)), woken: Arc::default() }
    }

    fn poll(&mut self) -> Poll<Result<Permit<&'limiter FairLimiter>, QueueFull>> {
        let waker = Waker::from(Arc::clone(&self.woken));
        self.acquiring.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::Relaxed)
    }
}

/// The queue as one would draw it: clients in a row, each with its flows in a row, each with its callers.
#[derive(Default)]
struct Model(Vec<(usize, ModelFlows)>);

type ModelFlows = Vec<(usize, Vec<usize>)>;

impl Model {
    fn join(&mut self, client: usize, flow: usize, name: usize) {
        let at = self.0.iter().position(|(other, _)| *other == client).unwrap_or_else(|| {
            self.0.push((client, Vec::new()));
            self.0.len() - 1
        });
        let flows = &mut self.0[at].1;
        match flows.iter_mut().find(|(other, _)| *other == flow) {
            Some((_, callers)) => callers.push(name),
            None => flows.push((flow, vec![name])),
        }
    }

    fn next(&mut self) -> Option<usize> {
        if self.0.is_empty() {
            return None;
        }
        let (client, mut flows) = self.0.remove(0);
        let (flow, mut callers) = flows.remove(0);
        let name = callers.remove(0);
        if !callers.is_empty() {
            flows.push((flow, callers));
        }
        if !flows.is_empty() {
            self.0.push((client, flows));
        }
        Some(name)
    }

    fn leave(&mut self, name: usize) {
        for (_, flows) in &mut self.0 {
            for (_, callers) in flows.iter_mut() {
                callers.retain(|other| *other != name);
            }
            flows.retain(|(_, callers)| !callers.is_empty());
        }
        self.0.retain(|(_, flows)| !flows.is_empty());
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Acquire(usize),
    /// Polls a call, whether or not it was woken.
    Poll(usize),
    Cancel(usize),
    Release(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..6).prop_map(Step::Acquire),
        2 => any::<usize>().prop_map(Step::Poll),
        1 => any::<usize>().prop_map(Step::Cancel),
        4 => any::<usize>().prop_map(Step::Release),
    ]
}

/// Six flows of three clients.
fn flows() -> Vec<Flow> {
    (0..6).map(|number: u8| Flow::new(client(number % 3))).collect()
}

proptest! {
    #[test]
    fn waiting_calls_are_served_in_order(permits in 1usize..4, steps in proptest::collection::vec(step(), 0..200)) {
        let (limiter, flows) = (limiter(permits, usize::MAX, None), flows());
        let (mut model, mut names) = (Model::default(), 0..);
        let mut callers: Vec<Caller<'_>> = Vec::new();
        let mut held = Vec::new();
        // Permits that were handed to a call that has not been polled yet.
        let mut handed: Vec<usize> = Vec::new();
        for step in steps {
            match step {
                Step::Acquire(flow) => {
                    let name = names.next().unwrap();
                    let mut caller = Caller::new(name, &limiter, &flows[flow]);
                    match caller.poll() {
                        Poll::Ready(permit) => held.push(permit.unwrap()),
                        Poll::Pending => { model.join(flow % 3, flow, name); callers.push(caller); }
                    }
                }
                Step::Poll(at) if !callers.is_empty() => {
                    let at = at % callers.len();
                    let name = callers[at].name;
                    match callers[at].poll() {
                        Poll::Ready(permit) => {
                            prop_assert!(handed.contains(&name));
                            handed.retain(|other| *other != name);
                            held.push(permit.unwrap());
                            drop(callers.remove(at));
                        }
                        Poll::Pending => prop_assert!(!handed.contains(&name)),
                    }
                }
                Step::Cancel(at) if !callers.is_empty() => {
                    let caller = callers.remove(at % callers.len());
                    model.leave(caller.name);
                    if handed.contains(&caller.name) {
                        handed.retain(|other| *other != caller.name);
                        handed.extend(model.next());
                    }
                }
                Step::Release(at) if !held.is_empty() => {
                    drop(held.swap_remove(at % held.len()));
                    handed.extend(model.next());
                }
                Step::Poll(_) | Step::Cancel(_) | Step::Release(_) => {}
            }
            prop_assert!(held.len() + handed.len() <= permits);
            for caller in &callers {
                prop_assert_eq!(caller.is_woken(), handed.contains(&caller.name), "caller {}", caller.name);
            }
            prop_assert_eq!(limiter.has_queue(), !model.0.is_empty());
        }
        // No call is forgotten: once every permit is released, every call gets one, and then all are free.
        held.clear();
        while let Some(at) = callers.iter().position(Caller::is_woken) {
            prop_assert!(callers.remove(at).poll().is_ready());
        }
        prop_assert!(callers.is_empty());
        let all: Vec<_> = (0..permits).map_while(|_| FairLimiter::try_acquire(&limiter, &flows[0])).collect();
        prop_assert_eq!(all.len(), permits);
        prop_assert!(FairLimiter::try_acquire(&limiter, &flows[0]).is_none());
    }
}

/// Six flows of three clients that compete for one limiter, each client within its share.
struct Contest<'limiter> {
    limiter: &'limiter FairLimiter,
    flows: &'limiter [Flow],
    held: Vec<(usize, Permit<&'limiter FairLimiter>)>,
    /// By their client.
    waiting: Vec<(usize, Caller<'limiter>)>,
}

impl Contest<'_> {
    fn acquire(&mut self, flow: usize) {
        let (client, mut caller) = (flow % 3, Caller::new(flow, self.limiter, &self.flows[flow]));
        match caller.poll() {
            Poll::Ready(permit) => self.held.push((client, permit.unwrap())),
            Poll::Pending => self.waiting.push((client, caller)),
        }
    }

    /// Polls every call that was woken, until none is.
    fn settle(&mut self) {
        while let Some(at) = self.waiting.iter().position(|(_, caller)| caller.is_woken()) {
            let (client, mut caller) = self.waiting.swap_remove(at);
            caller.woken.0.store(false, Ordering::Relaxed);
            match caller.poll() {
                Poll::Ready(permit) => self.held.push((client, permit.unwrap())),
                Poll::Pending => self.waiting.push((client, caller)),
            }
        }
    }

    fn held_by(&self, client: usize) -> usize {
        self.held.iter().filter(|(of, _)| *of == client).count()
    }
}

proptest! {
    #[test]
    fn no_client_has_more_than_its_share_and_no_permit_is_idle_that_a_call_may_have(
        permits in 1usize..9,
        percent in 1u64..=100,
        steps in proptest::collection::vec(step(), 0..200),
    ) {
        let (limiter, flows) = (shared_limiter(permits, usize::MAX, percent, None), flows());
        let share = limiter.limits().permits_of_client().get();
        let mut contest = Contest { limiter: &limiter, flows: &flows, held: Vec::new(), waiting: Vec::new() };
        for step in steps {
            match step {
                Step::Acquire(flow) => contest.acquire(flow),
                Step::Poll(_) => contest.settle(),
                Step::Cancel(at) if !contest.waiting.is_empty() => {
                    drop(contest.waiting.swap_remove(at % contest.waiting.len()));
                }
                Step::Release(at) if !contest.held.is_empty() => {
                    drop(contest.held.swap_remove(at % contest.held.len()));
                }
                Step::Cancel(_) | Step::Release(_) => {}
            }
            prop_assert!(contest.held.len() <= permits);
            prop_assert!((0..3).all(|client| contest.held_by(client) <= share));
            if matches!(step, Step::Poll(_)) {
                for (client, _) in &contest.waiting {
                    let (own, all) = (contest.held_by(*client), contest.held.len());
                    prop_assert!(own == share || all == permits, "{own} of {share}, {all} of {permits}");
                }
            }
        }
        // No call is forgotten, and in the end all permits are free.
        while !contest.held.is_empty() || !contest.waiting.is_empty() {
            let before = contest.waiting.len();
            contest.held.clear();
            contest.settle();
            prop_assert!(before == 0 || !contest.held.is_empty(), "{before} calls wait for ever");
        }
        let all: Vec<_> = (0..permits * 3).filter_map(|at| FairLimiter::try_acquire(&limiter, &flows[at % 3])).collect();
        prop_assert_eq!(all.len(), permits.min(share * 3));
    }
}

#[test]
fn a_newcomer_finds_a_permit_however_many_calls_another_client_has() {
    let limiter = shared_limiter(64, 1000, 75, None);
    let (greedy, other) = (Flow::new(client(1)), Flow::new(client(2)));
    let held: Vec<_> = (0..300).map_while(|_| FairLimiter::try_acquire(&limiter, &greedy)).collect();
    assert_eq!(held.len(), 48);
    let mut waiting: Vec<_> = (0..252).map(|name| Caller::new(name, &limiter, &greedy)).collect();
    assert!(waiting.iter_mut().all(|caller| caller.poll().is_pending()));
    assert_eq!((greedy.take_share_waits(), greedy.take_share_waits(), limiter.has_queue()), (252, 0, false));
    let permits: Vec<_> = (0..64).map_while(|_| FairLimiter::try_acquire(&limiter, &other)).collect();
    assert_eq!((permits.len(), other.take_share_waits()), (16, 0));
    assert!(held[0].is_wanted() && !greedy.was_held_back());
    drop(waiting);
    assert!(greedy.was_held_back() && !held[0].is_wanted());
}

#[test]
fn a_client_can_not_fill_the_queue() {
    let limiter = shared_limiter(2, 4, 75, None);
    let flows = |number: u8| (0..5).map(|_| Flow::new(client(number))).collect::<Vec<_>>();
    let (greedy, others) = (flows(1), flows(2));
    let mut callers: Vec<_> = greedy.iter().map(|flow| Caller::new(1, &limiter, flow)).collect();
    let mut full = Vec::new();
    let mut permits = Vec::new();
    for caller in &mut callers {
        match caller.poll() {
            Poll::Ready(Ok(permit)) => permits.push(permit),
            Poll::Ready(Err(error)) => full.push(error),
            Poll::Pending => {}
        }
    }
    assert_eq!((permits.len(), full), (1, vec![QueueFull::OfClient]));
    let mut callers: Vec<_> = others.iter().map(|flow| Caller::new(2, &limiter, flow)).collect();
    let ends: Vec<_> = callers.iter_mut().map(Caller::poll).collect();
    assert!(matches!(ends[..3], [Poll::Ready(Ok(_)), Poll::Pending, Poll::Ready(Err(QueueFull::All))]));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_share_does_not_block_the_rate() {
    let rate = Rate { interval: Duration::from_millis(100), burst: NonZeroUsize::new(9).unwrap() };
    let limiter = shared_limiter(4, 99, 75, Some(rate));
    let (greedy, other) = (Flow::new(client(1)), Flow::new(client(2)));
    let held: Vec<_> = (0..9).map_while(|_| FairLimiter::try_acquire(&limiter, &greedy)).collect();
    assert_eq!(held.len(), 3);
    let mut waiting = Caller::new(0, &limiter, &greedy);
    assert!(waiting.poll().is_pending());
    assert!(FairLimiter::try_acquire(&limiter, &other).is_some());
}

#[test]
fn clients_without_calls_are_forgotten() {
    let limiter = shared_limiter(4, 9, 75, None);
    for number in 0..10_000 {
        let flow = Flow::new(Client::named(&number.to_string()));
        drop(FairLimiter::try_acquire(&limiter, &flow).unwrap());
    }
    assert!(limiter.remembered_clients() <= 64);
}

#[test]
fn a_small_batch_waits_for_a_round_not_for_all_of_a_large_one() {
    let limiter = limiter(1, 9, None);
    let flows: Vec<_> = (1..4).map(|number| Flow::new(client(number))).collect();
    let held = FairLimiter::try_acquire(&limiter, &flows[0]).unwrap();
    let from = [0, 0, 0, 0, 1, 1, 1, 2, 2];
    let mut callers: Vec<_> = from.iter().map(|flow| Caller::new(*flow, &limiter, &flows[*flow])).collect();
    assert!(callers.iter_mut().all(|caller| caller.poll().is_pending()));
    drop(held);
    let mut order = Vec::new();
    while let Some(at) = callers.iter().position(Caller::is_woken) {
        order.push(callers[at].name);
        drop(callers.remove(at).poll());
    }
    assert_eq!(order, [0, 1, 2, 0, 1, 2, 0, 1, 0]);
}

#[test]
fn a_full_queue_turns_new_flows_away_and_keeps_those_it_has() {
    let limiter = limiter(1, 1, None);
    let (first, second, third) = (Flow::new(client(1)), Flow::new(client(2)), Flow::new(client(3)));
    let held = FairLimiter::try_acquire(&limiter, &first).unwrap();
    let mut waiting = Caller::new(0, &limiter, &second);
    assert!(waiting.poll().is_pending());
    let mut more: Vec<_> = [&first, &second].map(|flow| Caller::new(1, &limiter, flow)).into();
    assert!(more.iter_mut().all(|caller| caller.poll().is_pending()), "both were let in before");
    let Poll::Ready(turned_away) = Caller::new(2, &limiter, &third).poll() else { panic!("it waits") };
    assert_eq!(turned_away.err(), Some(QueueFull::All));
    drop((waiting, more, held));
    assert!(matches!(Caller::new(3, &limiter, &third).poll(), Poll::Ready(Ok(_))));
}

#[tokio::test(start_paused = true)]
async fn calls_start_at_their_pace_and_in_order() {
    let rate = Rate { interval: Duration::from_millis(100), burst: NonZeroUsize::new(2).unwrap() };
    let (limiter, flows) = (limiter(9, 9, Some(rate)), [Flow::new(client(1)), Flow::new(client(2))]);
    let (began, order) = (Stopwatch::start(), std::sync::Mutex::new(Vec::new()));
    let call = |flow: usize| {
        let (limiter, flow_of_call, order) = (&limiter, &flows[flow], &order);
        async move {
            let permit = FairLimiter::acquire(limiter, flow_of_call).await.unwrap();
            order.lock().unwrap().push((flow, began.elapsed().as_millis()));
            drop(permit);
        }
    };
    futures_util::future::join_all([0, 0, 0, 0, 0, 1].map(call)).await;
    assert_eq!(*order.lock().unwrap(), [(0, 0), (0, 0), (0, 100), (0, 200), (1, 300), (0, 400)]);
    assert!(FairLimiter::try_acquire(&limiter, &flows[0]).is_none());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(FairLimiter::try_acquire(&limiter, &flows[0]).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_call_cancelled_while_it_waits_for_its_time_uses_none() {
    let rate = Rate { interval: Duration::from_millis(100), burst: NonZeroUsize::MIN };
    let (limiter, flow) = (limiter(1, 9, Some(rate)), Flow::new(client(1)));
    drop(FairLimiter::try_acquire(&limiter, &flow).unwrap());
    let waiting =
        tokio::time::timeout(Duration::from_millis(50), FairLimiter::acquire(&limiter, &flow)).await;
    assert!(waiting.is_err());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(FairLimiter::try_acquire(&limiter, &flow).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_never_hold_more_permits_than_there_are() {
    for percent in [100, 67] {
        hammer(percent).await;
    }
}

/// Twelve workers of three clients at a limiter of three permits.
async fn hammer(percent: u64) {
    let limiter = Arc::new(shared_limiter(3, usize::MAX, percent, None));
    let under_way = Arc::new(AtomicUsize::new(0));
    let of_clients: Arc<[AtomicUsize; 3]> = Arc::default();
    let share = limiter.limits().permits_of_client().get();
    let worker = |number: u8| {
        let (limiter, under_way, of_clients) =
            (Arc::clone(&limiter), Arc::clone(&under_way), Arc::clone(&of_clients));
        async move {
            let flow = Flow::new(client(number % 3));
            let of_client = &of_clients[usize::from(number % 3)];
            for round in 0..2000 {
                let permit = match FairLimiter::try_acquire(&*limiter, &flow) {
                    Some(permit) => permit,
                    // Every other call gives up soon.
                    None if round % 2 == 0 => {
                        tokio::select! {
                            biased;
                            permit = FairLimiter::acquire(&*limiter, &flow) => permit.unwrap(),
                            () = tokio::task::yield_now() => continue,
                        }
                    }
                    None => FairLimiter::acquire(&*limiter, &flow).await.unwrap(),
                };
                assert!(under_way.fetch_add(1, Ordering::Relaxed) < 3);
                assert!(of_client.fetch_add(1, Ordering::Relaxed) < share);
                tokio::task::yield_now().await;
                of_client.fetch_sub(1, Ordering::Relaxed);
                under_way.fetch_sub(1, Ordering::Relaxed);
                drop(permit);
            }
        }
    };
    let workers: Vec<_> = (0..12).map(|number| tokio::spawn(worker(number))).collect();
    for worker in workers {
        worker.await.unwrap();
    }
    assert!(!limiter.has_queue());
}
