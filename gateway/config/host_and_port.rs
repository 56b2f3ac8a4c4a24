//! The host and the port of a target.

use std::net::Ipv6Addr;

use crate::route::{is_host_name, split_port};

/// The host, without brackets and in lower case, and the port.
///
/// # Errors
/// Says what is wrong, so that it reads on from the url.
pub(super) fn host_and_port(authority: &str, default_port: u16) -> Result<(String, u16), &'static str> {
    let (host, port) = split_port(authority);
    let host = match host.strip_prefix('[') {
        Some(rest) => in_brackets(rest)?,
        None if host.is_empty() => return Err("has no host"),
        None if host.parse::<Ipv6Addr>().is_ok() => return Err("has an IPv6 address without brackets"),
        None if !is_host(host) => return Err("has a host with characters that are not allowed in a name"),
        None => host,
    };
    let port = match port {
        None => default_port,
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or("has no port from 1 to 65535")?,
    };
    Ok((host.to_ascii_lowercase(), port))
}

/// The address of IPv6 in a text behind its first bracket.
fn in_brackets(rest: &str) -> Result<&str, &'static str> {
    let (address, behind) = rest.split_once(']').ok_or("has an address without `]`")?;
    if !behind.is_empty() {
        return Err("has something after its `]`");
    }
    address.parse::<Ipv6Addr>().map_err(|_| "has no IPv6 address in its brackets")?;
    Ok(address)
}

/// Whether this is a name of a target, with or without the dot at its end.
fn is_host(host: &str) -> bool {
    host.len() <= 253 && is_host_name(host.strip_suffix('.').unwrap_or(host))
}
