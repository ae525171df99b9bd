//! Whole files: what comes out, and that `holdfast check` takes it.

use std::path::{Path, PathBuf};

use common::config::{Diagnostics, Sources};

use super::{Disk, convert};
use crate::roles::ROLES;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/convert");

/// What `holdfast check` says of a text.
fn faults(text: &str) -> String {
    let sources = Sources::from_text("new.toml", text);
    let mut diagnostics = Diagnostics::new();
    common::role::check(ROLES, &sources, &mut diagnostics);
    if diagnostics.has_errors() { diagnostics.render(&sources) } else { String::new() }
}

/// Every `NAME.conf` with the exact `NAME.toml` that comes of it and, in `NAME.said`, what is told.
/// `UPDATE=1 cargo test -p holdfast` writes both anew.
#[test]
fn the_corpus_is_converted_as_written_down() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(CORPUS).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    files.sort();
    assert!(files.len() > 3);
    for path in files {
        let converted = convert(&Disk, &path, "lb1").unwrap();
        let folder = format!("{CORPUS}/");
        let said: String = converted
            .report
            .remarks()
            .iter()
            .map(|remark| format!("{remark}\n").replace(&folder, ""))
            .collect();
        let text = converted.text.replace(&folder, "");
        for (extension, have) in [("toml", &text), ("said", &said)] {
            let wanted = path.with_extension(extension);
            if update {
                std::fs::write(&wanted, have).unwrap();
            }
            assert_eq!(*have, std::fs::read_to_string(&wanted).unwrap_or_default(), "{}", wanted.display());
        }
        assert_eq!(faults(&text), "", "{}:\n{text}", path.display());
    }
}

fn one(text: &str) -> (String, String) {
    struct Memory(String);
    impl super::source::Files for Memory {
        fn read(&self, _: &Path) -> Result<String, String> {
            Ok(self.0.clone())
        }
        fn find(&self, _: &str) -> Vec<PathBuf> {
            Vec::new()
        }
    }
    let converted = convert(&Memory(text.to_owned()), Path::new("k.conf"), "lb1").unwrap();
    let said: Vec<String> = converted.report.remarks().iter().map(ToString::to_string).collect();
    (converted.text, said.join("\n"))
}

fn instance_with(lines: &str) -> String {
    let text = format!(
        "vrrp_instance V {{\n interface eth0\n virtual_router_id 7\n virtual_ipaddress {{\n 192.0.2.1/24\n }}\n{lines}\n}}"
    );
    let (toml, said) = one(&text);
    assert_eq!(faults(&toml), "", "{toml}\n{said}");
    toml + &said
}

#[test]
fn what_keepalived_means_without_saying_so_is_said() {
    let toml = instance_with("");
    assert!(toml.contains("version = 2"), "{toml}");
    assert!(!instance_with("authentication {\n auth_type PASS\n auth_pass 1111\n}").contains("version"));
    assert!(instance_with("state MASTER").contains("priority = 255"));
    assert!(instance_with("garp_master_repeat 3").contains("inferior_repeat = 3"));
    let (toml, _) = one("virtual_server 192.0.2.1 53 {\n real_server 192.0.2.2 53 {\n DNS_CHECK {\n }\n}\n}");
    for part in ["protocol = \"udp\"", "interval = \"60s\"", "allow_empty = true", "retry_delay = \"60s\""] {
        assert!(toml.contains(part), "{part}: {toml}");
    }
}

/// `faults` would tell: mail that nobody is to get is refused where it is asked for.
#[test]
fn mail_that_keepalived_does_not_send_is_not_asked_for_and_that_is_said() {
    let why = "# keepalived sends no mail without both smtp_server and notification_email";
    let toml = instance_with("smtp_alert");
    assert!(!toml.contains("alert = true") && toml.contains(why), "{toml}");
    let mail = "global_defs {\n smtp_server 192.0.2.25\n smtp_alert\n}\n";
    let servers = "virtual_server 192.0.2.1 80 {\n protocol TCP\n smtp_alert\n real_server 192.0.2.2 80 {\n \
                   smtp_alert\n TCP_CHECK {\n }\n}\n}\n";
    let group = "vrrp_sync_group G {\n group {\n V\n }\n smtp_alert\n}\n\
                 vrrp_instance V {\n interface eth0\n virtual_router_id 7\n virtual_ipaddress {\n 192.0.2.1/24\n }\n}\n";
    for text in [servers.to_owned(), group.to_owned(), format!("{mail}{servers}"), format!("{mail}{group}")] {
        let (toml, said) = one(&text);
        assert_eq!(faults(&toml), "", "{toml}\n{said}");
        assert!(!toml.contains("alert = true") && toml.contains(why), "{toml}");
    }
}

#[test]
fn a_mistyped_keyword_is_told_with_the_one_that_is_meant() {
    let (toml, said) = one("vrrp_instance V {\n interfce eth0\n virtual_router_id 7\n}");
    assert!(
        said.contains(
            "k.conf:2: error: keepalived knows no keyword `interfce` in vrrp_instance (is `interface` meant?)"
        ),
        "{said}"
    );
    assert!(toml.contains("# ERROR: "), "{toml}");
}

/// Every keyword of keepalived's parser is known here: carried over, needless, or lost with a word about it.
#[test]
fn no_keyword_of_keepalived_is_unknown() {
    let all = std::fs::read_to_string(format!("{CORPUS}/keywords")).unwrap();
    let known: Vec<String> =
        super::keywords::tables().iter().flat_map(|(_, rows)| rows.iter().map(|row| row.0.clone())).collect();
    let known: Vec<&str> = known.iter().flat_map(|names| names.split(", ")).collect();
    let missing: Vec<&str> = all.split_whitespace().filter(|word| !known.contains(word)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// `UPDATE=1 cargo test -p holdfast` writes it anew.
#[test]
fn the_page_for_users_of_keepalived_has_every_keyword() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/keepalived.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let mark = "<!-- from here on written by `UPDATE=1 cargo test -p holdfast` -->\n";
    let (by_hand, _) = page.split_once(mark).unwrap();
    let mut wanted = format!("{by_hand}{mark}");
    wanted.push_str(&super::keywords::page());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), wanted);
}

/// The way to a server that differs from the service's, whichever it is.
#[test]
fn the_way_to_each_server_is_kept() {
    let service = |own: &str, servers: &[&str]| {
        let servers: String = servers
            .iter()
            .zip(1..)
            .map(|(way, number)| {
                format!("real_server 192.0.2.{number} 80 {{\n {way}\n TCP_CHECK {{\n }}\n}}\n")
            })
            .collect();
        let (toml, said) =
            one(&format!("virtual_server 192.0.2.9 80 {{\n protocol TCP\n {own}\n {servers}}}"));
        assert_eq!(faults(&toml), "", "{toml}\n{said}");
        toml
    };
    let toml = service("lb_kind DR", &["lvs_method NAT", "lvs_method DR"]);
    assert_eq!(
        (toml.matches("forward = \"nat\"").count(), toml.matches("forward").count()),
        (1, 2),
        "{toml}"
    );
    let toml = service("lb_kind TUN type gre", &["lvs_method TUN", ""]);
    assert_eq!((toml.matches("forward = \"tun\"").count(), toml.matches("tunnel").count()), (2, 1), "{toml}");
    let toml = service("", &["lvs_method TUN type gre", "lvs_method TUN"]);
    assert_eq!((toml.matches("forward = \"tun\"").count(), toml.matches("tunnel").count()), (2, 1), "{toml}");
    let toml = service("", &["lvs_method TUN type gre", "lvs_method TUN type gre"]);
    assert_eq!((toml.matches("forward = \"tun\"").count(), toml.matches("tunnel").count()), (1, 1), "{toml}");
    // The sorry server's way is the service's own.
    let toml = service("sorry_server 192.0.2.8 80", &["lvs_method DR"]);
    assert!(toml.contains("address = \"192.0.2.1:80\"\nforward = \"dr\""), "{toml}");
}

/// In whatever order the three keywords come.
#[test]
fn a_sorry_server_keeps_all_that_is_said_of_it() {
    let words = ["sorry_server 192.0.2.8 80", "sorry_server_lvs_method DR", "sorry_server_inhibit"];
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let lines = order.map(|at| words[at]).join("\n");
        let server = "real_server 192.0.2.1 80 {\n TCP_CHECK {\n }\n}";
        let (toml, said) =
            one(&format!("virtual_server 192.0.2.9 80 {{\n protocol TCP\n {lines}\n {server}\n}}"));
        assert_eq!(faults(&toml), "", "{toml}\n{said}");
        for part in ["address = \"192.0.2.8:80\"", "forward = \"dr\"", "inhibit_on_failure = true"] {
            assert!(toml.contains(part), "{part}: {toml}");
        }
    }
}
