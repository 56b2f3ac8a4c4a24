//! A real nginx as an upstream: `WebDAV` below `/webdav`, and whatever else a test configures.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::Command;

use super::programs::{is_root, program};
use super::server::Server;

/// The module that adds PROPFIND, OPTIONS, LOCK and UNLOCK.
const DAV_EXT: &str = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so";

/// An nginx that runs.
#[derive(Debug)]
pub(crate) struct Nginx(Server);

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

    /// One with these directives for HTTP, among them its servers, which have `listen $LISTEN`.
    pub(crate) fn with_servers(directives: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let configuration = |folder: &Path, port: u16| {
            http(folder, &directives.replace("$LISTEN", &format!("127.0.0.1:{port}")))
        };
        Self(Server::start("nginx", (folder, "nginx.conf"), configuration, command_in))
    }

    /// One whose server speaks as `listen_options` say (`http2`, `ssl`, …) and has these directives.
    pub(crate) fn start(listen_options: &str, directives: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("root/webdav")).unwrap();
        let configuration = |folder: &Path, port| configuration(folder, port, listen_options, directives);
        Self(Server::start("nginx", (folder, "nginx.conf"), configuration, command_in))
    }

    /// The lines of its access log: `request status protocol`.
    pub(crate) fn access_log(&self) -> String {
        fs::read_to_string(self.folder().join("access.log")).unwrap_or_default()
    }
}

impl Deref for Nginx {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Nginx {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}

/// The command for the configuration in a folder.
fn command_in(folder: &Path) -> Command {
    let mut command = Command::new(program("nginx"));
    command.arg("-c").arg(folder.join("nginx.conf")).arg("-p").arg(folder).arg("-e").arg("stderr");
    command
}

fn configuration(folder: &Path, port: u16, listen_options: &str, directives: &str) -> String {
    let root = folder.join("root");
    let root = root.display();
    http(
        folder,
        &format!("server {{\nlisten 127.0.0.1:{port} {listen_options};\nroot {root};\n{directives}\n}}"),
    )
}

/// A configuration with these directives for HTTP.
fn http(folder: &Path, directives: &str) -> String {
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
         {directives}\n}}\n"
    )
}
