//! Quantities, as users write them and as they are shown.

use super::*;

#[test]
fn quantities_have_units() {
    for (unit, text, value) in [
        (Unit::Delay, "0s", 0),
        (Unit::TimeLimit, "500ms", 500),
        (Unit::TimeLimit, "1.5s", 1500),
        (Unit::TimeLimit, "2 s", 2000),
        (Unit::TimeLimit, "24h", 86_400_000),
        (Unit::TimeLimitOrOff, "5m", 300_000),
        (Unit::TimeLimitOrOff, "off", 0),
        (Unit::Size, "1024B", 1024),
        (Unit::Size, "64KiB", 65536),
        (Unit::Size, "0.5MiB", 524_288),
        (Unit::Size, "1024GiB", 1 << 40),
        (Unit::Rate, "2/s", 172_800),
        (Unit::Rate, "0.5/h", 12),
        (Unit::Rate, "3/d", 3),
        (Unit::Percent, "20%", 20),
        (Unit::Percent, "0%", 0),
    ] {
        assert_eq!(unit.parse(text), Ok(value), "{text}");
    }
}

#[test]
fn everything_else_is_refused() {
    for (unit, text, problem) in [
        (Unit::TimeLimit, "30", "has no unit"),
        (Unit::TimeLimit, "", "is not one"),
        (Unit::TimeLimit, "-1s", "is not one"),
        (Unit::TimeLimit, "0s", "has to be more than zero"),
        (Unit::TimeLimit, "0.1ms", "is not one"),
        (Unit::TimeLimit, "1.s", "is not one"),
        (Unit::TimeLimit, "1..5s", "is not one"),
        (Unit::TimeLimit, "25h", "is too large"),
        (Unit::TimeLimit, "99999999999999999999s", "is not one"),
        (Unit::TimeLimit, "1sec", "has an unknown unit"),
        (Unit::TimeLimit, "off", "is not one"),
        (Unit::TimeLimitOrOff, "0s", "has to be more than zero"),
        (Unit::TimeLimitOrOff, "never", "is not one"),
        (Unit::TimeLimitOrOff, "30", "has no unit"),
        (Unit::Size, "8MB", "has an unknown unit"),
        (Unit::Size, "8", "has no unit"),
        (Unit::Size, "0B", "has to be more than zero"),
        (Unit::Size, "2000GiB", "is too large"),
        (Unit::Rate, "5", "has no unit"),
        (Unit::Rate, "0/s", "has to be more than zero"),
        (Unit::Rate, "5/week", "has an unknown unit"),
        (Unit::Rate, "2000000/s", "is too large"),
        (Unit::Percent, "20", "has no unit"),
        (Unit::Percent, "101%", "is too large"),
        (Unit::Percent, "0.5%", "is not one"),
    ] {
        assert_eq!(unit.parse(text).map_err(|error| error.problem), Err(problem), "{text}");
    }
}

#[test]
fn hints_show_the_right_form() {
    let hint = |unit: Unit, text| unit.parse(text).unwrap_err().hint;
    assert_eq!(hint(Unit::TimeLimit, "30"), "write `30s` for seconds or `30ms` for milliseconds");
    assert_eq!(hint(Unit::Size, "8MB"), "write `8MiB`; sizes count in steps of 1024");
}

#[test]
fn what_is_written_reads_back() {
    for value in [1, 1000, 1024, 1500, 60_000, 65536, 86_400_000] {
        for unit in [Unit::TimeLimit, Unit::Size, Unit::Rate] {
            assert_eq!(unit.parse(&unit.written(value)), Ok(value));
        }
    }
    assert_eq!(Unit::Delay.written(0), "0ms");
    assert_eq!(Unit::TimeLimitOrOff.written(0), "off");
    assert_eq!(Unit::TimeLimitOrOff.written(300_000), "5m");
}
