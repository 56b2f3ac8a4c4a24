//! Accept and Content-Type: a format is chosen that was asked for, and a problem can always be told.

use batchgate::batch::BatchRefusal;
use batchgate::format::{
    Accept, Format, cross_site, is_json, is_ndjson, is_postable_cross_site, problem_format, reply_format,
    request_format, wants_text_xml,
};
use http::header::{HeaderMap, HeaderValue, ORIGIN};

use super::first_line;

const OWN: [Format; 4] = Format::ALL;

/// The lines are Accept, Content-Type, Origin and the body's first.
pub(crate) fn negotiation(input: &[u8]) {
    let Some((accept, rest)) = first_line(input) else { return };
    let Some((content_type, rest)) = first_line(rest) else { return };
    let Some((origin, body)) = first_line(rest) else { return };
    for usual in Format::ALL {
        assert_eq!(reply_format(&Accept::default(), usual, &OWN), Ok(usual));
        let Ok(format) = reply_format(&accept.into(), usual, &OWN) else { continue };
        // Where Accept has no range that can be read, anything will do.
        let is_asked_for = format == usual || accept.contains("*/*") || asked_for(accept, format);
        assert!(is_asked_for, "{format:?} for {accept:?}");
        let more = format!("*/*;q=0.001, {accept}");
        assert!(
            accept.contains(['q', 'Q']) || reply_format(&more.as_str().into(), usual, &OWN).is_ok(),
            "{more:?}"
        );
    }
    let problem = problem_format(&accept.into(), Some(content_type));
    assert!(matches!(problem, Format::Json | Format::Xml));
    assert!(!wants_text_xml(&accept.into()) || accept.to_ascii_lowercase().contains('/'));
    match request_format(Some(content_type), body, &OWN) {
        Ok(format) => assert_eq!(is_ndjson(Some(content_type)), format == Format::Ndjson),
        Err(refusal) => {
            assert!(matches!(
                refusal,
                BatchRefusal::UnsupportedMediaType(_) | BatchRefusal::ForbiddenXml { .. }
            ));
        }
    }
    assert!(!(is_json(content_type) && is_postable_cross_site(Some(content_type))));
    let mut headers = HeaderMap::new();
    if let Ok(origin) = HeaderValue::from_str(origin) {
        let own = ["http://gw", "https://gw", "http://gw:80", "https://gw:443"];
        let is_own = own.iter().any(|own| origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()));
        headers.insert(ORIGIN, origin);
        assert!(cross_site(&headers, "gw", &[]) || is_own, "another site's page is let in");
    }
}

/// Whether Accept names something like the format's type.
fn asked_for(accept: &str, format: Format) -> bool {
    let accept = accept.to_ascii_lowercase();
    let main = format.media_type().split('/').next().unwrap_or_default();
    accept.contains(main) || accept.contains('*') || (format == Format::Xml && accept.contains("text/"))
}
