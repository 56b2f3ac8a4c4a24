//! Paths and urls of items: what is let through can't lead elsewhere, however often it is decoded.

use batchgate::format::json::quoted;
use batchgate::plan::parse_item_url;
use batchgate::route::{CanonicalPath, Strictness, UrlTemplate};

pub(crate) fn item_url(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for strictness in [Strictness::Item, Strictness::ItemWithSlashes, Strictness::Proxied] {
        let Ok(canonical) = CanonicalPath::parse(text, strictness) else { continue };
        let again = CanonicalPath::parse(canonical.as_str(), strictness);
        assert_eq!(again.as_ref(), Ok(&canonical), "canonical paths are their own canonical form");
        check_path(canonical.as_str(), strictness);
        assert_eq!(canonical.as_written(), text);
        let proxied = CanonicalPath::parse(text, Strictness::Proxied);
        assert_eq!(proxied, Ok(canonical), "ordinary requests are judged less strictly, not otherwise");
    }
    if let Ok(url) = parse_item_url(text, "gw:80") {
        check_path(url.path.as_str(), Strictness::ItemWithSlashes);
        check_path(url.path.as_written(), Strictness::ItemWithSlashes);
        assert!(url.query.is_empty() || url.query.starts_with('?'));
        assert!(url.query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
        let whole = format!("{}{}", url.path.as_written(), url.query);
        let again = parse_item_url(&whole, "gw:80").expect("what is sent could be an item's url");
        assert_eq!((again.path, again.query), (url.path, url.query));
    }
    template(text);
    assert_eq!(serde_json::from_slice::<String>(&quoted(text)).ok().as_deref(), Some(text));
}

fn check_path(path: &str, strictness: Strictness) {
    assert!(path.starts_with('/') && !path.starts_with("//"));
    assert!(path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'\\')));
    let mut decoded = path.as_bytes().to_vec();
    for _ in 0..if strictness == Strictness::Proxied { 1 } else { 3 } {
        decoded = percent_decoded(&decoded);
        assert!(!decoded.contains(&0));
        if strictness == Strictness::Item {
            let slashes = path.bytes().filter(|byte| *byte == b'/').count();
            assert_eq!(decoded.iter().filter(|byte| matches!(byte, b'/' | b'\\')).count(), slashes);
        }
        let climbs = |segment: &[u8]| {
            let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
            name == b"." || name == b".."
        };
        assert!(
            strictness == Strictness::Proxied
                || !decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(climbs)
        );
    }
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.extend(u8::try_from(high * 16 + low));
                at += 3;
            }
            (byte, _, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

/// A value fills its place in a template and no more.
fn template(value: &str) {
    let template = UrlTemplate::parse("/up/{id}/x?y={id}").expect("a template");
    let url = template.expand(&[value]);
    assert_eq!((url.matches('/').count(), url.matches('?').count(), url.matches('&').count()), (3, 1, 0));
    assert!(url.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/?=-._~%".contains(&byte)));
    if let Ok(template) = UrlTemplate::parse(value) {
        assert!(!template.variables().is_empty());
        assert_eq!(UrlTemplate::parse(template.as_str()).as_ref(), Ok(&template));
        let values = vec!["1"; template.variables().len()];
        let url = template.expand(&values);
        assert!(parse_item_url(&url, "gw").is_ok(), "{url}");
    }
}
