//! Numbers as they are written in JSON and in OData, compared without rounding: ids of twenty digits
//! are distinguished, which binary floating point can't do.

use std::cmp::Ordering;

/// A number: `0.DIGITS` times ten to the power of `exponent`.
struct Decimal {
    /// -1, 0 or 1.
    sign: i8,
    /// Without zeros at either end; none for zero.
    digits: Vec<u8>,
    exponent: i64,
}

/// Whether the text is a number: `-1`, `1.50`, `2e-3`.
pub(super) fn is_number(text: &str) -> bool {
    Decimal::parse(text).is_some()
}

/// `None` if one of them is not a number.
pub(super) fn compare(left: &str, right: &str) -> Option<Ordering> {
    let (left, right) = (Decimal::parse(left)?, Decimal::parse(right)?);
    let magnitudes = (left.exponent, left.digits).cmp(&(right.exponent, right.digits));
    Some(left.sign.cmp(&right.sign).then(match left.sign {
        0 => Ordering::Equal,
        1.. => magnitudes,
        _ => magnitudes.reverse(),
    }))
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (mantissa, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (sign, mantissa) = signed(mantissa);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        if !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let last = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |at| at + 1);
        digits.truncate(last);
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..zeros);
        let point = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()?;
        let sign = if digits.is_empty() { 0 } else { sign };
        Some(Self { sign, digits, exponent: exponent(power)?.saturating_add(point) })
    }
}

/// A power that no `i64` holds is as good as the largest that one does.
fn exponent(power: &str) -> Option<i64> {
    let (sign, digits) = signed(power);
    if !is_digits(digits) {
        return None;
    }
    Some(i64::from(sign) * digits.parse().unwrap_or(i64::MAX))
}

fn signed(text: &str) -> (i8, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_compared_by_value() {
        let rising = [
            "-1e9223372036854775808",
            "-12.5",
            "-1.25e1",
            "-12.4",
            "-0.001",
            "0",
            "1e-9223372036854775809",
            "0.00999",
            "1e-2",
            "1",
            "9007199254740992",
            "9007199254740993",
            "1e99",
            "1e99999999999999999999",
        ];
        for (at, left) in rising.iter().enumerate() {
            for (other, right) in rising.iter().enumerate() {
                let same = [at, other].iter().all(|place| (1..=2).contains(place));
                let expected = if same { Ordering::Equal } else { at.cmp(&other) };
                assert_eq!(compare(left, right), Some(expected), "{left} {right}");
            }
        }
        for (left, right) in [("1.50", "15e-1"), ("-0", "0.0e7"), ("+007", "7"), ("100", "1E+2")] {
            assert_eq!(compare(left, right), Some(Ordering::Equal), "{left} {right}");
        }
    }

    #[test]
    fn anything_else_is_not_a_number() {
        for text in
            ["", "-", ".5", "1.", "1e", "1e+", "--1", "1.2.3", "0x1", "INF", "NaN", "1 ", "é", "1e1.5"]
        {
            assert!(!is_number(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_are_ordered_as_rust_orders_them(left: i64, right: i64) {
            prop_assert_eq!(compare(&left.to_string(), &right.to_string()), Some(left.cmp(&right)));
        }

        #[test]
        fn fractions_are_ordered_as_rust_orders_them(left: f64, right: f64) {
            prop_assume!(left.is_finite() && right.is_finite());
            prop_assert_eq!(compare(&format!("{left:e}"), &right.to_string()), left.partial_cmp(&right));
        }
    }
}
