//! The arguments that say which configuration a command uses.

use std::path::PathBuf;

use crate::config::{ConfigSource, Diagnostics};

/// The configuration of a command that needs one.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigFile {
    /// The configuration, a YAML file, or `-` for standard input
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: PathBuf,
}

impl ConfigFile {
    /// What the arguments name. Standard input is read here.
    pub(super) fn source(&self) -> Result<ConfigSource, Diagnostics> {
        ConfigSource::from_argument(&self.config)
    }
}
