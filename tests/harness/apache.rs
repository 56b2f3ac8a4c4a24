//! A real Apache httpd as an upstream: `Dav On` below `/webdav`, or whatever else a test configures.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::thread;

use super::programs::{is_root, program, succeed};
use super::server::Server;

/// Where Debian has the modules.
const MODULES: &str = "/usr/lib/apache2/modules";

/// The user that Debian's Apache becomes when root starts it.
const USER: &str = "www-data";

/// An Apache that runs.
#[derive(Debug)]
pub(crate) struct Apache {
    /// Ends before the server, whose id nobody else can have until then.
    _workers: Option<Workers>,
    server: Server,
}

/// The processes that an Apache has started, which would outlive it.
#[derive(Debug)]
struct Workers {
    of: u32,
}

impl Drop for Workers {
    fn drop(&mut self) {
        let kill = format!("kill -s KILL -- -{}", self.of);
        let status = Command::new("sh").args(["-c", &kill]).status();
        assert!(thread::panicking() || status.is_ok_and(|status| status.success()), "{kill} failed");
    }
}

impl Apache {
    /// One with `Dav On` below `/webdav`.
    pub(crate) fn with_dav() -> Self {
        let dav = "DavLockDB $FOLDER/locks/dav\n<Location \"/webdav\">\nDav On\n</Location>\n";
        Self::start(&["dav", "dav_fs", "dav_lock"], dav)
    }

    /// One with these modules beside those that it can't do without, and these directives. `$FOLDER` is its folder.
    pub(crate) fn start(modules: &[&str], directives: &str) -> Self {
        Self { _workers: None, server: server(modules, directives, command_in) }
    }

    /// The same, with processes of its own for its work, so that it can be restarted gracefully.
    pub(crate) fn with_workers(modules: &[&str], directives: &str) -> Self {
        let command_in = |folder: &Path| {
            let mut command = command_of("FOREGROUND", folder);
            command.process_group(0);
            command
        };
        let server = server(modules, directives, command_in);
        Self { _workers: Some(Workers { of: server.process_id() }), server }
    }

    /// The lines of its access log: `request status protocol`.
    pub(crate) fn access_log(&self) -> String {
        fs::read_to_string(self.folder().join("access.log")).unwrap_or_default()
    }

    /// Has its processes end once their requests are answered, and new ones take their place.
    pub(crate) fn restart_gracefully(&self) {
        self.server.signal("USR1");
    }

    /// Gives Apache what a test has put below [`Server::files`].
    pub(crate) fn take_over_files(&self) {
        open_to_apache(self.folder());
    }
}

impl Deref for Apache {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Apache {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}

/// Lets Apache's user read and write the folder. Without root it runs as the tests' own user.
fn open_to_apache(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    if is_root() {
        succeed(Command::new("chown").arg("-R").arg(format!("{USER}:{USER}")).arg(folder));
    }
}

fn server(modules: &[&str], directives: &str, command_in: fn(&Path) -> Command) -> Server {
    let folder = tempfile::tempdir().unwrap();
    for name in ["root/webdav", "locks"] {
        fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    open_to_apache(folder.path());
    let configuration = |folder: &Path, port| configuration(folder, port, modules, directives);
    Server::start("apache2", (folder, "apache.conf"), configuration, command_in)
}

/// The command for the configuration in a folder: one process.
fn command_in(folder: &Path) -> Command {
    command_of("DEBUG", folder)
}

fn command_of(mode: &str, folder: &Path) -> Command {
    let mut command = Command::new(program("apache2"));
    command.arg("-D").arg(mode).arg("-f").arg(folder.join("apache.conf"));
    command
}

fn configuration(folder: &Path, port: u16, modules: &[&str], directives: &str) -> String {
    let modules = ["mpm_event", "authz_core", "mime", "setenvif"].iter().chain(modules);
    let modules: Vec<_> =
        modules.map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so")).collect();
    let user = if is_root() { format!("User {USER}\nGroup {USER}") } else { String::new() };
    let (modules, folder) = (modules.join("\n"), folder.display());
    let directives = directives.replace("$FOLDER", &folder.to_string());
    format!(
        "{modules}\n{user}\nServerRoot {folder}\nServerName localhost\nListen 127.0.0.1:{port}\n\
         PidFile {folder}/pid\nMutex file:{folder}/locks default\nErrorLog /dev/stderr\nLogLevel warn\n\
         TypesConfig /etc/mime.types\n\
         DocumentRoot {folder}/root\nKeepAliveTimeout 30\n\
         CustomLog {folder}/access.log \"%r %>s %H\"\n{directives}"
    )
}
