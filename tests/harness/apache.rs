//! A real Apache httpd as an upstream, with `Dav On` below `/webdav`.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::ports::{accepts, loopback, start_again, start_on_free_ports};
use super::process::Process;
use super::programs::{is_root, program, succeed};

/// Where Debian has the modules.
const MODULES: &str = "/usr/lib/apache2/modules";

/// The user that Debian's Apache becomes when root starts it.
const USER: &str = "www-data";

/// An Apache that runs.
#[derive(Debug)]
pub(crate) struct Apache {
    process: Process,
    port: u16,
    folder: TempDir,
}

impl Apache {
    /// One with `Dav On` below `/webdav`.
    pub(crate) fn with_dav() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["root/webdav", "locks"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        open_to_apache(folder.path());
        let command = |[port]: [u16; 1]| {
            let file = folder.path().join("apache.conf");
            fs::write(&file, configuration(folder.path(), port)).unwrap();
            command_in(folder.path())
        };
        let (process, [port]) = start_on_free_ports("apache2", command, |[port]| accepts(loopback(port)));
        Self { process, port, folder }
    }

    /// Kills it (SIGKILL).
    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    /// Kills it, and starts it again with the same configuration on the same port.
    pub(crate) fn restart(&mut self) {
        if self.process.is_running() {
            self.kill();
        }
        self.process = start_again("apache2", command_in(self.folder.path()), self.port);
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// Its url, for a target.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where the files below `/webdav` are.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().join("root/webdav")
    }

    /// Gives Apache what a test has put below [`Apache::files`].
    pub(crate) fn take_over_files(&self) {
        open_to_apache(self.folder.path());
    }

    /// What it wrote.
    pub(crate) fn output(&self) -> String {
        self.process.output()
    }
}

/// Lets Apache's user read and write the folder. Without root it runs as the tests' own user.
fn open_to_apache(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    if is_root() {
        succeed(Command::new("chown").arg("-R").arg(format!("{USER}:{USER}")).arg(folder));
    }
}

/// The command for the configuration in a folder.
fn command_in(folder: &Path) -> Command {
    let mut command = Command::new(program("apache2"));
    command.arg("-X").arg("-f").arg(folder.join("apache.conf"));
    command
}

fn configuration(folder: &Path, port: u16) -> String {
    let modules = ["mpm_event", "authz_core", "mime", "dav", "dav_fs", "dav_lock", "setenvif"];
    let modules = modules.map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so"));
    let user = if is_root() { format!("User {USER}\nGroup {USER}") } else { String::new() };
    let (modules, folder) = (modules.join("\n"), folder.display());
    format!(
        "{modules}\n{user}\nServerRoot {folder}\nServerName localhost\nListen 127.0.0.1:{port}\n\
         PidFile {folder}/pid\nMutex file:{folder}/locks default\nErrorLog /dev/stderr\nLogLevel warn\n\
         TypesConfig /etc/mime.types\n\
         DocumentRoot {folder}/root\nDavLockDB {folder}/locks/dav\nKeepAliveTimeout 30\n\
         <Location \"/webdav\">\nDav On\n</Location>\n"
    )
}
