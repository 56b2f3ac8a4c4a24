//! The gateway of the demonstration: its configuration, and its start.

use std::path::Path;

use tokio::runtime::Handle;

use crate::config::{self, Diagnostics};
use crate::process::lifecycle::{self, Running, StartError};

use super::ports::Ports;

/// The configuration. [`variable`] has the values of its `${NAME}`.
pub(super) const CONFIGURATION: &str = include_str!("demo.yaml");

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum GatewayError {
    /// The demonstration's own configuration is invalid.
    #[error("{0}")]
    Configuration(#[from] Diagnostics),
    /// It can't start.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Starts the gateway as tasks of `runtime`. Dropping the value stops it.
pub(super) fn start(ports: Ports, runtime: &Handle) -> Result<Running, GatewayError> {
    let loaded = config::parse(CONFIGURATION, "demo.yaml", Path::new("."), &|name| variable(ports, name))?;
    Ok(runtime.block_on(lifecycle::start(loaded.settings))?)
}

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
