//! `batchgate completions` and `batchgate man`: what shells and `man` want to know of the command line, made from its
//! definition.

use std::error::Error;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::terminal::print_line;

#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArguments {
    /// The shell
    pub(super) shell: Shell,
}

#[derive(Debug, clap::Args)]
pub(super) struct ManArguments {
    /// The page of one command; without it, the page of the program
    #[arg(value_name = "COMMAND")]
    pub(super) command: Option<String>,
}

/// Prints the script of a shell for the command line `C`.
pub(super) fn completions<C: CommandFactory>(arguments: &CompletionsArguments) {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut C::command(), "batchgate", &mut script);
    print_line(String::from_utf8_lossy(&script).trim_end());
}

/// Prints a manual page of the command line `C`.
pub(super) fn man<C: CommandFactory>(arguments: &ManArguments) -> Result<(), Box<dyn Error>> {
    let mut program = C::command();
    // Gives the commands their complete names, such as `batchgate-run`.
    program.build();
    let command = match &arguments.command {
        None => program,
        Some(name) => match program.find_subcommand(name) {
            Some(command) => command.clone(),
            None => return Err(format!("batchgate man: there is no command `{name}`").into()),
        },
    };
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    print_line(String::from_utf8_lossy(&page).trim_end());
    Ok(())
}
