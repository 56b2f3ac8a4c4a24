//! Parts of other programs' configurations that documents show, judged by these programs.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::certificate::Certificate;
use crate::harness::markdown::Block;
use crate::harness::programs::{is_root, program, run, text};
use crate::harness::traefik::Traefik;

/// Where the services of the documents' configurations are.
const SERVICE: &str = "127.0.0.1:9001";

/// Directives of a server, or of `http` if one of them is a server.
///
/// # Panics
/// When nginx does not take them.
pub(super) fn check_nginx(block: &Block) {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    let mut written = String::new();
    for line in block.text.lines() {
        let (mut line, begin) = (line.to_owned(), line.trim_start());
        if let Some(address) = begin.strip_prefix("listen ") {
            // A test of the configuration opens its ports, too.
            let port = address.split([' ', ';']).next().unwrap();
            line = line.replacen(port, &format!("unix:{at}/{port}"), 1);
        }
        written += &(line + "\n");
    }
    make_files(&written, folder.path());
    if !written.contains("server {") {
        written = format!("server {{\nlisten unix:{at}/8080;\n{written}}}\n");
    }
    let user = if is_root() { "user root;" } else { "" };
    let configuration = format!(
        "pid {at}/pid;\nerror_log stderr;\n{user}\nevents {{}}\nhttp {{\nserver_names_hash_bucket_size 128;\n\
         client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi;\n\
         uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi; access_log off;\n\
         upstream orders {{ server {SERVICE}; }}\n{written}}}\n"
    );
    let file = folder.path().join("nginx.conf");
    fs::write(&file, configuration).unwrap();
    let mut nginx = Command::new(program("nginx"));
    nginx.arg("-t").arg("-c").arg(&file).arg("-p").arg(folder.path()).args(["-e", "stderr"]);
    let output = run(&mut nginx);
    assert!(output.status.success(), "{}: {}", block.place(), text(&output));
}

/// A dynamic configuration; the service `orders` is added.
///
/// # Panics
/// When Traefik does not take it.
pub(super) fn check_traefik(block: &Block) {
    let services =
        "  services:\n    orders: { loadBalancer: { servers: [{ url: 'http://127.0.0.1:9001' }] } }\n";
    let text = if block.text.contains("services:") {
        block.text.clone()
    } else {
        block.text.replacen("http:\n", &format!("http:\n{services}"), 1)
    };
    drop(Traefik::start(&text));
}

/// Certificates and keys behind nginx's directives for them.
fn make_files(text: &str, folder: &Path) {
    let made = Certificate::for_loopback();
    for (directive, from) in [
        ("ssl_certificate ", made.chain()),
        ("ssl_certificate_key ", made.key()),
        ("proxy_ssl_certificate ", made.chain()),
        ("proxy_ssl_certificate_key ", made.key()),
        ("proxy_ssl_trusted_certificate ", made.authority()),
    ] {
        for line in text.lines().filter_map(|line| line.trim_start().strip_prefix(directive)) {
            fs::copy(&from, folder.join(line.trim_end_matches(';'))).unwrap();
        }
    }
}
