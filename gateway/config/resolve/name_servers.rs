//! The name servers that are asked for targets.

use std::net::{IpAddr, SocketAddr};

use super::{Resolved, Resolver, all};
use crate::config::document::ResolverDocument;
use crate::config::yaml::wrappers::At;

/// DNS (RFC 1035 §4.2).
const PORT: u16 = 53;

impl Resolver<'_> {
    pub(super) fn name_servers(&mut self, document: &ResolverDocument) -> Resolved<Vec<SocketAddr>> {
        all(document.servers.iter().map(|server| self.name_server(server)).collect())
    }

    fn name_server(&mut self, text: &At<String>) -> Resolved<SocketAddr> {
        let alone = text.value.parse::<IpAddr>().map(|address| SocketAddr::new(address, PORT));
        match text.value.parse::<SocketAddr>().or(alone) {
            Ok(server) if server.port() != 0 => Ok(server),
            Ok(_) | Err(_) => {
                let message = format!("the name server {} is not an IP address with a port", text.shown());
                self.refuse(text.span, message, "write `10.0.0.2`, `127.0.0.1:5353` or `[2001:db8::2]:53`")
            }
        }
    }
}
