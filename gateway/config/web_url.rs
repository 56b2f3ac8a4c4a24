//! Urls of servers that the gateway itself sends requests to.

use http::Uri;

/// A url with the scheme `http` or `https`, and a host without a user's name before it. No server gets a fragment, so there is none.
pub(super) fn web_url(text: &str) -> Option<Uri> {
    let is_plain = |authority: &str| !authority.is_empty() && !authority.contains('@');
    let is_known = |uri: &Uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(|authority| is_plain(authority.as_str()))
    };
    // `Uri` would leave a fragment out in silence.
    text.parse().ok().filter(|uri| is_known(uri) && !text.contains('#'))
}
