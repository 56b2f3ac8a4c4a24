//! The arguments that say which configuration a command uses.

use std::path::PathBuf;

use crate::config::{ConfigSource, Diagnostics, Override};

/// The configuration of a command that needs one.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigFile {
    /// The configuration, a YAML file, or `-` for standard input
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// Set a value in place of the file's, such as `limits.memory=1GiB` or `routes.0.path=/`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) overrides: Vec<Override>,
}

impl ConfigFile {
    /// What the arguments name. Standard input is read here.
    pub(super) fn source(&self) -> Result<ConfigSource, Diagnostics> {
        Ok(ConfigSource::from_argument(&self.config)?.with(&self.overrides))
    }
}
