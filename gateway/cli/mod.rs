//! The command line: reads it, runs the command, and turns the result into an exit code.
//!
//! Exit codes: 0 success, 1 the command failed, 2 the command line is wrong, or the configuration that `health` asks for an address, 130 and
//! 143 a signal has ended `send`.

mod arguments;
mod check;
mod config_file;
mod explain;
mod health;
mod init;
mod import;
mod manual;
mod misuse;
mod new_file;
mod openapi;
mod request_parts;
mod routes;
mod send;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

use crate::config;
use crate::process::lifecycle;
use crate::terminal::{Unwritten, print_error, print_line, unless_closed};
use arguments::{Cli, Command};

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::try_parse().map(|cli| run(cli.command)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => match error.downcast::<clap::Error>() {
            Ok(message) => misused(&message),
            Err(error) => {
                print_error(&error);
                let own = send::exit_code(&*error).or_else(|| health::exit_code(&*error));
                own.unwrap_or(ExitCode::FAILURE)
            }
        },
        Err(message) => misused(&message),
    }
}

/// Says what is wrong with the command line. `--help` and `--version` come here too, with 0.
fn misused(message: &clap::Error) -> ExitCode {
    if let Err(error) = unless_closed(message.print()) {
        print_error(format_args!("batchgate: {error}"));
        return ExitCode::FAILURE;
    }
    u8::try_from(message.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Runs a command. Its error is what people read on stderr.
fn run(command: Command) -> Result<(), Box<dyn Error>> {
    let name = command.name();
    execute(command).map_err(|error| match error.downcast::<Unwritten>() {
        Ok(unwritten) => format!("batchgate {name}: {unwritten}").into(),
        Err(error) => error,
    })
}

fn execute(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Run(file) => lifecycle::run(file.source()?),
        Command::Check(arguments) => check::run(&arguments),
        Command::Health(arguments) => health::run(arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Schema => Ok(print_line(config::schema().trim_end())?),
        Command::Import(arguments) => import::run(&arguments),
        Command::Openapi(arguments) => openapi::run(&arguments),
        Command::Send(arguments) => Ok(send::run(*arguments)?),
        Command::Init(arguments) => init::run(&arguments),
        Command::Completions(arguments) => manual::completions::<Cli>(&arguments),
        Command::Man(arguments) => manual::man::<Cli>(&arguments),
        Command::Demo(arguments) => crate::demo::run(arguments.into()),
    }
}
