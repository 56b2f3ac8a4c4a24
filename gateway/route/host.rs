//! The names under which clients reach the gateway, and the patterns by which routes name them.
//!
//! In: an authority as a client wrote it, or a pattern of the configuration. Out: hosts in one spelling, so that they are
//! compared byte by byte: in lower case, without port and without the dot at the end, names of other scripts in punycode,
//! and addresses of IPv6 in brackets in their shortest form.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

use super::authority::split_port;

/// The longest name that DNS has.
const MAX_NAME: usize = 253;

/// The hosts that a route is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This host.
    Exact(Box<str>),
    /// Every host whose name ends with this, which begins with a dot: `*.example.org`.
    Below(Box<str>),
}

/// Why a text is not a pattern for hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing is there.
    #[error("is empty")]
    Empty,
    /// It is a url.
    #[error("is a url, and a host is only a name or an address")]
    Url,
    /// It names a port.
    #[error("has a port, which does not choose between routes")]
    Port,
    /// It is `*` alone.
    #[error("means any host")]
    Any,
    /// A `*` that is not the complete first label.
    #[error("has a `*` that is not its complete first label")]
    Wildcard,
    /// It is neither a name nor an address.
    #[error("is neither the name of a host nor an address")]
    Name,
}

impl HostPattern {
    /// Reads `api.example.com`, `*.example.org`, `10.0.0.1` or `[::1]`.
    ///
    /// # Errors
    /// Says why the text is refused.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        match text {
            "" => return Err(HostError::Empty),
            "*" => return Err(HostError::Any),
            _ if text.contains('/') => return Err(HostError::Url),
            _ => {}
        }
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(Self::Exact(in_brackets(address)));
        }
        if split_port(text).1.is_some() {
            return Err(HostError::Port);
        }
        if text.starts_with('[') {
            return address(text).map(|address| Self::Exact(in_brackets(address))).ok_or(HostError::Name);
        }
        match text.strip_prefix("*.") {
            Some(parent) => Ok(Self::Below(format!(".{}", name(parent)?).into())),
            None => Ok(Self::Exact(name(text)?.into())),
        }
    }

    /// Of several patterns that fit a host, the one with the most wins.
    pub(super) fn specificity(&self) -> usize {
        match self {
            Self::Exact(_) => usize::MAX,
            Self::Below(suffix) => suffix.len(),
        }
    }

    /// Whether a host, in the spelling of [`host_of`], is one of these.
    #[must_use]
    pub fn fits(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => **name == *host,
            Self::Below(suffix) => host.len() > suffix.len() && host.ends_with(&**suffix),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => formatter.write_str(name),
            Self::Below(suffix) => write!(formatter, "*{suffix}"),
        }
    }
}

/// The host of an authority, as hosts are compared.
#[must_use]
pub fn host_of(authority: &str) -> Cow<'_, str> {
    let (host, _) = split_port(authority);
    if let Some(address) = address(host) {
        return String::from(in_brackets(address)).into();
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return host.to_ascii_lowercase().into();
    }
    host.into()
}

/// An address of IPv6, with or without brackets.
fn address(host: &str) -> Option<Ipv6Addr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

fn in_brackets(address: Ipv6Addr) -> Box<str> {
    format!("[{address}]").into()
}

/// A name as clients send it.
fn name(text: &str) -> Result<String, HostError> {
    if text.contains('*') {
        return Err(HostError::Wildcard);
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    let name = idna::domain_to_ascii(text).map_err(|_| HostError::Name)?;
    if is_host_name(&name) { Ok(name) } else { Err(HostError::Name) }
}

/// Whether this is a name as hosts have it, without the dot at the end: labels of letters, digits, `-` and `_`.
#[must_use]
pub fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..64).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= MAX_NAME && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_in_one_spelling() {
        for (authority, host) in [
            ("api.example.com", "api.example.com"),
            ("API.Example.com:8080", "api.example.com"),
            ("api.example.com.", "api.example.com"),
            ("api.example.com.:443", "api.example.com"),
            ("10.0.0.1:80", "10.0.0.1"),
            ("[::1]:8080", "[::1]"),
            ("[0:0::0:1]", "[::1]"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("2001:DB8::1", "[2001:db8::1]"),
            ("", ""),
        ] {
            assert_eq!(host_of(authority), host, "{authority}");
        }
    }

    #[test]
    fn patterns_have_the_spelling_of_clients() {
        for (text, pattern) in [
            ("API.example.com", "api.example.com"),
            ("api.example.com.", "api.example.com"),
            ("*.Example.org", "*.example.org"),
            ("*.org", "*.org"),
            ("münchen.example", "xn--mnchen-3ya.example"),
            ("*.bücher.example", "*.xn--bcher-kva.example"),
            ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
            ("10.0.0.1", "10.0.0.1"),
            ("::1", "[::1]"),
            ("[2001:DB8:0::1]", "[2001:db8::1]"),
            ("my_host", "my_host"),
        ] {
            assert_eq!(HostPattern::parse(text).map(|pattern| pattern.to_string()), Ok(pattern.to_owned()));
        }
    }

    #[test]
    fn a_wildcard_fits_what_is_below_it() {
        let wild = HostPattern::parse("*.example.org").unwrap();
        for (host, expected) in [
            ("a.example.org", true),
            ("a.b.example.org", true),
            ("example.org", false),
            ("aexample.org", false),
        ] {
            assert_eq!(wild.fits(host), expected, "{host}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for (text, error) in [
            ("", HostError::Empty),
            ("*", HostError::Any),
            ("https://api.example.com", HostError::Url),
            ("api.example.com/", HostError::Url),
            ("api.example.com:8080", HostError::Port),
            ("[::1]:80", HostError::Port),
            ("api.*.com", HostError::Wildcard),
            ("api*.example.com", HostError::Wildcard),
            ("*.*.com", HostError::Wildcard),
            ("a..b", HostError::Name),
            (".example.com", HostError::Name),
            ("a b", HostError::Name),
            ("[x]", HostError::Name),
            ("*.", HostError::Name),
        ] {
            assert_eq!(HostPattern::parse(text), Err(error), "{text}");
        }
    }
}
