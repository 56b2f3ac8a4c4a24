//! How messages name a limit: the number, its unit, and the key that sets it. One form for all of them, so that no number is
//! left without its unit.

use std::fmt;

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Bytes.
    Bytes,
    /// Header fields.
    Fields,
    /// Items.
    Items,
    /// Levels of nesting.
    Levels,
    /// Names of other items.
    Names,
    /// References to results of other items.
    References,
    /// Seconds.
    Seconds,
}

/// A limit as a message names it: `1024 bytes (max_id)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LimitText {
    /// The number.
    pub(crate) number: u64,
    /// What it counts.
    pub(crate) unit: Unit,
    /// The key that sets it, or its name if it is fixed.
    pub(crate) key: &'static str,
    /// Whether no key sets it.
    pub(crate) is_fixed: bool,
}

/// A limit that a key sets, as a message names it.
pub(crate) fn limit_text(number: usize, unit: Unit, key: &'static str) -> LimitText {
    LimitText { number: u64::try_from(number).unwrap_or(u64::MAX), unit, key, is_fixed: false }
}

impl Unit {
    /// Its name, for one.
    const fn singular(self) -> &'static str {
        match self {
            Self::Bytes => "byte",
            Self::Fields => "field",
            Self::Items => "item",
            Self::Levels => "level",
            Self::Names => "name",
            Self::References => "reference",
            Self::Seconds => "second",
        }
    }
}

impl fmt::Display for LimitText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, unit, key, is_fixed } = *self;
        let plural = if number == 1 { "" } else { "s" };
        let fixed = if is_fixed { ", fixed" } else { "" };
        write!(formatter, "{number} {}{plural} ({key}{fixed})", unit.singular())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_its_unit() {
        for (number, unit, said) in [
            (1, Unit::Bytes, "1 byte (k)"),
            (1024, Unit::Bytes, "1024 bytes (k)"),
            (64, Unit::Fields, "64 fields (k)"),
            (0, Unit::Items, "0 items (k)"),
            (2, Unit::Levels, "2 levels (k)"),
            (3, Unit::Names, "3 names (k)"),
            (4, Unit::References, "4 references (k)"),
            (1, Unit::Seconds, "1 second (k)"),
        ] {
            assert_eq!(limit_text(number, unit, "k").to_string(), said);
        }
        let fixed = LimitText { is_fixed: true, ..limit_text(64, Unit::References, "k") };
        assert_eq!(fixed.to_string(), "64 references (k, fixed)");
    }
}
