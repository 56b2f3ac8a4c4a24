//! The host and the port of a target.

use std::net::Ipv6Addr;

use crate::route::is_host_name;

/// The host, without brackets and in lower case, and the port.
///
/// # Errors
/// Says what is wrong, so that it reads on from the url.
pub(super) fn host_and_port(authority: &str, default_port: u16) -> Result<(String, u16), &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, behind) = rest.split_once(']').ok_or("has an address without `]`")?;
            address.parse::<Ipv6Addr>().map_err(|_| "has no IPv6 address in its brackets")?;
            let port = match behind {
                "" => None,
                behind => Some(behind.strip_prefix(':').ok_or("has something after its `]`")?),
            };
            (address, port)
        }
        None => match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() {
        return Err("has no host");
    }
    if !authority.starts_with('[') && !is_host(host) {
        return Err("has a host with characters that are not allowed in a name");
    }
    let port = match port {
        None => default_port,
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or("has no port from 1 to 65535")?,
    };
    Ok((host.to_ascii_lowercase(), port))
}

/// Whether this is a name of a target, with or without the dot at its end.
fn is_host(host: &str) -> bool {
    host.len() <= 253 && is_host_name(host.strip_suffix('.').unwrap_or(host))
}
