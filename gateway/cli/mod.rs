//! The command line: reads it, runs the command, and turns the result into an exit code.
//!
//! Exit codes: 0 success, 1 the command failed, 2 the command line is wrong.

mod arguments;
mod commands;
mod explain;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Cli, Command};
use commands::OnWarning;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => run(cli.command),
        Err(message) => {
            // `--help` and `--version` come here too, with 0. A failure to print means that the pipe was closed.
            let _ = message.print();
            u8::try_from(message.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}

fn run(command: Command) -> ExitCode {
    match command {
        Command::Run(file) => commands::run(&file.config),
        Command::Check(arguments) => {
            let on_warning = if arguments.strict { OnWarning::Fail } else { OnWarning::Succeed };
            commands::check(&arguments.file.config, on_warning)
        }
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Schema => commands::schema(),
        Command::Demo(arguments) => crate::demo::run(arguments.into()),
    }
}
