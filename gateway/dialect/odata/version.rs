//! The fields by which OData clients and services agree on a version, and one that no gateway can support
//! (OData Protocol 4.01 §8.1.5, §8.2.6, §8.2.7).

use http::HeaderMap;

use crate::batch::BatchRefusal;

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

#[cfg(test)]
mod tests {
    use super::*;

    fn version(fields: &[(&'static str, &'static str)]) -> Result<&'static str, BatchRefusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, http::HeaderValue::from_static(value));
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
}
