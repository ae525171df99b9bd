//! The files that both are compared by use every keyword that is carried over.

use std::collections::BTreeSet;

use crate::scenario::Places;
use crate::{routers, scenarios};

/// Keywords without a witness here, and why.
const WITHOUT: &[(&str, &str, &str)] = &[
    ("global_defs", "lvs_sync_daemon", "the site's tests look at it, with ipvsadm"),
    ("vrrp_instance", "lvs_sync_daemon_interface", "the same"),
    ("global_defs", "lvs_notify_fifo", "another name for the pipe that vrrp_notify_fifo shows"),
    ("global_defs", "lvs_flush_onstop", "another name"),
    ("global_defs: processes", "vrrp_rlimit_rtime", "another name"),
    ("global_defs: processes", "checker_rlimit_rtime", "another name"),
    ("global_defs: processes", "checker_rlimit_rttime", "as that of vrrp, by the same code"),
    ("global_defs: processes", "checker_rt_priority", "the same"),
    ("global_defs: processes", "checker_cpu_affinity", "the same"),
    ("vrrp_instance", "notify_deleted", "needs a reload: the tests of scripts have it"),
    ("vrrp_track_process", "param_match", "keepalived sees no process from within a namespace"),
    ("vrrp_track_process", "delay", "the same"),
    ("virtual_server", "ha_suspend", "it waits for VRRP: the tests of services have it"),
    ("virtual_server", "omega", "it shows after the end: the tests of services have it"),
    ("global_defs", "notification_email", "mail: the tests of alerts read it"),
    ("global_defs", "notification_email_from", "mail"),
    ("global_defs", "smtp_server", "mail"),
    ("global_defs", "smtp_helo_name", "mail"),
    ("global_defs", "smtp_connect_timeout", "mail"),
    ("global_defs", "smtp_alert", "mail"),
    ("global_defs", "smtp_alert_vrrp", "mail"),
    ("global_defs", "smtp_alert_checker", "mail"),
    ("global_defs", "no_email_faults", "mail"),
    ("vrrp_instance", "smtp_alert", "mail"),
    ("vrrp_sync_group", "smtp_alert", "mail"),
    ("virtual_server", "smtp_alert", "mail"),
    ("real_server", "smtp_alert", "mail"),
];

/// Blocks of the page and the blocks of a file whose keywords it lists.
const BLOCKS: &[(&str, &[&str])] = &[
    ("the top of the file", &[""]),
    ("global_defs", &["global_defs"]),
    ("global_defs: processes", &["global_defs"]),
    ("vrrp_instance", &["vrrp_instance"]),
    ("auth_hmac", &["auth_hmac"]),
    ("vrrp_sync_group", &["vrrp_sync_group"]),
    ("vrrp_script", &["vrrp_script"]),
    ("track_file", &["track_file", "vrrp_track_file"]),
    ("vrrp_track_process", &["vrrp_track_process"]),
    ("virtual_server", &["virtual_server"]),
    ("real_server", &["real_server"]),
    ("every check", CHECKS),
    ("checks that connect", CHECKS),
    ("HTTP_GET and SSL_GET", &["HTTP_GET", "SSL_GET"]),
    ("SSL_GET", &["SSL_GET"]),
    ("url", &["url"]),
    ("SMTP_CHECK", &["SMTP_CHECK"]),
    ("DNS_CHECK", &["DNS_CHECK"]),
    ("UDP_CHECK", &["UDP_CHECK"]),
    ("MISC_CHECK", &["MISC_CHECK"]),
    ("FILE_CHECK", &["FILE_CHECK"]),
];

const CHECKS: &[&str] = &[
    "TCP_CHECK",
    "HTTP_GET",
    "SSL_GET",
    "SMTP_CHECK",
    "DNS_CHECK",
    "UDP_CHECK",
    "PING_CHECK",
    "MISC_CHECK",
    "FILE_CHECK",
];

/// Every keyword of a file with the block that it stands in.
fn keywords(text: &str, into: &mut BTreeSet<(String, String)>) {
    let mut blocks = vec![String::new()];
    for line in text.lines() {
        let line = line.split(['#', '!']).next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(first) = words.first() else { continue };
        if *first == "}" {
            blocks.pop();
            continue;
        }
        into.insert((blocks.last().cloned().unwrap_or_default(), (*first).to_owned()));
        if words.last() == Some(&"{") {
            blocks.push((*first).to_owned());
        }
    }
}

#[test]
fn every_keyword_that_is_carried_over_has_a_witness() -> lab::Result {
    let mut used = BTreeSet::new();
    for text in routers::FILES {
        keywords(text, &mut used);
    }
    for scenario in scenarios::all() {
        keywords(crate::twins::GLOBAL.0, &mut used);
        let places = Places { number: 0, folder: "/tmp".to_owned(), own: "10.0.0.1" };
        keywords(&places.keepalived(scenario.keepalived), &mut used);
        if let Some((text, _)) = scenario.reloaded {
            keywords(&places.keepalived(text), &mut used);
        }
    }
    let command = lab::program(lab::Program::Holdfast)?;
    let page = lab::run(&[command.as_os_str(), "convert".as_ref(), "--keywords".as_ref()])?;
    let (mut block, mut wrong, mut carried) = ("", Vec::new(), 0);
    for line in page.lines() {
        block = line.strip_prefix("### ").unwrap_or(block);
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (Some(names), Some(instead)) = (cells.next(), cells.next()) else { continue };
        if !instead.starts_with('`') {
            continue;
        }
        let (_, inside) =
            BLOCKS.iter().find(|(name, _)| *name == block).ok_or(format!("the block {block}"))?;
        for name in names.split(", ").map(|name| name.trim_matches('`')) {
            carried += 1;
            let is_used = used.iter().any(|(block, word)| word == name && inside.contains(&block.as_str()));
            let is_listed = WITHOUT.iter().any(|(of, word, _)| *of == block && *word == name);
            if is_used == is_listed {
                wrong.push(format!(
                    "{block}: {name} is {}",
                    if is_used { "listed and used" } else { "neither" }
                ));
            }
        }
    }
    assert!(carried > 150, "{carried}");
    assert_eq!(wrong, Vec::<String>::new());
    Ok(())
}
