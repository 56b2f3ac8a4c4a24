//! A reader at work: a fresh folder with the repository's `config/` and `deploy/` in it, `batchgate` on the PATH, one
//! terminal for commands that end, and one more for each name that a document gives to a program that stays.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::harness::apache::Apache;
use crate::harness::markdown::Block;
use crate::harness::nginx::Nginx;
use crate::harness::ports::{accepts, loopback};
use crate::harness::process::Process;
use crate::harness::programs::{program, run, text};
use crate::harness::until;

use super::output::difference;
use super::rewriting::PortMap;
use super::{fragment, root};

/// Where documents have Apache and nginx.
const WEBDAV_PORTS: [u16; 2] = [9101, 9102];

/// The gateway's admin port where a configuration names none.
const ADMIN: u16 = 9901;

/// The documents' commands, one after the other.
pub(super) struct Session {
    folder: TempDir,
    ports: PortMap,
    terminals: Vec<(String, Process)>,
    last: Last,
    webdav: Option<(Apache, Nginx)>,
}

/// What an output block is compared with.
enum Last {
    /// Nothing was run.
    Nothing,
    /// What the last command printed.
    Printed(String),
    /// What the program in this terminal prints.
    Terminal(String),
}

impl Session {
    /// For a document.
    pub(super) fn new(document: &str) -> Self {
        let read = |file: &str| fs::read_to_string(root().join(file)).unwrap();
        let ports = PortMap::of_document(&read(document));
        let (folder, terminals) = (tempfile::tempdir().unwrap(), Vec::new());
        let session = Self { folder, ports, terminals, last: Last::Nothing, webdav: None };
        session.write(".curlrc", "silent\nshow-error\nmax-time = 60\n");
        session.copy_files();
        session
    }

    /// Runs commands to their end.
    ///
    /// # Panics
    /// When they fail, or don't fail with the status that the block says (`exit=1`).
    pub(super) fn run(&mut self, block: &Block) {
        let printed = self.printed_by(block, &block.text);
        self.last = Last::Printed(printed);
    }

    /// Runs the commands behind `$ `, and compares what is printed with what stands below each.
    ///
    /// # Panics
    /// When something else is printed.
    pub(super) fn run_console(&mut self, block: &Block) {
        for step in block.text.split("\n$ ") {
            let lines: Vec<_> = step.strip_prefix("$ ").unwrap_or(step).lines().collect();
            let is_whole = |lines: &[&str]| {
                let text = lines.join("\n");
                let checked = run(Command::new("bash").args(["-n", "-c", &text]));
                checked.status.success() && !text.ends_with('\\')
            };
            let end = (1..=lines.len()).find(|end| is_whole(&lines[..*end]));
            let end = end.unwrap_or_else(|| panic!("{}: a command has no end: {step}", block.place()));
            let printed = self.printed_by(block, &lines[..end].join("\n"));
            self.assert_same(block, &lines[end..].join("\n"), &printed);
        }
        self.last = Last::Nothing;
    }

    /// Runs a program that stays. What ran in its terminal before is ended first.
    ///
    /// # Panics
    /// When it ends, or does not listen.
    pub(super) fn open_terminal(&mut self, block: &Block) {
        let name = block.value("terminal").unwrap_or_default().to_owned();
        self.close_terminal(&name);
        let text = self.ports.rewrite(&block.text);
        let mut command = self.bash(text.trim_end());
        command.current_dir(self.folder.path());
        let process = Process::start(&format!("{} ({})", block.place(), text.trim()), command);
        if text.contains("batchgate demo") {
            // It sends its own batch first, which changes orders.
            process.line_with(&["Ctrl-C"]);
        }
        for port in self.ports_of(block) {
            until(&format!("{}: somebody to listen on {port}", block.place()), || {
                assert!(process.is_running(), "{} ended: {}", block.place(), process.final_output());
                accepts(loopback(self.ports.real(port))).then_some(())
            });
        }
        self.terminals.push((name.clone(), process));
        self.last = Last::Terminal(name);
    }

    /// Compares what was printed last with what the block shows.
    ///
    /// # Panics
    /// When they differ.
    pub(super) fn compare(&mut self, block: &Block) {
        match &self.last {
            Last::Nothing => panic!("{}: nothing was run whose output this could be", block.place()),
            Last::Printed(printed) => self.assert_same(block, &block.text, printed),
            Last::Terminal(name) => {
                until(&format!("{}: this output:\n{}", block.place(), block.text), || {
                    let printed = self.printed_in_terminal(name);
                    difference(&block.text, &printed, !block.has("unordered")).is_none().then_some(())
                });
            }
        }
    }

    /// The next block is no output of an earlier one.
    pub(super) fn forget_output(&mut self) {
        self.last = Last::Nothing;
    }

    /// Writes a block to the file that it names; one of the repository has to have the same in it.
    pub(super) fn keep(&mut self, block: &Block) {
        let Some(name) = block.value("file") else { return };
        let there = root().join(name);
        if there.is_file() {
            // Multipart has CRLF, which Markdown can't show.
            let kept = fs::read_to_string(&there).unwrap().replace("\r\n", "\n");
            assert_eq!(block.text, kept, "{} is not what {name} has", block.place());
            return;
        }
        self.write(name, &self.served(name, &block.text));
    }

    /// Starts Apache and nginx with WebDAV below `/webdav`, on the ports that documents give them.
    pub(super) fn start_webdav_servers(&mut self) {
        let (apache, nginx) = (Apache::with_dav(), Nginx::with_dav());
        let [apache_port, nginx_port] = WEBDAV_PORTS;
        self.ports.set(apache_port, apache.address().port());
        self.ports.set(nginx_port, nginx.address().port());
        self.webdav = Some((apache, nginx));
        self.copy_files();
    }

    /// What was printed last.
    pub(super) fn printed(&self) -> &str {
        match &self.last {
            Last::Printed(printed) => printed,
            Last::Nothing | Last::Terminal(_) => "",
        }
    }

    /// What a program that stays has printed so far.
    pub(super) fn printed_in_terminal(&self, name: &str) -> String {
        let found = self.terminals.iter().find(|(own, _)| own == name);
        found.map(|(_, process)| self.ports.back(&process.output())).unwrap_or_default()
    }

    /// Checks a complete configuration, and keeps it.
    pub(super) fn check_configuration(&mut self, block: &Block) {
        if block.value("needs") == Some("webdav-servers") {
            self.start_webdav_servers();
        }
        self.keep(block);
        self.check(block, &block.text);
    }

    /// Checks a part of a configuration.
    pub(super) fn check_fragment(&mut self, block: &Block) {
        self.check(block, &fragment::completed(&block.text));
    }

    /// Copies what documents use of the repository, with the ports as they are now.
    fn copy_files(&self) {
        for folder in ["config", "config/examples", "deploy"] {
            for entry in fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap) {
                if entry.path().is_file() {
                    let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
                    self.write(&name, &self.served(&name, &fs::read_to_string(root().join(&name)).unwrap()));
                }
            }
        }
    }

    fn check(&self, block: &Block, configuration: &str) {
        fragment::make_files(configuration, self.folder.path());
        self.write("checked.yaml", configuration);
        let output = run(self.bash("batchgate check --config checked.yaml").current_dir(self.folder.path()));
        assert!(output.status.success(), "{}: {}", block.place(), text(&output));
    }

    fn printed_by(&self, block: &Block, commands: &str) -> String {
        let commands = self.ports.rewrite(commands);
        let shell = self.bash(&format!("exec 2>&1\n{commands}"));
        // What waits in vain must not hang.
        let mut bounded = Command::new("timeout");
        bounded.arg("60").arg(shell.get_program()).args(shell.get_args());
        for (name, value) in shell.get_envs() {
            match value {
                Some(value) => bounded.env(name, value),
                None => bounded.env_remove(name),
            };
        }
        let output = run(bounded.current_dir(self.folder.path()));
        let expected = block.value("exit").map_or(0, |code| code.parse().unwrap());
        let (place, printed) = (block.place(), text(&output));
        assert_eq!(output.status.code(), Some(expected), "{place}: {commands}\n{printed}");
        self.ports.back(&printed)
    }

    fn assert_same(&self, block: &Block, shown: &str, printed: &str) {
        if let Some(difference) = difference(shown, printed, !block.has("unordered")) {
            let gateways =
                self.terminals.iter().map(|(name, process)| format!("{name}:\n{}", process.output()));
            let gateways: Vec<_> = gateways.collect();
            panic!("{}: {difference}\n--- terminals:\n{}", block.place(), gateways.join("\n"));
        }
    }

    /// A shell in which `batchgate` is the program under test.
    fn bash(&self, commands: &str) -> Command {
        let folder = Path::new(env!("CARGO_BIN_EXE_batchgate")).parent().unwrap().display().to_string();
        let path = format!("{folder}:{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new(program("bash"));
        command.args(["-eu", "-c", commands]).env("PATH", path).env("HOME", self.folder.path());
        command.env_remove("RUST_LOG").env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8");
        command
    }

    /// The ports on which a program that stays listens: those of its configuration, of the demo, or `ready=N`.
    fn ports_of(&self, block: &Block) -> Vec<u16> {
        if let Some(port) = block.value("ready") {
            return vec![port.parse().unwrap()];
        }
        let words: Vec<_> = block.text.split_whitespace().collect();
        let behind = |option: &str| words.windows(2).find(|pair| pair[0] == option).map(|pair| pair[1]);
        match (behind("--config"), behind("--port")) {
            (Some(file), _) => {
                let file = fs::read_to_string(self.folder.path().join(file)).unwrap();
                let listening =
                    file.lines().filter(|line| line.starts_with("listen:") || line.starts_with("admin:"));
                let ports = listening
                    .filter_map(|line| self.ports.back(line).rsplit(':').next()?.trim().parse().ok());
                ports.collect()
            }
            (None, Some(port)) => vec![port.parse().unwrap()],
            (None, None) if words.contains(&"demo") => vec![8080],
            (None, None) => panic!("{}: on which port does it listen? say ready=PORT", block.place()),
        }
    }

    fn close_terminal(&mut self, name: &str) {
        let Some(at) = self.terminals.iter().position(|(own, _)| own == name) else { return };
        let (_, process) = self.terminals.remove(at);
        process.signal("INT");
        process.wait();
    }

    /// A file as the session has it: on its own ports, the admin listener's too.
    fn served(&self, name: &str, text: &str) -> String {
        let is = |key: &str| text.lines().any(|line| line.starts_with(key));
        let is_configuration = name.contains(".yaml") && is("listen:") && is("routes:");
        let has_no_admin = is_configuration && !is("admin:");
        let admin = if has_no_admin { format!("admin: 127.0.0.1:{ADMIN}\n") } else { String::new() };
        self.ports.rewrite(&format!("{text}{admin}"))
    }

    fn write(&self, name: &str, text: &str) {
        let file: PathBuf = self.folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
}

impl Drop for Session {
    /// Ends what stays in the order in which a reader would.
    fn drop(&mut self) {
        while let Some((_, process)) = self.terminals.pop() {
            drop(process);
        }
    }
}
