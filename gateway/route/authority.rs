//! Whether two authorities are the same (RFC 9110 §4.2.3): case does not matter, nor does a default port.

/// Compares `host[:port]` with `host[:port]`.
#[must_use]
pub fn same_authority(one: &str, other: &str) -> bool {
    without_default_port(one).eq_ignore_ascii_case(without_default_port(other))
}

fn without_default_port(authority: &str) -> &str {
    let stripped = authority.strip_suffix(":80").or_else(|| authority.strip_suffix(":443"));
    // `[::80` without its bracket would be half an address.
    stripped.filter(|host| !host.starts_with('[') || host.ends_with(']')).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_ports_and_case_do_not_matter() {
        for (one, other) in [("a:80", "A"), ("a:443", "a"), ("[::1]:80", "[::1]"), ("a:81", "a:81")] {
            assert!(same_authority(one, other), "{one} {other}");
        }
        for (one, other) in [("a:81", "a"), ("a", "b"), ("a.", "a"), ("", "a")] {
            assert!(!same_authority(one, other), "{one} {other}");
        }
    }
}
