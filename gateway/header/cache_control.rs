//! How long a reply may be used again by a cache that many share (RFC 9111 §4.2.1, §5.2.2).

use std::time::Duration;

use http::header::{AGE, CACHE_CONTROL, HeaderMap};

use super::{lists, outside_quotes};

/// What Cache-Control says about how long a reply may be used again from now on; `None`: nothing. A reply that may not be kept
/// has no time at all.
#[must_use]
pub fn shared_lifetime(headers: &HeaderMap) -> Option<Duration> {
    if ["no-store", "no-cache", "private"].iter().any(|word| lists(headers, &CACHE_CONTROL, word)) {
        return Some(Duration::ZERO);
    }
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.trim().parse().ok()).unwrap_or_default();
    let lifetime = seconds(headers, "s-maxage").or_else(|| seconds(headers, "max-age"))?;
    Some(lifetime.saturating_sub(Duration::from_secs(age)))
}

/// The value of a directive; one that is no number counts as zero (§4.2.1).
fn seconds(headers: &HeaderMap, directive: &str) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut directives = values.flat_map(|value| outside_quotes(value, ','));
    directives.find_map(|said| {
        let (name, value) = said.trim().split_once('=')?;
        let value = value.trim_matches('"').parse().unwrap_or_default();
        name.eq_ignore_ascii_case(directive).then_some(Duration::from_secs(value))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_reply_lives_as_long_as_it_says() {
        for (said, age, lives) in [
            ("max-age=60", None, Some(60)),
            ("public, Max-Age=\"60\"", None, Some(60)),
            ("max-age=60, s-maxage=5", None, Some(5)),
            ("max-age=60", Some("20"), Some(40)),
            ("max-age=60", Some("90"), Some(0)),
            ("max-age=x", None, Some(0)),
            ("max-age=60, no-store", None, Some(0)),
            ("private, max-age=60", None, Some(0)),
            ("no-cache", None, Some(0)),
            ("must-revalidate", None, None),
            ("x=\", max-age=9\"", None, None),
        ] {
            let mut headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(said))]);
            headers.extend(age.map(|age| (AGE, HeaderValue::from_static(age))));
            assert_eq!(shared_lifetime(&headers).map(|lives| lives.as_secs()), lives, "{said} {age:?}");
        }
        assert_eq!(shared_lifetime(&HeaderMap::new()), None);
    }
}
