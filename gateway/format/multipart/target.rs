//! A request line: the method, and the target as a url of the gateway.

use super::query::with_query;
use super::reading::Reading;
use crate::format::item_builder::ItemBuilder;
use crate::format::relative::UrlBase;

/// Reads a request line. The HTTP version may be missing, as in an example of OData's.
pub(super) fn read(builder: &mut ItemBuilder<'_>, line: &[u8], reading: &Reading<'_>) {
    let Ok(line) = std::str::from_utf8(line) else {
        builder.reject_member("request line", "is not in UTF-8");
        return;
    };
    let (method, rest) = line.split_once(' ').unwrap_or((line, ""));
    builder.set_method(method);
    let target = match rest.trim_matches(' ').rsplit_once(' ') {
        Some((target, version)) if is_version(version) => target.trim_end_matches(' '),
        Some(_) => {
            builder.reject_member("request line", "is not a method, a target and HTTP/1.1");
            return;
        }
        None => rest.trim_matches(' '),
    };
    if is_version(target) {
        builder.reject_member("request line", "has no target");
    } else {
        let extended = with_query(target, reading.conventions.query);
        builder.set_url_in(&extended, UrlBase::Folder(reading.context.endpoint));
        if extended != target {
            builder.set_written_url(target);
        }
    }
}

fn is_version(word: &str) -> bool {
    word.eq_ignore_ascii_case("HTTP/1.1") || word.eq_ignore_ascii_case("HTTP/1.0")
}
