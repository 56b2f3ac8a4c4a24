//! A real Apache httpd as an upstream, with `Dav On` below `/webdav`.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::programs::{is_root, program, succeed};
use super::server::Server;

/// Where Debian has the modules.
const MODULES: &str = "/usr/lib/apache2/modules";

/// The user that Debian's Apache becomes when root starts it.
const USER: &str = "www-data";

/// An Apache that runs.
#[derive(Debug)]
pub(crate) struct Apache(Server);

impl Apache {
    /// One with `Dav On` below `/webdav`.
    pub(crate) fn with_dav() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["root/webdav", "locks"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        open_to_apache(folder.path());
        Self(Server::start("apache2", (folder, "apache.conf"), configuration, command_in))
    }

    /// Gives Apache what a test has put below [`Server::files`].
    pub(crate) fn take_over_files(&self) {
        open_to_apache(self.folder());
    }
}

impl Deref for Apache {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Apache {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
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
