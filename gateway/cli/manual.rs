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
    /// The page of one command, such as `run` or `import openapi`; without it, the page of the program
    #[arg(value_name = "COMMAND")]
    pub(super) command: Vec<String>,
}

/// Prints the script of a shell for the command line `C`.
pub(super) fn completions<C: CommandFactory>(arguments: &CompletionsArguments) -> Result<(), Box<dyn Error>> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut C::command(), "batchgate", &mut script);
    Ok(print_line(String::from_utf8_lossy(&script).trim_end())?)
}

/// Prints a manual page of the command line `C`.
pub(super) fn man<C: CommandFactory>(arguments: &ManArguments) -> Result<(), Box<dyn Error>> {
    let mut program = C::command();
    // Gives the commands their complete names, such as `batchgate-run`.
    program.build();
    let unknown = || format!("batchgate man: there is no command `{}`", arguments.command.join(" "));
    let mut command = &program;
    for name in &arguments.command {
        command = command.find_subcommand(name).ok_or_else(unknown)?;
    }
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    // A command that only chooses among others, such as `import`: its page has theirs, too.
    let chosen = command.get_subcommands().filter(|_| !arguments.command.is_empty());
    for chosen in chosen.filter(|chosen| chosen.get_name() != "help") {
        let section = Man::new(chosen.clone());
        section.render_synopsis_section(&mut page)?;
        section.render_options_section(&mut page)?;
        section.render_extra_section(&mut page)?;
    }
    Ok(print_line(String::from_utf8_lossy(&page).trim_end())?)
}
