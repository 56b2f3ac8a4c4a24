//! The query of a batch's own url, in dialects in which it belongs to every item (Google's).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A url with the parameters of the batch's query that it does not have itself.
pub(super) fn with_query<'url>(url: &'url str, batch: Option<&str>) -> Cow<'url, str> {
    let Some(batch) = batch.filter(|query| !query.is_empty() && !url.contains('#')) else {
        return url.into();
    };
    let own = url.split_once('?').map(|(_, query)| query);
    let own_names: Vec<_> = own.iter().flat_map(|query| query.split('&')).map(name).collect();
    let mut extended = url.to_owned();
    let mut separator = match own {
        None => "?",
        Some("") => "",
        Some(_) => "&",
    };
    for parameter in batch.split('&').filter(|parameter| !parameter.is_empty()) {
        if !own_names.contains(&name(parameter)) {
            extended.push_str(separator);
            extended.push_str(parameter);
            separator = "&";
        }
    }
    extended.into()
}

/// The name of a parameter, decoded.
fn name(parameter: &str) -> Cow<'_, [u8]> {
    percent_decode_str(parameter.split('=').next().unwrap_or_default()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_the_batch_are_added_and_those_of_the_item_win() {
        for (url, batch, expected) in [
            ("/a", "key=K", "/a?key=K"),
            ("/a?", "key=K", "/a?key=K"),
            ("/a?x=1", "key=K&alt=json", "/a?x=1&key=K&alt=json"),
            ("/a?key=own", "key=K&alt=json", "/a?key=own&alt=json"),
            ("/a?k%65y=own", "key=K", "/a?k%65y=own"),
            ("/a?fields=key", "key=K", "/a?fields=key&key=K"),
            ("/a?key", "key=K", "/a?key"),
            ("/a", "", "/a"),
            ("/a", "&&", "/a"),
            ("/a", "a=1&a=2", "/a?a=1&a=2"),
            ("/a#b", "key=K", "/a#b"),
        ] {
            assert_eq!(with_query(url, Some(batch)), expected, "{url} {batch}");
        }
        assert_eq!(with_query("/a", None), "/a");
    }
}
