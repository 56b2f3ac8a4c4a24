//! The window alone: what it keeps, for how long, and what it says of what it does not keep.

use proptest::prelude::*;

use super::*;
use crate::batch::ItemRejection;

fn answered(body: usize) -> Outcome {
    let mut headers = HeaderMap::new();
    headers.append("x-a", HeaderValue::from_bytes(b"one \xff").unwrap());
    headers.append("x-a", HeaderValue::from_static(""));
    headers.append("x-b", HeaderValue::from_static("two"));
    let body = Bytes::from(vec![b'x'; body]);
    Outcome::Answered(UpstreamReply {
        status: StatusCode::CREATED,
        headers,
        spellings: Spellings::default(),
        body,
    })
}

/// Bytes of its fields, as they are kept.
const FIELDS: usize = 23;

fn window(items: usize, bytes: usize) -> Window {
    Window::new(StreamWindow { items, bytes })
}

fn end(window: &mut Window, number: usize, outcome: &Outcome) {
    let end = window.end_of(outcome, Some(RouteIndex(7)));
    window.end(number, end);
}

fn add(window: &mut Window, outcome: &Outcome) {
    let number = window.begin();
    end(window, number, outcome);
}

fn reply(seen: &Seen) -> &UpstreamReply {
    match &seen.outcome {
        Some(Outcome::Answered(reply)) => reply,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_result_comes_back_as_it_was() {
    let mut window = window(9, 1000);
    let outcome = answered(3);
    add(&mut window, &outcome);
    let seen = window.look(ItemIndex(0), Needed::Result).unwrap();
    assert!(matches!(&outcome, Outcome::Answered(original) if original == reply(&seen)));
    assert_eq!((seen.route, seen.has_failed, seen.lost), (Some(RouteIndex(7)), false, None));
    let status = window.look(ItemIndex(0), Needed::End).unwrap();
    assert_eq!((reply(&status).status, reply(&status).headers.len()), (StatusCode::CREATED, 0));
}

#[test]
fn what_has_no_reply_has_ended_all_the_same() {
    let mut window = window(9, 1000);
    assert_eq!((window.begin(), window.begin()), (0, 1));
    end(&mut window, 1, &Outcome::Rejected(ItemRejection::NoRoute));
    assert!(window.look(ItemIndex(0), Needed::End).is_none(), "it is under way");
    let seen = window.look(ItemIndex(1), Needed::Result).unwrap();
    assert!(seen.has_failed && seen.outcome.is_none() && seen.lost.is_none());
}

/// Why the result of a line is not kept.
fn lost(window: &mut Window, number: usize) -> Option<WindowLimit> {
    window.look(ItemIndex(number), Needed::Result).unwrap().lost
}

#[test]
fn the_oldest_results_go_first_and_their_ends_stay() {
    let mut window = window(9, 2 * (FIELDS + 10));
    for _ in 0..3 {
        add(&mut window, &answered(10));
    }
    assert_eq!(window.bytes(), 2 * (FIELDS + 10));
    assert_eq!((lost(&mut window, 0), lost(&mut window, 1)), (Some(WindowLimit::Bytes), None));
    assert!(window.look(ItemIndex(0), Needed::End).unwrap().lost.is_none());
    // One that is too large is not kept, and takes no room from others.
    add(&mut window, &answered(100));
    assert_eq!((lost(&mut window, 3), lost(&mut window, 1)), (Some(WindowLimit::Bytes), None));
    window.allow(FIELDS + 10);
    assert_eq!((lost(&mut window, 1), lost(&mut window, 2)), (Some(WindowLimit::Memory), None));
    window.allow(1000);
    assert_eq!(lost(&mut window, 1), Some(WindowLimit::Memory));
}

#[test]
fn what_a_line_was_given_stays_until_it_is_used() {
    let mut window = window(9, 2 * (FIELDS + 10));
    add(&mut window, &answered(10));
    let seen = window.look(ItemIndex(0), Needed::Result).unwrap();
    assert_eq!(window.bytes(), FIELDS + 10, "it counts once");
    add(&mut window, &answered(10));
    add(&mut window, &answered(10));
    assert_eq!((lost(&mut window, 0), lost(&mut window, 1)), (None, Some(WindowLimit::Bytes)));
    let more = window.look(ItemIndex(2), Needed::Result).unwrap();
    add(&mut window, &answered(10));
    assert_eq!(lost(&mut window, 3), Some(WindowLimit::Bytes), "all of it is in use");
    window.allow(0);
    assert_eq!((reply(&seen).body.len(), window.bytes()), (10, 2 * (FIELDS + 10)));
    drop((seen, more));
    window.allow(0);
    assert_eq!((window.bytes(), lost(&mut window, 0)), (0, Some(WindowLimit::Memory)));
}

#[test]
fn what_others_wait_for_is_there_even_if_memory_is_short() {
    let mut window = window(9, 1000);
    window.allow(0);
    window.begin();
    let end = window.end_for_others(&answered(10), None);
    let seen = end.seen(Needed::Result);
    window.end(0, end);
    assert_eq!((reply(&seen).body.len(), window.bytes()), (10, FIELDS + 10));
    drop(seen);
    window.allow(0);
    assert_eq!(window.bytes(), 0);
}

#[test]
fn it_does_not_grow() {
    let mut window = window(3, 1 << 20);
    for _ in 0..1000 {
        add(&mut window, &answered(10));
    }
    assert_eq!((window.lines.len(), window.bytes()), (4, 4 * (FIELDS + 10)));
    assert!(window.kept.len() <= 4, "{}", window.kept.len());
}

#[test]
fn a_window_without_lines_keeps_nothing() {
    let mut window = window(0, 1000);
    window.begin();
    assert!(!window.has_lines() && window.bytes() == 0 && window.lines.is_empty());
}

#[derive(Clone, Debug)]
enum Action {
    Begin,
    End(usize, usize),
    Look(usize, Needed),
    Forget,
    Allow(usize),
}

fn action() -> impl Strategy<Value = Action> {
    let needed = prop_oneof![Just(Needed::End), Just(Needed::Result)];
    prop_oneof![
        4 => Just(Action::Begin),
        4 => (0usize..9, 0usize..200).prop_map(|(back, bytes)| Action::End(back, bytes)),
        3 => (0usize..9, needed).prop_map(|(back, needed)| Action::Look(back, needed)),
        1 => Just(Action::Forget),
        1 => (0usize..600).prop_map(Action::Allow),
    ]
}

proptest! {
    #[test]
    fn its_limits_hold_and_what_it_has_is_right(
        actions in proptest::collection::vec(action(), 0..200),
        items in 1usize..6,
        bytes in 1usize..500,
    ) {
        let mut window = window(items, bytes);
        let (mut ended, mut seen) = (Vec::new(), Vec::new());
        for action in actions {
            let number = |back: usize| ended_or(&ended, back);
            match action {
                Action::Begin => {
                    window.begin();
                    ended.push(None);
                }
                Action::End(back, bytes) => if let Some(number) = number(back) && ended[number].is_none() {
                    ended[number] = Some(bytes);
                    end(&mut window, number, &answered(bytes));
                },
                Action::Look(back, needed) => if let Some(number) = number(back) && back <= items {
                    let found = window.look(ItemIndex(number), needed);
                    prop_assert_eq!(found.is_some(), ended[number].is_some());
                    if let Some(found) = found {
                        if found.lost.is_none() && needed == Needed::Result {
                            prop_assert_eq!(reply(&found).body.len(), ended[number].unwrap());
                        }
                        seen.push(found);
                    }
                },
                Action::Forget => seen.clear(),
                Action::Allow(bytes) => window.allow(bytes),
            }
            prop_assert!(window.lines.len() <= items + 1);
            prop_assert!(window.bytes() <= bytes, "{} of {}", window.bytes(), bytes);
            prop_assert!(window.kept.len() <= ended.len());
        }
        drop(seen);
        let kept = window.lines.iter().flatten().filter_map(|end| end.result.as_ref().ok());
        prop_assert_eq!(window.bytes(), kept.map(|kept| kept.bytes()).sum::<usize>());
    }
}

fn ended_or(ended: &[Option<usize>], back: usize) -> Option<usize> {
    ended.len().checked_sub(back + 1)
}
