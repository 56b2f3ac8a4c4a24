//! A real nginx as an upstream: `WebDAV` below `/webdav`, and whatever else a test configures.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::ports::{accepts, loopback, start_again, start_on_free_ports};
use super::process::Process;
use super::programs::{is_root, program};

/// The module that adds PROPFIND, OPTIONS, LOCK and UNLOCK.
const DAV_EXT: &str = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so";

/// An nginx that runs.
#[derive(Debug)]
pub(crate) struct Nginx {
    process: Process,
    port: u16,
    folder: TempDir,
}

impl Nginx {
    /// One with `dav_methods` below `/webdav`.
    pub(crate) fn with_dav() -> Self {
        assert!(Path::new(DAV_EXT).is_file(), "{DAV_EXT} is missing; run tests/run, which installs it");
        Self::start(
            "",
            "location /webdav {\n\
             dav_methods PUT DELETE MKCOL COPY MOVE;\n\
             dav_ext_methods PROPFIND OPTIONS LOCK UNLOCK;\n\
             dav_ext_lock zone=locks;\n\
             create_full_put_path off;\n}",
        )
    }

    /// One whose server speaks as `listen_options` say (`http2`, `ssl`, …) and has these directives.
    pub(crate) fn start(listen_options: &str, directives: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("root/webdav")).unwrap();
        let command = |[port]: [u16; 1]| {
            let file = folder.path().join("nginx.conf");
            fs::write(&file, configuration(folder.path(), port, listen_options, directives)).unwrap();
            command_in(folder.path())
        };
        let (process, [port]) = start_on_free_ports("nginx", command, |[port]| accepts(loopback(port)));
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
        self.process = start_again("nginx", command_in(self.folder.path()), self.port);
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

    /// The lines of its access log: `request status protocol`.
    pub(crate) fn access_log(&self) -> String {
        fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default()
    }

    /// What it wrote.
    pub(crate) fn output(&self) -> String {
        self.process.output()
    }
}

/// The command for the configuration in a folder.
fn command_in(folder: &Path) -> Command {
    let mut command = Command::new(program("nginx"));
    command.arg("-c").arg(folder.join("nginx.conf")).arg("-p").arg(folder).arg("-e").arg("stderr");
    command
}

fn configuration(folder: &Path, port: u16, listen_options: &str, directives: &str) -> String {
    let user = if is_root() { "user root;" } else { "" };
    let module = if Path::new(DAV_EXT).is_file() { format!("load_module {DAV_EXT};") } else { String::new() };
    let folder = folder.display();
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr warn;\n{user}\n{module}\n\
         events {{ worker_connections 512; }}\n\
         http {{\n\
         client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;\n\
         uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;\n\
         log_format protocol '$request $status $server_protocol'; access_log {folder}/access.log protocol;\n\
         dav_ext_lock_zone zone=locks:1m;\n\
         default_type application/octet-stream;\n\
         server {{\nlisten 127.0.0.1:{port} {listen_options};\nroot {folder}/root;\n{directives}\n}}\n}}\n"
    )
}
