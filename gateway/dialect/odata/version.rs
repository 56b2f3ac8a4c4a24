//! The fields by which OData clients and services agree on a version, and one that no gateway can support
//! (OData Protocol 4.01 §8.1.5, §8.2.6, §8.2.7).

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::batch::BatchRefusal;

/// The name of the dialect of OData 1 to 3.
pub(super) const EARLIER: &str = "odata-3";

pub(super) const ODATA_VERSION: HeaderName = HeaderName::from_static("odata-version");
pub(super) const DATA_SERVICE_VERSION: HeaderName = HeaderName::from_static("dataserviceversion");
const MAX_DATA_SERVICE_VERSION: &str = "maxdataserviceversion";

/// The version of a reply to a client that does not ask for one.
pub(super) const USUAL_ODATA_VERSION: &str = "4.01";

/// The version of the reply to a batch with these fields: the highest that the client takes. A client that
/// only says in which version its batch is gets the reply in the same. Both versions have the same batches.
///
/// # Errors
/// Refuses a version that is not supported, and `Isolation: snapshot`: the upstreams share no snapshot, and
/// a service without them has to say so.
pub(super) fn odata_version(headers: &HeaderMap) -> Result<&'static str, BatchRefusal> {
    let field = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default().trim());
    let isolation = field("isolation").or_else(|| field("odata-isolation"));
    if isolation.is_some_and(|value| value.eq_ignore_ascii_case("snapshot")) {
        return Err(BatchRefusal::NoIsolation);
    }
    let own = match field("odata-version") {
        None => None,
        Some("4.0") => Some("4.0"),
        Some("4.01") => Some("4.01"),
        Some(_) => return Err(BatchRefusal::OdataVersion),
    };
    let Some(highest) = field("odata-maxversion") else { return Ok(own.unwrap_or(USUAL_ODATA_VERSION)) };
    match highest.parse::<f64>() {
        Ok(highest) if highest >= 4.01 => Ok("4.01"),
        Ok(highest) if highest >= 4.0 => Ok("4.0"),
        Ok(_) | Err(_) => Err(BatchRefusal::OdataVersion),
    }
}

/// The version of OData 1 to 3 that the reply to a request with these fields has: the highest that the client takes, or
/// else its own. `None` if it is not in one of them.
pub(super) fn data_service_version(request: &HeaderMap) -> Option<HeaderValue> {
    if request.contains_key(ODATA_VERSION) {
        return None;
    }
    let of = |name: &str| request.get(name).and_then(|value| number(value.to_str().ok()?));
    of(MAX_DATA_SERVICE_VERSION).or_else(|| of(DATA_SERVICE_VERSION.as_str())).map(HeaderValue::from_static)
}

/// The number in a value such as `3.0;NetFx`.
fn number(value: &str) -> Option<&'static str> {
    let number = value.split(';').next().unwrap_or_default().trim();
    ["3.0", "2.0", "1.0"].into_iter().find(|known| *known == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(fields: &[(&'static str, &'static str)]) -> Result<&'static str, BatchRefusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        odata_version(&headers)
    }

    #[test]
    fn the_reply_has_the_highest_version_that_the_client_takes() {
        let (own, highest) = ("odata-version", "odata-maxversion");
        assert_eq!(version(&[]), Ok("4.01"));
        assert_eq!(version(&[(own, "4.0")]), Ok("4.0"));
        assert_eq!(version(&[(own, "4.01")]), Ok("4.01"));
        assert_eq!(version(&[(own, "4.0"), (highest, "4.01")]), Ok("4.01"));
        assert_eq!(version(&[(own, "4.01"), (highest, "4.0")]), Ok("4.0"));
        assert_eq!(version(&[(highest, "4.02")]), Ok("4.01"));
        assert_eq!(version(&[(highest, "5.0")]), Ok("4.01"));
        for value in ["3.0", "", "x", "nan", "4;0"] {
            assert_eq!(version(&[(highest, value)]), Err(BatchRefusal::OdataVersion), "{value}");
        }
        for value in ["3.0", "4.02", "", "4"] {
            assert_eq!(version(&[(own, value)]), Err(BatchRefusal::OdataVersion), "{value}");
        }
    }

    #[test]
    fn no_snapshot_is_promised() {
        assert_eq!(version(&[("isolation", "snapshot")]), Err(BatchRefusal::NoIsolation));
        assert_eq!(version(&[("odata-isolation", "Snapshot")]), Err(BatchRefusal::NoIsolation));
        assert_eq!(version(&[("isolation", "none")]), Ok("4.01"));
    }

    #[test]
    fn a_request_says_that_it_is_in_an_earlier_version() {
        for (fields, expected) in [
            (&[][..], None),
            (&[("dataserviceversion", "2.0")][..], Some("2.0")),
            (&[("dataserviceversion", "1.0;"), ("maxdataserviceversion", "3.0;NetFx")], Some("3.0")),
            (&[("maxdataserviceversion", "2.0")], Some("2.0")),
            (&[("dataserviceversion", "2.0"), ("odata-version", "4.0")], None),
            (&[("maxdataserviceversion", "3.0"), ("odata-version", "4.0")], None),
            (&[("dataserviceversion", "4.0")], None),
            (&[("dataserviceversion", "x")], None),
        ] {
            let map = fields
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            assert_eq!(data_service_version(&map), expected.map(HeaderValue::from_static), "{fields:?}");
        }
    }
}
