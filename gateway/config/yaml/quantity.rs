//! Durations and sizes as they are written: always with their unit, so there is nothing to guess
//! whether `30` means seconds, and no reload turns milliseconds into minutes.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// The schema keyword that names a scalar's [`Unit`].
pub(in crate::config) const UNIT_KEYWORD: &str = "x-batchgate-unit";

/// One day: longer is a mistake, and far from what the clock could not add.
const MAX_DURATION_MS: u64 = 24 * 60 * 60 * 1000;
/// One tebibyte.
const MAX_SIZE: u64 = 1 << 40;

const DURATION_UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
const SIZE_UNITS: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
/// What people write for a size; accepted would be wrong by up to 7 %.
const DECIMAL_SIZE_UNITS: [(&str, &str); 10] = [
    ("k", "KiB"),
    ("kb", "KiB"),
    ("kib", "KiB"),
    ("m", "MiB"),
    ("mb", "MiB"),
    ("mib", "MiB"),
    ("g", "GiB"),
    ("gb", "GiB"),
    ("gib", "GiB"),
    ("b", "B"),
];

/// Units of a rate, with how often they come in a day.
const RATE_UNITS: [(&str, u64); 4] = [("/d", 1), ("/h", 24), ("/m", 24 * 60), ("/s", SECONDS_OF_A_DAY)];
/// What switches a limit off.
const OFF: &str = "off";
const SECONDS_OF_A_DAY: u64 = 24 * 60 * 60;
/// A million a second.
const MAX_RATE: u64 = 1_000_000 * SECONDS_OF_A_DAY;

/// A duration that may be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Delay(pub(in crate::config) Duration);

/// A duration that bounds something; zero would let nothing through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct TimeLimit(pub(in crate::config) Duration);

/// A duration that bounds something, or `off`: no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct TimeLimitOrOff(pub(in crate::config) Option<Duration>);

/// A number of bytes, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct ByteSize(pub(in crate::config) usize);

/// A number of bytes that HTTP/2 can announce as a window; more is cut to what it can (RFC 9113 §6.9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Window(pub(in crate::config) u32);

/// A number a day; written as a number a second, minute, hour or day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Rate(pub(in crate::config) u64);

impl Rate {
    /// The time in which one comes.
    pub(in crate::config) fn period(self) -> Duration {
        Duration::from_nanos(SECONDS_OF_A_DAY * 1_000_000_000 / self.0.max(1))
    }
}

/// A share in hundredths, from 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Percent(pub(in crate::config) u64);

/// What kind of quantity a scalar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Unit {
    /// [`Delay`].
    Delay,
    /// [`TimeLimit`].
    TimeLimit,
    /// [`TimeLimitOrOff`].
    TimeLimitOrOff,
    /// [`ByteSize`].
    Size,
    /// [`Rate`].
    Rate,
    /// [`Percent`].
    Percent,
}

/// Why a scalar is not such a quantity, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct UnitError {
    pub(in crate::config) problem: &'static str,
    pub(in crate::config) hint: String,
}

impl Unit {
    /// The unit of a schema's keyword.
    pub(in crate::config) fn from_keyword(keyword: &str) -> Option<Self> {
        [Self::Delay, Self::TimeLimit, Self::TimeLimitOrOff, Self::Size, Self::Rate, Self::Percent]
            .into_iter()
            .find(|unit| unit.keyword() == keyword)
    }

    const fn keyword(self) -> &'static str {
        match self {
            Self::Delay => "duration",
            Self::TimeLimit => "time-limit",
            Self::TimeLimitOrOff => "time-limit-or-off",
            Self::Size => "size",
            Self::Rate => "rate",
            Self::Percent => "percent",
        }
    }

    /// The expected value, as a noun.
    pub(in crate::config) const fn noun(self) -> &'static str {
        match self {
            Self::Delay | Self::TimeLimit | Self::TimeLimitOrOff => "a duration",
            Self::Size => "a size",
            Self::Rate => "a rate",
            Self::Percent => "a percentage",
        }
    }

    /// One that is right.
    pub(in crate::config) const fn example(self) -> &'static str {
        match self {
            Self::Delay | Self::TimeLimit | Self::TimeLimitOrOff => "5s",
            Self::Size => "8MiB",
            Self::Rate => "100/s",
            Self::Percent => "20%",
        }
    }

    const fn forms(self) -> &'static str {
        match self {
            Self::Delay | Self::TimeLimit => "`500ms`, `2s`, `1m` or `1h`",
            Self::TimeLimitOrOff => "`500ms`, `2s`, `1m`, `1h` or `off`",
            Self::Size => "`512B`, `64KiB`, `8MiB` or `1GiB`",
            Self::Rate => "`100/s`, `10/m`, `1000/h` or `5/d`",
            Self::Percent => "`20%`",
        }
    }

    const fn pattern(self) -> &'static str {
        match self {
            Self::Delay | Self::TimeLimit => r"^(\d+(\.\d+)?(ms|s|m|h)|.*\$\{.*)$",
            Self::TimeLimitOrOff => r"^(\d+(\.\d+)?(ms|s|m|h)|off|.*\$\{.*)$",
            Self::Size => r"^(\d+(\.\d+)?(B|KiB|MiB|GiB)|.*\$\{.*)$",
            Self::Rate => r"^(\d+(\.\d+)?/[smhd]|.*\$\{.*)$",
            Self::Percent => r"^(\d+%|.*\$\{.*)$",
        }
    }

    /// The quantity: milliseconds or bytes; 0 for `off`.
    pub(in crate::config) fn parse(self, text: &str) -> Result<u64, UnitError> {
        if self == Self::TimeLimitOrOff && text == OFF {
            return Ok(0);
        }
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let write = |hint: &str| UnitError { problem: "has no unit", hint: hint.to_owned() };
        if number.is_empty() {
            return Err(self.malformed());
        }
        if unit.is_empty() {
            return Err(write(&format!("write {}", self.with_unit(number))));
        }
        let factor = self.factor(unit.trim_start()).ok_or_else(|| self.unknown_unit(number, unit))?;
        let value = scaled(number, factor).ok_or_else(|| self.malformed())?;
        let (least, most) = self.bounds();
        if value < least {
            let hint = format!("write a value above zero, such as {}", self.forms());
            return Err(UnitError { problem: "has to be more than zero", hint });
        }
        if value > most {
            let problem = "is too large";
            return Err(UnitError { problem, hint: format!("the maximum is {}", self.written(most)) });
        }
        Ok(value)
    }

    const fn bounds(self) -> (u64, u64) {
        match self {
            Self::Delay => (0, MAX_DURATION_MS),
            Self::TimeLimit | Self::TimeLimitOrOff => (1, MAX_DURATION_MS),
            Self::Size => (1, MAX_SIZE),
            Self::Rate => (1, MAX_RATE),
            Self::Percent => (0, 100),
        }
    }

    fn factor(self, unit: &str) -> Option<u64> {
        self.units().iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
    }

    const fn units(self) -> &'static [(&'static str, u64)] {
        match self {
            Self::Delay | Self::TimeLimit | Self::TimeLimitOrOff => &DURATION_UNITS,
            Self::Size => &SIZE_UNITS,
            Self::Rate => &RATE_UNITS,
            Self::Percent => &[("%", 1)],
        }
    }

    fn with_unit(self, number: &str) -> String {
        match self {
            Self::Delay | Self::TimeLimit | Self::TimeLimitOrOff => {
                format!("`{number}s` for seconds or `{number}ms` for milliseconds")
            }
            Self::Size => format!("`{number}B` for bytes, or with a larger unit, such as `64KiB` or `8MiB`"),
            Self::Rate => format!("`{number}/s` (per second), or `/m`, `/h`, `/d`"),
            Self::Percent => format!("`{number}%`"),
        }
    }

    fn unknown_unit(self, number: &str, unit: &str) -> UnitError {
        let folded = unit.trim().to_ascii_lowercase();
        let meant = match self {
            Self::Delay | Self::TimeLimit | Self::TimeLimitOrOff | Self::Rate | Self::Percent => None,
            Self::Size => DECIMAL_SIZE_UNITS.iter().find(|(written, _)| *written == folded),
        };
        let hint = meant.map_or_else(
            || format!("write it as {}", self.forms()),
            |(_, unit)| format!("write `{number}{unit}`; sizes count in steps of 1024"),
        );
        UnitError { problem: "has an unknown unit", hint }
    }

    fn malformed(self) -> UnitError {
        UnitError { problem: "is not one", hint: format!("write it as {}", self.forms()) }
    }

    /// The quantity with the largest unit that divides it.
    fn written(self, value: u64) -> String {
        let fits = |factor: u64| value != 0 && value.is_multiple_of(factor);
        let unit = self.units().iter().rev().find(|(_, factor)| fits(*factor));
        match (unit, self) {
            (Some((name, factor)), _) => format!("{}{name}", value / factor),
            (None, Self::TimeLimitOrOff) if value == 0 => OFF.to_owned(),
            (None, Self::Delay | Self::TimeLimit | Self::TimeLimitOrOff) => format!("{value}ms"),
            (None, Self::Size) => format!("{value}B"),
            (None, Self::Rate) => format!("{value}/d"),
            (None, Self::Percent) => format!("{value}%"),
        }
    }

    fn schema(self) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": self.pattern(),
            UNIT_KEYWORD: self.keyword(),
        })
    }
}

/// `number × factor` where that is a whole number; `number` may have a fraction.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    let mut value = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    if !fraction.is_empty() {
        let divisor = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let part = fraction.parse::<u64>().ok()?.checked_mul(factor)?;
        if !part.is_multiple_of(divisor) {
            return None;
        }
        value = value.checked_add(part / divisor)?;
    }
    Some(value)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(MAX_DURATION_MS)
}

macro_rules! quantity {
    ($type:ident, $unit:expr, $name:literal, $from:expr, $to:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let to: fn(Self) -> u64 = $to;
                serializer.serialize_str(&$unit.written(to(*self)))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                let from: fn(u64) -> Self = $from;
                $unit.parse(&text).map(from).map_err(|error| D::Error::custom(error.problem))
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $unit.schema()
            }
        }
    };
}

quantity!(Delay, Unit::Delay, "Duration", |ms| Self(Duration::from_millis(ms)), |span| milliseconds(span.0));
quantity!(TimeLimit, Unit::TimeLimit, "TimeLimit", |ms| Self(Duration::from_millis(ms)), |limit| {
    milliseconds(limit.0)
});
quantity!(
    TimeLimitOrOff,
    Unit::TimeLimitOrOff,
    "TimeLimitOrOff",
    |ms| Self((ms > 0).then(|| Duration::from_millis(ms))),
    |limit| limit.0.map_or(0, milliseconds)
);
quantity!(ByteSize, Unit::Size, "Size", |bytes| Self(usize::try_from(bytes).unwrap_or(usize::MAX)), |size| {
    u64::try_from(size.0).unwrap_or(MAX_SIZE)
});
quantity!(Window, Unit::Size, "Size", |bytes| Self(u32::try_from(bytes).unwrap_or(u32::MAX)), |window| {
    u64::from(window.0)
});
quantity!(Percent, Unit::Percent, "Percent", Self, |percent| percent.0);

quantity!(Rate, Unit::Rate, "Rate", Self, |rate| rate.0);

/// Lets `#[serde(with = "…")]` read a field of the inner type as the quantity. The schema follows, since schemars takes the
/// same name for the field's type.
macro_rules! field_of {
    ($type:ident, $inner:ty) => {
        #[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde's `with` calls")]
        impl $type {
            pub(in crate::config) fn serialize<S: Serializer>(
                value: &$inner,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                Serialize::serialize(&Self(*value), serializer)
            }

            pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
                deserializer: D,
            ) -> Result<$inner, D::Error> {
                <Self as Deserialize>::deserialize(deserializer).map(|quantity| quantity.0)
            }
        }
    };
}

/// A [`TimeLimit`] that may be absent.
pub(in crate::config) struct OptionalTimeLimit;

#[allow(clippy::ref_option, reason = "the signature that serde's `with` calls")]
impl OptionalTimeLimit {
    pub(in crate::config) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Serialize::serialize(&value.map(TimeLimit), serializer)
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        TimeLimit::deserialize(deserializer).map(Some)
    }
}

impl JsonSchema for OptionalTimeLimit {
    fn schema_name() -> Cow<'static, str> {
        <TimeLimit as JsonSchema>::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        <TimeLimit as JsonSchema>::json_schema(generator)
    }
}

field_of!(Delay, Duration);
field_of!(TimeLimit, Duration);
field_of!(TimeLimitOrOff, Option<Duration>);
field_of!(ByteSize, usize);
field_of!(Window, u32);
field_of!(Percent, u64);

#[cfg(test)]
mod tests;
