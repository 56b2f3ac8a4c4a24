//! Real proxies that say where their clients are by the PROXY protocol: nginx (version 1) and `HAProxy` (both versions). They pass
//! on bytes.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::ports::{accepts, loopback, start_on_free_ports};
use super::process::Process;
use super::programs::program;

/// nginx's module for streams.
const STREAM: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// The ways to say it, each at an address of its own.
const WAYS: [&str; 3] = ["nginx", "HAProxy, version 1", "HAProxy, version 2"];

/// Both proxies.
#[derive(Debug)]
pub(crate) struct Senders {
    processes: [Process; 2],
    ports: [u16; 3],
    _folder: tempfile::TempDir,
}

impl Senders {
    /// Both, before this address.
    pub(crate) fn before(gateway: SocketAddr) -> Self {
        assert!(Path::new(STREAM).is_file(), "{STREAM} is missing; run tests/run, which installs it");
        let folder = tempfile::tempdir().unwrap();
        let (nginx, [one]) = nginx(folder.path(), gateway);
        let (haproxy, [two, three]) = haproxy(folder.path(), gateway);
        Self { processes: [nginx, haproxy], ports: [one, two, three], _folder: folder }
    }

    /// Where clients come in, and what their proxy is called.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        assert!(self.processes.iter().all(Process::is_running), "a proxy has ended");
        WAYS.into_iter().zip(self.ports.map(loopback))
    }
}

fn nginx(folder: &Path, gateway: SocketAddr) -> (Process, [u16; 1]) {
    let command = |[port]: [u16; 1]| {
        let file = folder.join("nginx.conf");
        let text = format!(
            "daemon off; master_process off; pid {0}/pid; error_log stderr warn; load_module {STREAM};\n\
             events {{ worker_connections 64; }}\n\
             stream {{ server {{ listen 127.0.0.1:{port}; proxy_pass {gateway}; proxy_protocol on; }} }}\n",
            folder.display()
        );
        fs::write(&file, text).unwrap();
        let mut command = Command::new(program("nginx"));
        command.arg("-c").arg(file).arg("-p").arg(folder).args(["-e", "stderr"]);
        command
    };
    start_on_free_ports("nginx", command, |[port]| accepts(loopback(port)))
}

/// Version 2 has what `HAProxy` adds to it: a checksum and an id. It also asks by itself whether the gateway is there, without a client.
fn haproxy(folder: &Path, gateway: SocketAddr) -> (Process, [u16; 2]) {
    let command = |[one, two]: [u16; 2]| {
        let file = folder.join("haproxy.cfg");
        let text = format!(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
             listen one\n bind 127.0.0.1:{one}\n server gateway {gateway} send-proxy\n\
             listen two\n bind 127.0.0.1:{two}\n unique-id-format %pid-%rt\n\
             \x20server gateway {gateway} send-proxy-v2 proxy-v2-options crc32c,unique-id check inter 100ms\n"
        );
        fs::write(&file, text).unwrap();
        let mut command = Command::new(program("haproxy"));
        command.arg("-db").arg("-f").arg(file);
        command
    };
    start_on_free_ports("haproxy", command, |ports| ports.iter().all(|port| accepts(loopback(*port))))
}
