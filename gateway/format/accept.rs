//! The field Accept (RFC 9110 §12.5.1): media ranges with weights, the most precise one that
//! matches a type being the one that counts.
//!
//! Parameters other than `q` are not compared: clients write `application/json;odata.metadata=…`
//! and mean JSON.

use std::borrow::Cow;

use http::header::{ACCEPT, HeaderMap};

use crate::header::outside_quotes;

/// The Accept fields of a request, as one list (RFC 9110 §5.3). Without any, everything is acceptable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accept<'headers>(Cow<'headers, str>);

impl<'headers> Accept<'headers> {
    /// The list that a request sent. A value that is not text is left out.
    #[must_use]
    pub fn from_headers(headers: &'headers HeaderMap) -> Self {
        let mut values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let first = values.next().unwrap_or_default();
        let rest: Vec<_> = values.collect();
        let all = || Cow::Owned(format!("{first}, {}", rest.join(", ")));
        Self(if rest.is_empty() { Cow::Borrowed(first) } else { all() })
    }

    /// Whether the first of these media types is wanted more than the second, which is for those to whom it does not matter.
    pub(crate) fn prefers(&self, wanted: &str, usual: &str) -> bool {
        let ranges = self.ranges();
        ranges.weight_of(wanted) > ranges.weight_of(usual)
    }

    /// The ranges in it.
    pub(crate) fn ranges(&self) -> Ranges<'_> {
        Ranges::parse(&self.0)
    }
}

impl<'value> From<&'value str> for Accept<'value> {
    fn from(value: &'value str) -> Self {
        Self(Cow::Borrowed(value))
    }
}

/// How much a type is wanted: its weight in thousandths, then how precisely it is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Weight {
    thousandths: u16,
    precision: Precision,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    Anything,
    Type,
    Exact,
}

#[derive(Debug)]
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    thousandths: u16,
}

/// The ranges of an Accept field.
#[derive(Debug)]
pub(crate) struct Ranges<'a>(Vec<Range<'a>>);

impl<'a> Ranges<'a> {
    /// Parses the field's value. Skips parts that are not media ranges.
    pub(crate) fn parse(accept: &'a str) -> Self {
        Self(outside_quotes(accept, ',').filter_map(Range::parse).collect())
    }

    /// True if Accept lists no media ranges, so that everything is acceptable.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The weight of a media type; `None` if it is not acceptable.
    pub(crate) fn weight_of(&self, name: &str) -> Option<Weight> {
        let weights = self.0.iter().filter_map(|range| {
            let precision = range.precision_for(name)?;
            Some(Weight { thousandths: range.thousandths, precision })
        });
        weights
            .max_by_key(|weight| (weight.precision, weight.thousandths))
            .filter(|weight| weight.thousandths > 0)
    }
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = outside_quotes(text, ';');
        let name = parts.next()?.trim();
        // Java's old default has a bare `*` in it.
        let (kind, subtype) = if name == "*" { ("*", "*") } else { name.split_once('/')? };
        let mut thousandths = 1000;
        for parameter in parts {
            if let Some((name, value)) = parameter.split_once('=')
                && name.trim().eq_ignore_ascii_case("q")
            {
                thousandths = parse_weight(value.trim())?;
            }
        }
        Some(Self { kind, subtype, thousandths })
    }

    fn precision_for(&self, name: &str) -> Option<Precision> {
        let (kind, subtype) = name.split_once('/')?;
        if (self.kind, self.subtype) == ("*", "*") {
            Some(Precision::Anything)
        } else if !self.kind.eq_ignore_ascii_case(kind) {
            None
        } else if self.subtype == "*" {
            Some(Precision::Type)
        } else {
            self.subtype.eq_ignore_ascii_case(subtype).then_some(Precision::Exact)
        }
    }
}

/// A weight (RFC 9110 §12.4.2) in thousandths. `.5` is read as well: some clients write it.
pub(super) fn parse_weight(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: u16 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) || text.is_empty() {
        return None;
    }
    let thousandths = whole.checked_mul(1000)?.checked_add(format!("{fraction:0<3}").parse().ok()?)?;
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_read_in_thousandths() {
        let cases = [
            ("1", Some(1000)),
            ("1.000", Some(1000)),
            ("0", Some(0)),
            ("0.5", Some(500)),
            ("0.", Some(0)),
            (".25", Some(250)),
            ("0.001", Some(1)),
            ("1.001", None),
            ("2", None),
            ("0.0001", None),
            ("-1", None),
            ("", None),
            ("x", None),
        ];
        for (text, thousandths) in cases {
            assert_eq!(parse_weight(text), thousandths, "{text}");
        }
    }

    #[test]
    fn the_most_precise_range_counts() {
        let weight = |accept, name| Ranges::parse(accept).weight_of(name).map(|weight| weight.thousandths);
        let accept = "*/*;q=0.1, application/*;q=0.2, application/json;q=0.3";
        assert_eq!(weight(accept, "application/json"), Some(300));
        assert_eq!(weight(accept, "application/xml"), Some(200));
        assert_eq!(weight(accept, "text/xml"), Some(100));
        assert_eq!(weight("*/*, text/xml;q=0", "text/xml"), None);
        assert_eq!(weight("APPLICATION/Json ; Q=0.7", "application/json"), Some(700));
    }

    #[test]
    fn commas_in_quotes_part_nothing() {
        let ranges = Ranges::parse(r#"text/plain;a="x, application/json;q=1\", y";q=0.5, , text/xml"#);
        assert_eq!(ranges.0.len(), 2);
        assert_eq!(ranges.weight_of("application/json"), None);
    }

    #[test]
    fn broken_ranges_are_passed_over() {
        assert!(Ranges::parse("").is_empty());
        assert!(Ranges::parse(" , ,").is_empty());
        assert!(Ranges::parse("json, application/json;q=high").is_empty());
    }
}
