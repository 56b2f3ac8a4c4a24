//! Items with conditions: each is started exactly where its condition holds, whatever is answered.

use http::{HeaderValue, header};

use super::*;
use crate::batch::ItemIndex;
use crate::dispatch::condition::{Ended, unmet};
use crate::header::spelling::Spellings;
use crate::plan::PlannedCondition;
use crate::reference::condition::Condition;
use crate::route::Respond;

/// A condition that asks about items by their number.
pub(super) fn planned_condition(text: &str) -> PlannedCondition {
    let condition = Box::new(Condition::parse(text).unwrap());
    let index = |id: &ItemId| ItemIndex(id.as_str().parse().unwrap());
    let sources =
        condition.parts().into_iter().map(|part| (part.item().clone(), index(part.item()))).collect();
    PlannedCondition { condition, sources }
}

fn plan_with(fake: &Fake, dependencies: &[&[usize]], conditions: &[(usize, &str)]) -> Plan {
    let mut plan = fake.plan(1);
    plan.dependencies =
        dependencies.iter().map(|on| on.iter().map(|number| ItemIndex(*number)).collect()).collect();
    plan.conditions =
        conditions.iter().map(|(number, text)| (ItemIndex(*number), planned_condition(text))).collect();
    plan
}

fn is_unmet(item: &DispatchedItem) -> bool {
    matches!(item.outcome, Outcome::Skipped(SkipReason::ConditionNotMet { .. }))
}

#[test]
fn a_condition_takes_the_place_of_success() {
    let fake = Fake::new(&[404, 200, 200, 200, 200, 200].map(Act::Answer), 9);
    let dependencies: [&[usize]; 6] = [&[], &[0], &[0], &[2], &[0, 1], &[]];
    let conditions =
        [(1, "not $0/$succeeded"), (2, "$0/$succeeded"), (4, "$1/$succeeded"), (5, "false or true")];
    let items = run_plan(&fake, plan_with(&fake, &dependencies, &conditions), |_| {});
    let unmet: Vec<_> = items.iter().map(is_unmet).collect();
    assert_eq!(unmet, [false, false, true, false, false, false]);
    assert!(matches!(items[3].outcome, Outcome::Skipped(SkipReason::DependencyFailed { .. })));
    let mut calls = fake.calls();
    calls.sort_unstable();
    assert_eq!(calls, [0, 1, 4, 5]);
}

#[test]
fn what_the_gateway_settles_itself_can_be_asked_about() {
    let fake = Fake::new(&[200; 5].map(Act::Answer), 9);
    let conditions = [(2, "not $0/$succeeded"), (3, "not $1/$succeeded"), (4, "$3/$succeeded")];
    let mut plan = plan_with(&fake, &[&[], &[], &[0], &[1], &[3]], &conditions);
    plan.items[0].step = Step::Rejected(ItemRejection::NoRoute);
    for number in [1, 3] {
        let (body, content_type) = (Bytes::new(), String::new());
        plan.items[number].step =
            Step::Respond(Respond { status: StatusCode::OK, body, content_type, headers: Vec::new() });
    }
    let items = run_plan(&fake, plan, |_| {});
    assert_eq!(items.iter().map(is_unmet).collect::<Vec<_>>(), [false, false, false, true, true]);
    assert_eq!(fake.calls(), [2]);
}

#[test]
fn a_condition_that_does_not_hold_stops_a_batch_that_stops_at_errors() {
    let fake = Fake::new(&[200; 3].map(Act::Answer), 9);
    let items = run_plan(&fake, plan_with(&fake, &[&[], &[], &[]], &[(1, "false")]), |limits| {
        limits.sequential = true;
        limits.stop_on_error = true;
    });
    assert!(is_unmet(&items[1]));
    assert!(matches!(items[2].outcome, Outcome::Skipped(SkipReason::BatchStopped)));
    assert_eq!(fake.calls(), [0]);
}

#[test]
fn a_condition_waits_for_the_slowest_it_asks_about() {
    let fake = Fake::new(&[Act::Answer(200), Act::Hang, Act::Answer(200)], 9);
    let conditions = [(2, "$0/$succeeded or $1/$succeeded")];
    let items = run_plan(&fake, plan_with(&fake, &[&[], &[], &[0, 1]], &conditions), |limits| {
        limits.patience = Duration::from_millis(100);
    });
    assert_eq!(failure(&items[2]), Some((CallFailure::DeadlineBeforeCall, Sent::No)));
}

fn outcome(content_type: &str, body: &[u8]) -> Outcome {
    let headers = HeaderValue::from_str(content_type).map(|value| (header::CONTENT_TYPE, value));
    let headers = headers.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let body = Bytes::copy_from_slice(body);
    Outcome::Answered(UpstreamReply {
        status: StatusCode::OK,
        headers,
        spellings: Spellings::default(),
        body,
    })
}

/// What becomes of an item with this condition, if item 0 ended so.
fn told(condition: &str, ended: Option<&Outcome>, left: &mut usize) -> Option<SkipReason> {
    let outcome = |_| ended;
    let succeeded = |_| ended.is_some();
    let mut ended = Ended { outcome: &outcome, succeeded: &succeeded, left };
    unmet(&planned_condition(condition), &mut ended)
}

#[test]
fn conditions_look_into_results() {
    let body =
        br#"{"s":"it's","n":10,"t":true,"z":null,"l":[{"a~b":1}],"big":9007199254740993,"half":"\ud800"}"#;
    let json = outcome("application/json", body);
    for condition in [
        "$0/s eq 'it''s'",
        "$0/n ge 10 and $0/n lt 1e2",
        "$0/t",
        "$0/z eq null and $0/none eq null",
        "$0/l/0/a~b eq 1",
        "$0/l ne null and $0 ne null",
        "$0/big ne 9007199254740992",
        "{$responses.0.body#/l/0/a~0b} eq 1",
        "{$responses.0.status} eq 200 and {$responses.0.header.content-type} eq 'application/json'",
        "{$responses.0.header.x-none} eq null",
    ] {
        assert_eq!(told(condition, Some(&json), &mut 9999), None, "{condition}");
    }
    assert_eq!(told("$0/x eq null", Some(&outcome("", b"")), &mut 0), None, "no body is null");
    let unresolved = |condition, ended: Option<&Outcome>| match told(condition, ended, &mut 9999) {
        Some(SkipReason::ReferenceUnresolved { reference, problem }) => (reference, problem),
        other => panic!("{condition}: {other:?}"),
    };
    let no_json = ("$0/x".to_owned(), "the result's body is not JSON");
    assert_eq!(unresolved("$0/x ne 1", Some(&outcome("text/html", b"{}"))), no_json);
    assert_eq!(unresolved("$0/x ne 1", Some(&outcome("application/json", b"{"))), no_json);
    assert_eq!(unresolved("$0/n", Some(&json)).1, "the value is neither true nor false");
    assert!(unresolved("$0/half ne 'x'", Some(&json)).1.contains("unpaired surrogate"));
    assert_eq!(unresolved("$0/x ne 1", None).1, "that item has no result");
    let large = outcome("application/json", &vec![b' '; (1 << 20) + 1]);
    assert!(matches!(
        told("$0/x ne 1", Some(&large), &mut (9 << 20)),
        Some(SkipReason::ReferenceUnresolved { .. })
    ));
    let spent = told("$0/n eq 10", Some(&json), &mut 10);
    assert!(matches!(spent, Some(SkipReason::ReferenceUnresolved { .. })));
}

/// A condition by its number, about an item by its number.
fn text_of(kind: usize, on: usize) -> Option<String> {
    match kind {
        0 => Some(format!("${on}/$succeeded")),
        1 => Some(format!("not ${on}/$succeeded")),
        2 => Some("true".to_owned()),
        3 => Some(format!("false and ${on}/$succeeded")),
        _ => None,
    }
}

fn settled_act() -> impl Strategy<Value = Act> {
    prop_oneof![4 => (200u16..600).prop_map(Act::Answer), 1 => Just(Act::FailSent), 1 => Just(Act::Panic)]
}

proptest! {
    #[test]
    fn an_item_is_called_once_where_its_condition_holds_and_never_else(
        acts in proptest::collection::vec(settled_act(), 1..30),
        picks in proptest::collection::vec((any::<proptest::sample::Index>(), 0usize..7), 30),
        concurrency in 1usize..6,
        sequential: bool,
        rejected in any::<proptest::sample::Index>(),
    ) {
        let fake = Fake::new(&acts, 9);
        let mut plan = fake.plan(2);
        plan.items[rejected.index(acts.len())].step = Step::Rejected(ItemRejection::NoRoute);
        plan.dependencies = vec![Vec::new(); acts.len()];
        let (mut expected, mut well) = (Vec::new(), Vec::new());
        for number in 0..acts.len() {
            let (pick, kind) = &picks[number];
            let on = if number > 0 { pick.index(number) } else { 0 };
            let text = if number > 0 { text_of(*kind, on) } else { None };
            let waits = number > 0 && *kind < 6;
            let holds = match kind {
                _ if text.is_none() => !waits || well[on],
                0 => well[on],
                1 => !well[on],
                kind => *kind == 2,
            };
            if waits {
                plan.dependencies[number].push(ItemIndex(on));
            }
            plan.conditions.extend(text.map(|text| (ItemIndex(number), planned_condition(&text))));
            let called = holds && number != rejected.index(acts.len());
            expected.extend(called.then_some(number));
            well.push(called && matches!(acts[number], Act::Answer(..400)));
        }
        let items = run_plan(&fake, plan, |limits| {
            limits.concurrency = concurrency;
            limits.sequential = sequential;
        });
        let mut calls = fake.calls();
        prop_assert!(!sequential || calls.is_sorted());
        calls.sort_unstable();
        prop_assert_eq!(calls, expected);
        prop_assert_eq!(items.len(), acts.len());
    }

    #[test]
    fn nothing_that_is_answered_does_more_than_hold_or_not(
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..64),
            "([\\[\\]{}\":,\\\\ ud80-9eE+.-]|\"x\"|null|true|\\\\ud800|999999999999){0,24}".prop_map(String::into_bytes),
        ],
        content_type in "(application/json|text/plain|[ -~]{0,8})",
        condition in proptest::sample::select(vec![
            "$0", "$0/x", "$0/x eq 'x'", "$0/0/x ge 1e9", "not $0/x", "$0 ne null", "{$responses.0.body#/x/0} lt $0/x",
            "{$responses.0.header.content-type} gt 'a'", "$0/$succeeded and $0/x ne 0",
        ]),
        left in 0usize..200,
    ) {
        let ended = outcome(&content_type, &body);
        let mut still = left;
        let reason = told(condition, Some(&ended), &mut still);
        prop_assert!(still <= left);
        let fits = matches!(
            reason,
            None | Some(SkipReason::ConditionNotMet { .. } | SkipReason::ReferenceUnresolved { .. })
        );
        prop_assert!(fits, "{reason:?}");
    }
}
