//! The circuit's states, one by one and in any order.

use std::num::NonZeroUsize;

use proptest::prelude::*;

use super::*;
use crate::config::FailureKinds;

fn terms(failures: usize) -> Breaker {
    Breaker {
        failures: NonZeroUsize::new(failures).unwrap(),
        on: FailureKinds::default(),
        status: Vec::new(),
        base: Duration::from_millis(100),
        max: Duration::from_millis(350),
        max_ejected: 100,
    }
}

fn fail(circuit: &Circuit, admission: Admission, now: Moment) -> Option<u128> {
    circuit.failed(admission, &terms(3), now, || true).map(|lasts| lasts.as_millis())
}

#[test]
fn failures_in_a_row_open_it() {
    let circuit = Circuit::default();
    assert_eq!(fail(&circuit, Admission::Free, 1), None);
    assert_eq!(fail(&circuit, Admission::Free, 1), None);
    assert!(!circuit.succeeded(Admission::Free, || 1));
    assert_eq!(fail(&circuit, Admission::Free, 1), None);
    assert_eq!(fail(&circuit, Admission::Free, 1), None);
    assert_eq!(circuit.admit(|| 1), Some(Admission::Free));
    assert_eq!(fail(&circuit, Admission::Free, 1), Some(100));
    assert_eq!(circuit.admit(|| 50), None);
    assert_eq!(circuit.state(|| 51), CircuitState::Open(Duration::from_millis(50)));
}

#[test]
fn one_call_tries_it_when_the_time_is_over() {
    let circuit = opened();
    assert_eq!(circuit.state(|| 101), CircuitState::HalfOpen);
    assert_eq!(circuit.admit(|| 101), Some(Admission::Probe));
    assert_eq!(circuit.admit(|| 101), None);
    circuit.let_go(Admission::Probe);
    assert_eq!(
        circuit.admit(|| 101),
        Some(Admission::Probe),
        "a probe that says nothing makes room for another"
    );
    assert!(circuit.succeeded(Admission::Probe, || 110));
    assert_eq!(circuit.admit(|| 110), Some(Admission::Free));
    assert_eq!(circuit.state(|| 110), CircuitState::Closed);
}

#[test]
fn each_further_time_is_twice_as_long_up_to_the_most() {
    let circuit = opened();
    let mut now = 101;
    for lasts in [200, 350, 350] {
        assert_eq!(circuit.admit(|| now), Some(Admission::Probe));
        assert_eq!(fail(&circuit, Admission::Probe, now), Some(lasts));
        now += u64::try_from(lasts).unwrap();
    }
    assert_eq!(circuit.admit(|| now), Some(Admission::Probe));
    assert!(circuit.succeeded(Admission::Probe, || now));
    assert_eq!(reopened(&circuit, now + 350), 350, "it was well for too short a time");
    assert_eq!(circuit.admit(|| now + 700), Some(Admission::Probe));
    assert!(circuit.succeeded(Admission::Probe, || now + 700));
    assert_eq!(reopened(&circuit, now + 1051), 100, "it was well for long enough");
}

#[test]
fn calls_from_before_it_opened_change_nothing() {
    let circuit = opened();
    assert_eq!(fail(&circuit, Admission::Free, 50), None);
    assert!(!circuit.succeeded(Admission::Free, || 50));
    assert_eq!(circuit.admit(|| 50), None);
}

#[test]
fn it_stays_closed_where_no_more_may_be_ejected() {
    let circuit = Circuit::default();
    for _ in 0..10 {
        assert_eq!(circuit.failed(Admission::Free, &terms(3), 1, || false), None);
    }
    assert_eq!(circuit.admit(|| 1), Some(Admission::Free));
}

fn opened() -> Circuit {
    let circuit = Circuit::default();
    assert_eq!(reopened(&circuit, 1), 100);
    circuit
}

fn reopened(circuit: &Circuit, now: Moment) -> u128 {
    (0..3).find_map(|_| fail(circuit, Admission::Free, now)).unwrap()
}

proptest! {
    /// Whatever happens: never two probes at once, and no call while it is open.
    #[test]
    fn there_is_one_probe_at_most(steps in prop::collection::vec((0_u8..4, 0_u64..150), 1..200)) {
        let circuit = Circuit::default();
        let (mut now, mut probe) = (1, false);
        for (step, later) in steps {
            now += later;
            let open = matches!(circuit.state(|| now), CircuitState::Open(_));
            match (step, circuit.admit(|| now)) {
                (_, None) => prop_assert!(open || probe),
                (_, Some(Admission::Probe)) => {
                    prop_assert!(!probe && !open);
                    probe = true;
                }
                (0, Some(Admission::Free)) => {
                    circuit.succeeded(Admission::Free, || now);
                }
                (_, Some(Admission::Free)) => {
                    fail(&circuit, Admission::Free, now);
                }
            }
            if probe && step > 0 {
                probe = false;
                match step {
                    1 => { circuit.succeeded(Admission::Probe, || now); }
                    2 => { fail(&circuit, Admission::Probe, now); }
                    _ => circuit.let_go(Admission::Probe),
                }
            }
        }
    }
}
