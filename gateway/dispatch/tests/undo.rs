//! Groups that are undone if they fail, against a fake service that keeps what was done.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Range;

use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION};

use super::*;
use crate::clock::Deadline;
use crate::plan::Undo;
use crate::route::UndoRule;

/// A service whose resources are the items' numbers.
struct Service {
    /// What it does with each item's own call.
    acts: Vec<Act>,
    /// What it answers to calls that undo, in their order; 204 once there is nothing left.
    undos: Mutex<HashMap<usize, VecDeque<u16>>>,
    /// What it answers to GET.
    reads: u16,
    /// The items whose own call has come.
    written: Mutex<HashSet<usize>>,
    /// All calls, as `METHOD NUMBER`, with `!` for a condition.
    log: Mutex<Vec<String>>,
    limiter: (FairLimiter, Flow),
}

impl Service {
    fn new(acts: &[Act]) -> Self {
        Self {
            acts: acts.to_vec(),
            undos: Mutex::default(),
            reads: 200,
            written: Mutex::default(),
            log: Mutex::default(),
            limiter: limiter_with(9),
        }
    }

    fn undoing(self, number: usize, statuses: &[u16]) -> Self {
        self.undos.lock().unwrap().insert(number, statuses.iter().copied().collect());
        self
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    fn next_undo(&self, number: usize) -> u16 {
        self.undos.lock().unwrap().get_mut(&number).and_then(VecDeque::pop_front).unwrap_or(204)
    }
}

fn reply(status: u16, number: usize) -> UpstreamReply {
    let mut headers = HeaderMap::new();
    headers.insert(LOCATION, format!("/{number}").parse().unwrap());
    headers.insert(ETAG, "\"1\"".parse().unwrap());
    let status = StatusCode::from_u16(status).unwrap();
    UpstreamReply { status, headers, spellings: Spellings::default(), body: Bytes::from_static(b"x") }
}

struct ServiceChannel<'engine>(&'engine Service);

impl Channel for ServiceChannel<'_> {
    async fn call(
        &mut self,
        method: &Method,
        call: &Call,
        attempt: Attempt<'_>,
    ) -> Result<UpstreamReply, CallFailure> {
        let number: usize = call.target.trim_start_matches('/').parse().unwrap();
        let has = |name| call.headers.iter().any(|(own, _)| *own == name);
        let condition = if has(IF_MATCH) || has(IF_NONE_MATCH) { "!" } else { "" };
        self.0.log.lock().unwrap().push(format!("{method} {number}{condition}"));
        tokio::task::yield_now().await;
        if *method == Method::GET {
            return Ok(reply(self.0.reads, number));
        }
        if !self.0.written.lock().unwrap().insert(number) {
            return Ok(reply(self.0.next_undo(number), number));
        }
        if !matches!(self.0.acts[number], Act::FailUnsent | Act::HangUnsent) {
            attempt.progress.mark_sent();
        }
        match self.0.acts[number] {
            Act::Answer(status) => Ok(reply(status, number)),
            Act::FailUnsent => Err(CallFailure::ConnectionRefused),
            Act::FailSent => Err(CallFailure::ConnectionLost),
            Act::Panic => panic!("a fault of ours"),
            Act::Hang | Act::HangUnsent => std::future::pending().await,
        }
    }

    fn rest(&mut self) {}
}

impl<'service> Engine for &'service Service {
    type Channel = ServiceChannel<'service>;

    fn channel(&self, _: UpstreamIndex) -> ServiceChannel<'service> {
        ServiceChannel(self)
    }

    fn capacity(&self, _: UpstreamIndex) -> usize {
        9
    }

    fn try_permit(&self, _: UpstreamIndex) -> Option<Permit<&FairLimiter>> {
        FairLimiter::try_acquire(&self.limiter.0, &self.limiter.1)
    }

    async fn permit(&self, _: UpstreamIndex) -> Result<Permit<&FairLimiter>, CallFailure> {
        FairLimiter::acquire(&self.limiter.0, &self.limiter.1).await.map_err(CallFailure::from)
    }

    fn call_timeout(&self, _: &Call) -> Duration {
        Duration::from_millis(500)
    }
}

impl Resolver for Service {
    fn resolve(&self, _: &CallTemplate, _: &mut Answers<'_>) -> Result<Call, Unfit> {
        unreachable!("no item of these refers to another")
    }

    fn locate(&self, location: &str, _: RouteIndex, _: &Method, headers: Fields) -> Option<Call> {
        Some(Call { headers, ..Call::new(UpstreamIndex(0), location.into()) })
    }
}

/// A plan of items with these methods. Those at `members` are a group.
fn plan(methods: &[&str], members: Range<usize>) -> Plan {
    let mut items: Vec<_> = (0..methods.len()).map(|number| planned(number, 0)).collect();
    let mut undos = Vec::new();
    for (number, (item, method)) in items.iter_mut().zip(methods).enumerate() {
        item.subject.method = method.parse().unwrap();
        item.route = Some(RouteIndex(0));
        let rule = match *method {
            "POST" => Undo::By(UndoRule::AtLocation(Method::DELETE)),
            "OPTIONS" => Undo::Nothing,
            _ => Undo::By(UndoRule::Snapshot),
        };
        undos.push(Some(rule).filter(|_| members.contains(&number)));
    }
    let before = |number: usize| number.checked_sub(1).filter(|before| members.contains(before));
    let follows = (0..methods.len()).map(|number| before(number).filter(|_| members.contains(&number)));
    Plan {
        sequential: false,
        dependencies: vec![Vec::new(); items.len()],
        conditions: crate::plan::Conditions::new(),
        follows: follows.map(|before| before.map(ItemIndex)).collect(),
        undos,
        ignored: Vec::new(),
        items,
    }
}

/// What becomes of a plan if the client leaves after `leaves`.
fn run_until(
    service: &Service,
    plan: Plan,
    leaves: Duration,
    change: impl FnOnce(&mut DispatchLimits),
) -> Vec<DispatchedItem> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut limits = limits();
        change(&mut limits);
        let gone = Deadline::after(leaves).come();
        dispatch(plan, &service, service, limits, &mut Waiting::until(gone)).await
    })
}

fn run(service: &Service, plan: Plan, change: impl FnOnce(&mut DispatchLimits)) -> Vec<String> {
    ends(&run_until(service, plan, Duration::from_secs(1000), change))
}

fn ends(items: &[DispatchedItem]) -> Vec<String> {
    let end = |item: &DispatchedItem| match &item.outcome {
        Outcome::Answered(reply) => reply.status.as_str().to_owned(),
        Outcome::Skipped(SkipReason::NeverRan { .. }) => "never ran".to_owned(),
        Outcome::Skipped(SkipReason::BatchStopped) => "stopped".to_owned(),
        Outcome::Skipped(_) => "skipped".to_owned(),
        Outcome::Failed { .. } => "failed".to_owned(),
        Outcome::Undone { undone, .. } => undone.as_str().to_owned() + " undo",
        Outcome::Rejected(_) => "rejected".to_owned(),
        Outcome::Responded(_) => "responded".to_owned(),
    };
    items.iter().map(end).collect()
}

const OK: Act = Act::Answer(201);

#[test]
fn a_group_that_succeeds_is_not_undone() {
    let service = Service::new(&[OK; 3]);
    assert_eq!(run(&service, plan(&["POST", "PUT", "OPTIONS"], 0..3), |_| {}), ["201", "201", "201"]);
    assert_eq!(service.log(), ["POST 0", "GET 1", "PUT 1", "OPTIONS 2"]);
}

#[test]
fn what_was_done_is_undone_in_reverse_with_the_tags_of_the_replies() {
    let service = Service::new(&[OK, OK, OK, Act::Answer(409), OK]);
    let items = run(&service, plan(&["POST", "PUT", "DELETE", "POST", "POST"], 0..5), |_| {});
    assert_eq!(items, ["undone undo", "undone undo", "undone undo", "409", "never ran"]);
    let before = ["POST 0", "GET 1", "PUT 1", "GET 2", "DELETE 2", "POST 3"];
    assert_eq!(service.log(), [&before[..], &["PUT 2!", "PUT 1!", "DELETE 0!"]].concat());
}

#[test]
fn an_undo_is_repeated_while_it_may_still_work() {
    for (answers, calls, expected) in [
        (vec![503, 429, 500], 4, "undone undo"),
        (vec![404], 1, "undone undo"),
        (vec![412], 1, "failed undo"),
        (vec![403], 1, "failed undo"),
        (vec![503; 9], 7, "failed undo"),
    ] {
        let service = Service::new(&[OK, Act::Answer(400)]).undoing(0, &answers);
        assert_eq!(run(&service, plan(&["POST", "PUT"], 0..2), |_| {}), [expected, "400"]);
        let undos = service.log().into_iter().filter(|call| call == "DELETE 0!").count();
        assert_eq!(undos, calls, "{answers:?}");
    }
}

#[test]
fn the_others_are_undone_even_if_one_can_not_be() {
    let service = Service::new(&[OK, OK, Act::FailUnsent]).undoing(1, &[412]);
    let items = run(&service, plan(&["POST", "PUT", "POST"], 0..3), |_| {});
    assert_eq!(items, ["undone undo", "failed undo", "failed"]);
}

#[test]
fn a_call_without_a_known_result_is_undone_too() {
    for act in [Act::FailSent, Act::Answer(504), Act::Panic] {
        let service = Service::new(&[OK, act]);
        let items = run_until(&service, plan(&["POST", "PUT"], 0..2), Duration::from_secs(9), |_| {});
        assert_eq!(items[1].undone, Some(Undone::Done), "{act:?}");
        assert_eq!(service.log().last().unwrap(), "DELETE 0!");
    }
    // Without a reply there is no Location.
    let service = Service::new(&[OK, Act::FailSent]);
    let items = run_until(&service, plan(&["POST", "POST"], 0..2), Duration::from_secs(9), |_| {});
    assert_eq!((items[0].undone, items[1].undone), (Some(Undone::Done), Some(Undone::Failed)));
    let service = Service::new(&[OK, Act::FailUnsent]);
    let items = run_until(&service, plan(&["POST", "PUT"], 0..2), Duration::from_secs(9), |_| {});
    assert_eq!((items[0].undone, items[1].undone), (Some(Undone::Done), None));
}

#[test]
fn undoing_outlasts_the_deadline_and_the_client() {
    for (patience, leaves) in [(20, 1_000_000), (5_000, 20)] {
        let service = Service::new(&[OK, Act::Hang, OK]).undoing(0, &[503, 503]);
        let plan = plan(&["POST", "PUT", "POST"], 0..3);
        let items = run_until(&service, plan, Duration::from_millis(leaves), |limits| {
            limits.patience = Duration::from_millis(patience);
        });
        assert_eq!(ends(&items), ["undone undo", "failed", "never ran"]);
        assert_eq!(items[1].undone, Some(Undone::Done));
        let undos = ["PUT 1", "DELETE 0!", "DELETE 0!", "DELETE 0!"];
        assert_eq!(service.log(), [&["POST 0", "GET 1", "PUT 1"][..], &undos].concat());
    }
}

#[test]
fn nothing_is_changed_that_could_not_be_read_before() {
    let service = Service { reads: 500, ..Service::new(&[OK, OK]) };
    let items = run_until(&service, plan(&["POST", "PUT"], 0..2), Duration::from_secs(9), |_| {});
    assert_eq!(failure(&items[1]), Some((CallFailure::NoSnapshot { status: 500 }, Sent::No)));
    assert_eq!(service.log(), ["POST 0", "GET 1", "DELETE 0!"]);
    let service = Service { reads: 404, ..Service::new(&[OK, OK, Act::Answer(400)]) };
    assert_eq!(
        run(&service, plan(&["PUT", "DELETE", "POST"], 0..3), |_| {}),
        ["undone undo", "undone undo", "400"]
    );
    assert_eq!(service.log(), ["GET 0", "PUT 0", "GET 1", "DELETE 1", "POST 2", "DELETE 0!"]);
}

#[test]
fn what_comes_after_a_group_waits_until_it_is_undone() {
    for sequential in [true, false] {
        let service = Service::new(&[OK, Act::Answer(400), OK]).undoing(0, &[503]);
        let mut plan = plan(&["POST", "POST", "OPTIONS"], 0..2);
        if !sequential {
            plan.dependencies[2].extend([ItemIndex(0), ItemIndex(1)]);
        }
        let items = run(&service, plan, |limits| limits.sequential = sequential);
        let expected = if sequential { "201" } else { "skipped" };
        assert_eq!(items, ["undone undo", "400", expected]);
        if sequential {
            assert_eq!(service.log().last().unwrap(), "OPTIONS 2");
        }
    }
}

#[test]
fn a_group_with_a_member_that_is_rejected_does_not_begin() {
    for rejected in 0..3 {
        let service = Service::new(&[OK; 4]);
        let mut plan = plan(&["PUT", "POST", "POST", "OPTIONS"], 0..3);
        plan.items[rejected].step = Step::Rejected(ItemRejection::NoRoute);
        let mut expected = ["never ran", "never ran", "never ran", "201"];
        expected[rejected] = "rejected";
        assert_eq!(run(&service, plan, |_| {}), expected);
        assert_eq!(service.log(), ["OPTIONS 3"]);
    }
}

#[test]
fn a_batch_that_stops_at_errors_stops_after_the_group_is_undone() {
    let stop = |limits: &mut DispatchLimits| {
        limits.sequential = true;
        limits.stop_on_error = true;
    };
    let service = Service::new(&[OK, Act::Answer(400), OK, OK]);
    let items = run(&service, plan(&["POST", "POST", "POST", "POST"], 0..3), stop);
    assert_eq!(items, ["undone undo", "400", "never ran", "stopped"]);
    assert_eq!(service.log(), ["POST 0", "POST 1", "DELETE 0!"]);
}

#[test]
fn a_member_that_is_skipped_meanwhile_fails_the_group() {
    let service = Service::new(&[Act::Answer(400), OK, OK, OK]);
    let mut plan = plan(&["OPTIONS", "POST", "POST", "POST"], 1..4);
    plan.dependencies[2].push(ItemIndex(0));
    assert_eq!(run(&service, plan, |_| {}), ["400", "undone undo", "skipped", "never ran"]);
    assert_eq!(service.log(), ["OPTIONS 0", "POST 1", "DELETE 1!"]);
}

proptest! {
    #[test]
    fn whatever_happens_each_item_ends_once_and_no_group_is_left_half_done(
        acts in proptest::collection::vec(act(), 2..8),
        methods in proptest::collection::vec(prop_oneof![Just("POST"), Just("PUT"), Just("DELETE"), Just("OPTIONS")], 8),
        members in 2usize..8,
        sequential: bool,
        stop_on_error: bool,
        leaves in 0u64..3000,
        patience in 0u64..3000,
        failing in proptest::option::of(0usize..8),
    ) {
        let members = members.min(acts.len());
        let mut service = Service::new(&acts);
        if let Some(failing) = failing {
            service = service.undoing(failing, &[412]);
        }
        let plan = plan(&methods[..acts.len()], 0..members);
        let items = run_until(&service, plan, Duration::from_millis(leaves), |limits| {
            limits.sequential = sequential;
            limits.stop_on_error = stop_on_error;
            limits.patience = Duration::from_millis(patience);
        });
        let ids: Vec<_> = items.iter().map(|item| item.subject.id.clone()).collect();
        prop_assert_eq!(ids, (0..acts.len()).map(|number| subject(number).id).collect::<Vec<_>>());
        let group = &items[..members];
        let held = group.iter().all(|item| !item.outcome.is_error());
        let log = service.log();
        for (number, item) in group.iter().enumerate() {
            let own = format!("{} {number}", methods[number]);
            let undo = format!("{} {number}!", if methods[number] == "POST" { "DELETE" } else { "PUT" });
            let count = |wanted: &String| log.iter().filter(|call| *call == wanted).count();
            let succeeded = matches!(acts[number], Act::Answer(status) if status < 400);
            let undos = count(&undo);
            prop_assert!(undos <= 1, "{:?}", log);
            if held {
                prop_assert_eq!(undos, 0);
                continue;
            }
            // Nothing that succeeded is shown as a success.
            prop_assert!(item.outcome.is_error());
            if let Outcome::Undone { .. } = item.outcome {
                prop_assert_eq!((count(&own), succeeded), (1, true));
                // Only a 201 says what a POST has made.
                let is_known = methods[number] != "POST" || matches!(acts[number], Act::Answer(201));
                prop_assert_eq!(undos, usize::from(is_known && methods[number] != "OPTIONS"));
                let works = is_known && (failing != Some(number) || methods[number] == "OPTIONS");
                prop_assert_eq!(item.undone, Some(if works { Undone::Done } else { Undone::Failed }));
            }
        }
    }
}
