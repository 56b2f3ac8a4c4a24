//! What the items of an OData batch inherit in addition to those of other batches: the fields and preferences for
//! which OData Protocol 4.01 says that an individual request without its own inherits the batch's. All
//! except Content-Encoding (§8.1.2), because the gateway has decoded the batch.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::header::inherit::PREFER;
use crate::header::outside_quotes;

/// The preferences that hold for each item (§8.2.8.1, §8.2.8.4), with their names of OData 4.0.
const INHERITED_PREFERENCES: [&str; 4] = [
    "allow-entityreferences",
    "include-annotations",
    "odata.allow-entityreferences",
    "odata.include-annotations",
];

/// The fields that items inherit only in OData.
pub(super) fn odata_fields(outer: &HeaderMap) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    [
        (header::ACCEPT, accept_of_items(outer)),
        (header::CONTENT_LANGUAGE, outer.get(header::CONTENT_LANGUAGE).cloned()),
        (PREFER, listed(outer, &PREFER, is_inherited)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
}

/// A batch's Accept, as far as it is about its items: media ranges of multipart are about the batch's own reply (§11.7.1).
pub(in crate::dialect) fn accept_of_items(outer: &HeaderMap) -> Option<HeaderValue> {
    listed(outer, &header::ACCEPT, |range| !starts_with(range, "multipart/"))
}

/// The wanted members of a field's list, as one value; `None` if there are none.
fn listed(outer: &HeaderMap, name: &HeaderName, wanted: fn(&str) -> bool) -> Option<HeaderValue> {
    let values = outer.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let members = values.flat_map(|value| outside_quotes(value, ',')).map(str::trim);
    let members: Vec<_> = members.filter(|member| !member.is_empty() && wanted(member)).collect();
    (!members.is_empty()).then(|| HeaderValue::from_str(&members.join(", ")).ok())?
}

fn is_inherited(preference: &str) -> bool {
    let name = preference.split(['=', ';']).next().unwrap_or_default().trim();
    INHERITED_PREFERENCES.iter().any(|inherited| name.eq_ignore_ascii_case(inherited))
}

fn starts_with(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_about_the_batchs_own_reply_are_not_inherited() {
        let handed_down = |name: &'static str, values: &[&'static str]| {
            let mut outer = HeaderMap::new();
            for value in values {
                outer.append(name, HeaderValue::from_static(value));
            }
            odata_fields(&outer).next().map(|(_, value)| value.to_str().unwrap().to_owned())
        };
        let of = |text: &str| Some(text.to_owned());
        assert_eq!(
            handed_down("accept", &["application/json;odata.metadata=none"]),
            of("application/json;odata.metadata=none")
        );
        assert_eq!(
            handed_down("accept", &["Multipart/Mixed;q=0.9, text/plain", "*/*"]),
            of("text/plain, */*")
        );
        assert_eq!(handed_down("accept", &["multipart/mixed"]), None);
        assert_eq!(handed_down("content-language", &["de"]), of("de"));
        let prefer =
            r#"odata.continue-on-error, return=minimal, Include-Annotations="a.b,-*", odata.maxpagesize=5"#;
        assert_eq!(handed_down("prefer", &[prefer]), of(r#"Include-Annotations="a.b,-*""#));
        assert_eq!(handed_down("prefer", &["wait=3, respond-async"]), None);
    }
}
