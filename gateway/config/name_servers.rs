//! `resolver`: the name servers that are asked for targets.

use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resolver::{Resolved, Resolver, all};
use super::yaml::wrappers::At;

/// DNS (RFC 1035 §4.2).
const PORT: u16 = 53;

/// How names of targets are looked up. `/etc/hosts` comes first in any case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct ResolverDocument {
    /// Name servers to ask: IP addresses, with a port where it is not 53. None: those of `/etc/resolv.conf`.
    #[schemars(extend("examples" = [["10.0.0.2", "127.0.0.1:5353"]]))]
    pub(in crate::config) servers: Vec<At<String>>,
}

impl Resolver<'_> {
    pub(super) fn name_servers(&mut self, document: &ResolverDocument) -> Resolved<Vec<SocketAddr>> {
        all(document.servers.iter().map(|server| self.name_server(server)))
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
