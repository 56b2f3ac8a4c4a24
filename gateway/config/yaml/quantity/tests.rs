//! Quantities, as users write them and as they are shown.

use super::*;

#[test]
fn quantities_have_units() {
    for (unit, text, value) in [
        (Unit::DELAY, "0s", 0),
        (Unit::TIME_LIMIT, "500ms", 500),
        (Unit::TIME_LIMIT, "1.5s", 1500),
        (Unit::TIME_LIMIT, "2 s", 2000),
        (Unit::TIME_LIMIT, "24h", 86_400_000),
        (Unit::TIME_LIMIT_OR_OFF, "5m", 300_000),
        (Unit::TIME_LIMIT_OR_OFF, "off", 0),
        (Unit::SIZE, "1024B", 1024),
        (Unit::SIZE, "64KiB", 65536),
        (Unit::SIZE, "0.5MiB", 524_288),
        (Unit::SIZE, "1024GiB", 1 << 40),
        (Unit::RATE, "2/s", 172_800),
        (Unit::RATE, "0.5/h", 12),
        (Unit::RATE, "3/d", 3),
        (Unit::PERCENT, "20%", 20),
        (Unit::PERCENT, "0%", 0),
    ] {
        assert_eq!(unit.parse(text), Ok(value), "{text}");
    }
}

#[test]
fn everything_else_is_refused() {
    for (unit, text, problem) in [
        (Unit::TIME_LIMIT, "30", "has no unit"),
        (Unit::TIME_LIMIT, "", "is not one"),
        (Unit::TIME_LIMIT, "-1s", "is not one"),
        (Unit::TIME_LIMIT, "0s", "has to be more than zero"),
        (Unit::TIME_LIMIT, "0.1ms", "is not one"),
        (Unit::TIME_LIMIT, "1.s", "is not one"),
        (Unit::TIME_LIMIT, "1..5s", "is not one"),
        (Unit::TIME_LIMIT, "25h", "is too large"),
        (Unit::TIME_LIMIT, "99999999999999999999s", "is not one"),
        (Unit::TIME_LIMIT, "1sec", "has an unknown unit"),
        (Unit::TIME_LIMIT, "off", "is not one"),
        (Unit::TIME_LIMIT_OR_OFF, "0s", "has to be more than zero"),
        (Unit::TIME_LIMIT_OR_OFF, "never", "is not one"),
        (Unit::TIME_LIMIT_OR_OFF, "30", "has no unit"),
        (Unit::SIZE, "8MB", "has an unknown unit"),
        (Unit::SIZE, "8", "has no unit"),
        (Unit::SIZE, "0B", "has to be more than zero"),
        (Unit::SIZE, "2000GiB", "is too large"),
        (Unit::RATE, "5", "has no unit"),
        (Unit::RATE, "0/s", "has to be more than zero"),
        (Unit::RATE, "5/week", "has an unknown unit"),
        (Unit::RATE, "2000000/s", "is too large"),
        (Unit::PERCENT, "20", "has no unit"),
        (Unit::PERCENT, "101%", "is too large"),
        (Unit::PERCENT, "0.5%", "is not one"),
    ] {
        assert_eq!(unit.parse(text).map_err(|error| error.problem), Err(problem), "{text}");
    }
}

#[test]
fn hints_show_the_right_form() {
    let hint = |unit: Unit, text| unit.parse(text).unwrap_err().hint;
    assert_eq!(hint(Unit::TIME_LIMIT, "30"), "write `30s` for seconds or `30ms` for milliseconds");
    assert_eq!(hint(Unit::SIZE, "8MB"), "write `8MiB`; sizes count in steps of 1024");
}

#[test]
fn what_is_written_reads_back() {
    for value in [1, 1000, 1024, 1500, 60_000, 65536, 86_400_000] {
        for unit in [Unit::TIME_LIMIT, Unit::SIZE, Unit::RATE] {
            assert_eq!(unit.parse(&unit.written(value)), Ok(value));
        }
    }
    assert_eq!(Unit::DELAY.written(0), "0ms");
    assert_eq!(Unit::TIME_LIMIT_OR_OFF.written(0), "off");
    assert_eq!(Unit::TIME_LIMIT_OR_OFF.written(300_000), "5m");
}
