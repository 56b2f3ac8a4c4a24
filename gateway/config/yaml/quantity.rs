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
/// What people write for a size; accepted would be wrong by up to 7 %.
const DECIMAL_SIZE_UNITS: [(&str, &[&str]); 4] =
    [("KiB", &["k", "kb", "kib"]), ("MiB", &["m", "mb", "mib"]), ("GiB", &["g", "gb", "gib"]), ("B", &["b"])];

/// What switches a limit off.
const OFF: &str = "off";
const SECONDS_OF_A_DAY: u64 = 24 * 60 * 60;

/// What kind of quantity a scalar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Unit {
    keyword: &'static str,
    /// The expected value, as a noun.
    pub(in crate::config) noun: &'static str,
    /// One that is right.
    pub(in crate::config) example: &'static str,
    forms: &'static str,
    pattern: &'static str,
    /// What to write for a number without a unit, which is `#` here.
    corrected: &'static str,
    /// Names and factors, the smallest first.
    units: &'static [(&'static str, u64)],
    least: u64,
    most: u64,
    may_be_off: bool,
}

/// Why a scalar is not such a quantity, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct UnitError {
    pub(in crate::config) problem: &'static str,
    pub(in crate::config) hint: String,
}

impl Unit {
    /// A duration in milliseconds that may be zero.
    const DELAY: Self = Self {
        keyword: "duration",
        noun: "a duration",
        example: "5s",
        forms: "`500ms`, `2s`, `1m` or `1h`",
        pattern: r"^(\d+(\.\d+)?(ms|s|m|h)|.*\$\{.*)$",
        corrected: "`#s` for seconds or `#ms` for milliseconds",
        units: &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)],
        least: 0,
        most: MAX_DURATION_MS,
        may_be_off: false,
    };
    const TIME_LIMIT: Self = Self { keyword: "time-limit", least: 1, ..Self::DELAY };
    /// 0 means `off`.
    const TIME_LIMIT_OR_OFF: Self = Self {
        keyword: "time-limit-or-off",
        forms: "`500ms`, `2s`, `1m`, `1h` or `off`",
        pattern: r"^(\d+(\.\d+)?(ms|s|m|h)|off|.*\$\{.*)$",
        may_be_off: true,
        ..Self::TIME_LIMIT
    };
    /// Bytes.
    const SIZE: Self = Self {
        keyword: "size",
        noun: "a size",
        example: "8MiB",
        forms: "`512B`, `64KiB`, `8MiB` or `1GiB`",
        pattern: r"^(\d+(\.\d+)?(B|KiB|MiB|GiB)|.*\$\{.*)$",
        corrected: "`#B` for bytes, or with a larger unit, such as `64KiB` or `8MiB`",
        units: &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)],
        least: 1,
        most: MAX_SIZE,
        may_be_off: false,
    };
    /// How often something comes in a day: at most a million times a second.
    const RATE: Self = Self {
        keyword: "rate",
        noun: "a rate",
        example: "100/s",
        forms: "`100/s`, `10/m`, `1000/h` or `5/d`",
        pattern: r"^(\d+(\.\d+)?/[smhd]|.*\$\{.*)$",
        corrected: "`#/s` (per second), or `/m`, `/h`, `/d`",
        units: &[("/d", 1), ("/h", 24), ("/m", 24 * 60), ("/s", SECONDS_OF_A_DAY)],
        least: 1,
        most: 1_000_000 * SECONDS_OF_A_DAY,
        may_be_off: false,
    };
    const PERCENT: Self = Self {
        keyword: "percent",
        noun: "a percentage",
        example: "20%",
        forms: "`20%`",
        pattern: r"^(\d+%|.*\$\{.*)$",
        corrected: "`#%`",
        units: &[("%", 1)],
        least: 0,
        most: 100,
        may_be_off: false,
    };

    /// The unit of a schema's keyword.
    pub(in crate::config) fn from_keyword(keyword: &str) -> Option<Self> {
        [Self::DELAY, Self::TIME_LIMIT, Self::TIME_LIMIT_OR_OFF, Self::SIZE, Self::RATE, Self::PERCENT]
            .into_iter()
            .find(|unit| unit.keyword == keyword)
    }

    /// The quantity in its smallest unit.
    pub(in crate::config) fn parse(&self, text: &str) -> Result<u64, UnitError> {
        if self.may_be_off && text == OFF {
            return Ok(0);
        }
        let malformed = || UnitError { problem: "is not one", hint: format!("write it as {}", self.forms) };
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        if number.is_empty() {
            return Err(malformed());
        }
        let not_above_zero = || UnitError {
            problem: "has to be more than zero",
            hint: format!("write a value above zero, such as {}", self.forms),
        };
        if unit.is_empty() {
            if self.least > 0 && number.parse() == Ok(0.0) {
                return Err(not_above_zero());
            }
            let hint = format!("write {}", self.corrected.replace('#', number));
            return Err(UnitError { problem: "has no unit", hint });
        }
        let factor = self.units.iter().find(|(name, _)| *name == unit.trim_start());
        let (_, factor) = factor.ok_or_else(|| self.unknown_unit(number, unit))?;
        let value = scaled(number, *factor).ok_or_else(malformed)?;
        if value < self.least {
            return Err(not_above_zero());
        }
        if value > self.most {
            let hint = format!("the maximum is {}", self.written(self.most));
            return Err(UnitError { problem: "is too large", hint });
        }
        Ok(value)
    }

    fn unknown_unit(&self, number: &str, unit: &str) -> UnitError {
        let folded = unit.trim().to_ascii_lowercase();
        let meant = DECIMAL_SIZE_UNITS.iter().find(|(_, written)| written.contains(&folded.as_str()));
        let hint = match meant {
            Some((unit, _)) if self.keyword == Self::SIZE.keyword => {
                format!("write `{number}{unit}`; sizes count in steps of 1024")
            }
            Some(_) | None => format!("write it as {}", self.forms),
        };
        UnitError { problem: "has an unknown unit", hint }
    }

    /// The quantity with the largest unit that divides it.
    fn written(&self, value: u64) -> String {
        if self.may_be_off && value == 0 {
            return OFF.to_owned();
        }
        let fits = |(_, factor): &&(&str, u64)| *factor == 1 || value != 0 && value.is_multiple_of(*factor);
        let (name, factor) = self.units.iter().rev().find(fits).unwrap_or(&("", 1));
        format!("{}{name}", value / factor)
    }

    fn schema(&self) -> Schema {
        json_schema!({ "type": "string", "pattern": self.pattern, UNIT_KEYWORD: self.keyword })
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

/// Declares the types of quantities, each with the type of its number, its unit, and how the one becomes the other.
/// `#[serde(with = "…")]` reads a field of the inner type as the quantity. The schema follows, since schemars takes the
/// same name for the field's type.
macro_rules! quantities {
    ($($(#[$doc:meta])* $type:ident($inner:ty) = $unit:ident, $from:expr, $to:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::config) struct $type(pub(in crate::config) $inner);

        #[allow(
            dead_code,
            clippy::trivially_copy_pass_by_ref,
            clippy::ref_option,
            reason = "the signatures that serde's `with` calls, where a section has such a field"
        )]
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

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let to: fn($inner) -> u64 = $to;
                serializer.serialize_str(&Unit::$unit.written(to(self.0)))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                let from: fn(u64) -> $inner = $from;
                let number = Unit::$unit.parse(&text).map_err(|error| D::Error::custom(error.problem))?;
                Ok(Self(from(number)))
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                Unit::$unit.schema()
            }
        }
    )*};
}

quantities! {
    /// A duration that may be zero.
    Delay(Duration) = DELAY, Duration::from_millis, milliseconds;
    /// A duration that bounds something; zero would let nothing through.
    TimeLimit(Duration) = TIME_LIMIT, Duration::from_millis, milliseconds;
    /// A [`TimeLimit`] that may be absent.
    OptionalTimeLimit(Option<Duration>) = TIME_LIMIT,
        |ms| Some(Duration::from_millis(ms)),
        |limit| limit.map_or(0, milliseconds);
    /// A duration that bounds something, or `off`: no bound.
    TimeLimitOrOff(Option<Duration>) = TIME_LIMIT_OR_OFF,
        |ms| (ms > 0).then(|| Duration::from_millis(ms)),
        |limit| limit.map_or(0, milliseconds);
    /// A number of bytes, at least one.
    ByteSize(usize) = SIZE,
        |bytes| usize::try_from(bytes).unwrap_or(usize::MAX),
        |size| u64::try_from(size).unwrap_or(MAX_SIZE);
    /// A number of bytes that HTTP/2 can announce as a window; more is cut to what it can (RFC 9113 §6.9.1).
    Window(u32) = SIZE, |bytes| u32::try_from(bytes).unwrap_or(u32::MAX), u64::from;
    /// A number a day; written as a number a second, minute, hour or day.
    Rate(u64) = RATE, std::convert::identity, std::convert::identity;
    /// A share in hundredths, from 0 to 100.
    Percent(u64) = PERCENT, std::convert::identity, std::convert::identity;
}

impl Rate {
    /// The time in which one comes.
    pub(in crate::config) fn period(self) -> Duration {
        Duration::from_nanos(SECONDS_OF_A_DAY * 1_000_000_000 / self.0.max(1))
    }
}

#[cfg(test)]
mod tests;
