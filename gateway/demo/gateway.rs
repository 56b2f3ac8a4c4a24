//! The gateway of the demonstration: its configuration, and its start.

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::ports::Ports;

#[cfg_attr(not(test), expect(dead_code, reason = "read by the gateway, which is not built in yet"))]
/// The configuration; [`variable`] knows what stands in it as `${NAME}`.
pub(super) const CONFIGURATION: &str = include_str!("demo.yaml");

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub(super) enum GatewayError {
    /// This build of the program has none.
    #[error("the gateway is not built in")]
    NotBuiltIn,
}

/// Starts the gateway as tasks of `runtime`; it ends when `stop` turns true.
pub(super) fn start(
    _ports: Ports,
    _runtime: &Handle,
    _stop: watch::Receiver<bool>,
) -> Result<(), GatewayError> {
    Err(GatewayError::NotBuiltIn)
}

#[cfg_attr(not(test), expect(dead_code, reason = "read by the gateway, which is not built in yet"))]
/// The value of `${name}` in the configuration.
pub(super) fn variable(ports: Ports, name: &str) -> Option<String> {
    match name {
        "GATEWAY" => Some(ports.gateway.to_string()),
        "LEGACY_API" => Some(ports.legacy.to_string()),
        "ADMIN" => Some(ports.admin.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_of_the_configuration_has_a_value() {
        let names = CONFIGURATION.split("${").skip(1).filter_map(|rest| rest.split('}').next());
        let values: Vec<_> = names.map(|name| variable(Ports::new(Some(7000)), name)).collect();
        let expected = ["127.0.0.1:7000", "127.0.0.1:7002", "127.0.0.1:7001"];
        assert_eq!(values, expected.map(|address| Some(address.to_owned())));
    }
}
