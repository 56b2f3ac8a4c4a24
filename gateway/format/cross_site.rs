//! What a web page of another site could have sent (Fetch §2.2.2, W3C Fetch Metadata).
//!
//! Browsers let a page post some types to any site without asking, with the cookies of that site. A batch in such a type is
//! only taken from a page of the gateway's own, or of an origin that the configuration allows.

use super::media::MediaType;

/// Types that a web page can post to another site without that site's consent (Fetch §2.2.2).
const POSTABLE_CROSS_SITE: [&str; 3] =
    ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"];

/// Whether a page of another site could post a body of this type without asking first. A missing
/// type counts: a page can leave it out by posting a Blob without one.
#[must_use]
pub fn is_postable_cross_site(content_type: Option<&str>) -> bool {
    let essence = MediaType::parse(content_type.unwrap_or_default()).essence;
    essence.is_empty() || POSTABLE_CROSS_SITE.iter().any(|name| name.eq_ignore_ascii_case(essence))
}

/// Whether a browser sent this for a page of another site than the gateway's (W3C Fetch Metadata
/// §2.3; RFC 6454). `same-site` is another site here: subdomains are not trusted with each other.
/// An origin in `allowed_origins` (`https://app.example`) is never another site.
///
/// Without either field no browser sent it: they all send Origin with a POST.
#[must_use]
pub fn cross_site(headers: &http::HeaderMap, own_authority: &str, allowed_origins: &[String]) -> bool {
    let is_allowed = |origin: &[u8]| {
        allowed_origins
            .iter()
            .any(|allowed| allowed.trim_end_matches('/').as_bytes().eq_ignore_ascii_case(origin))
    };
    let origins: Vec<_> =
        headers.get_all(http::header::ORIGIN).iter().map(http::HeaderValue::as_bytes).collect();
    if origins.iter().any(|origin| !is_allowed(origin) && !is_own_origin(origin, own_authority)) {
        return true;
    }
    if !origins.is_empty() && origins.iter().all(|origin| is_allowed(origin)) {
        return false;
    }
    let mut sites = headers.get_all("sec-fetch-site").iter();
    sites.any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
}

/// Whether an origin is this gateway's. The scheme is not compared, for TLS may end before the
/// gateway; a default port is as good as none.
fn is_own_origin(origin: &[u8], own_authority: &str) -> bool {
    let Some((scheme, authority)) = std::str::from_utf8(origin).ok().and_then(|text| text.split_once("://"))
    else {
        return false;
    };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let without_port = |authority: &'_ str| -> String {
        authority.strip_suffix(default_port).unwrap_or(authority).to_ascii_lowercase()
    };
    !authority.is_empty() && without_port(authority) == without_port(own_authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_pages_can_post_are_known() {
        for content_type in [None, Some(""), Some("TEXT/Plain;x=y"), Some("multipart/form-data; boundary=a")]
        {
            assert!(is_postable_cross_site(content_type), "{content_type:?}");
        }
        for content_type in ["application/json", "text/xml", "application/xml", "multipart/mixed"] {
            assert!(!is_postable_cross_site(Some(content_type)), "{content_type}");
        }
    }

    fn is_cross_site(fields: &[(&'static str, &'static str)]) -> bool {
        let mut headers = http::HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, http::HeaderValue::from_static(value));
        }
        cross_site(&headers, "gateway.example:443", &["https://app.example".to_owned()])
    }

    #[test]
    fn cross_site_requests_are_told_by_their_fields() {
        let site = "sec-fetch-site";
        assert!(!is_cross_site(&[]));
        assert!(!is_cross_site(&[("sec-fetch-mode", "cors")]));
        for (value, is_foreign) in
            [("same-origin", false), ("none", false), ("same-site", true), ("cross-site", true), ("x", true)]
        {
            assert_eq!(is_cross_site(&[(site, value)]), is_foreign, "{value}");
        }
        for (origin, is_foreign) in [
            ("https://gateway.example", false),
            ("https://GATEWAY.example:443", false),
            ("https://gateway.example:444", true),
            ("http://gateway.example:8080", true),
            ("https://app.example", false),
            ("http://app.example", true),
            ("https://evil.example", true),
            ("https://gateway.example.evil.example", true),
            ("null", true),
            ("", true),
            ("file://", true),
        ] {
            assert_eq!(is_cross_site(&[("origin", origin)]), is_foreign, "{origin}");
        }
    }

    #[test]
    fn an_allowed_origin_is_cross_site_by_permission() {
        assert!(!is_cross_site(&[("origin", "https://app.example"), ("sec-fetch-site", "cross-site")]));
        assert!(is_cross_site(&[("origin", "https://gateway.example"), ("sec-fetch-site", "cross-site")]));
        assert!(is_cross_site(&[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")]));
        assert!(is_cross_site(&[("origin", "https://app.example"), ("origin", "https://evil.example")]));
    }
}
