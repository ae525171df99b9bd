//! All tables of keywords, and the page that is made of them.

use std::fmt::Write as _;

use super::keyword::{Fate, Row, rows};
use super::{auth, check, http, instance, process, resources, service, site, track};

/// The rows of every kind of block.
pub(super) fn tables() -> Vec<(&'static str, Vec<Row>)> {
    vec![
        ("the top of the file", rows(site::TOP)),
        ("global_defs", rows(site::GLOBAL)),
        ("global_defs: processes", rows(resources::KEYWORDS)),
        ("vrrp_instance", rows(instance::KEYWORDS)),
        ("auth_hmac", rows(auth::KEYWORDS)),
        ("vrrp_sync_group", rows(track::GROUP)),
        ("vrrp_script", rows(track::SCRIPT)),
        ("track_file", rows(track::FILE)),
        ("vrrp_track_process", rows(process::KEYWORDS)),
        ("virtual_server", rows(service::VIRTUAL)),
        ("real_server", rows(service::REAL)),
        ("every check", rows(check::COMMON)),
        ("checks that connect", rows(check::CONNECT)),
        ("HTTP_GET and SSL_GET", rows(http::KEYWORDS)),
        ("SSL_GET", rows(http::TLS)),
        ("url", rows(http::URL)),
        ("SMTP_CHECK", rows(check::SMTP)),
        ("DNS_CHECK", rows(check::DNS)),
        ("UDP_CHECK", rows(check::UDP)),
        ("MISC_CHECK", rows(check::MISC)),
        ("FILE_CHECK", rows(check::FILE)),
        ("bfd_instance", rows(site::BFD)),
        ("blocks that are told of above", rows(site::INSIDE)),
    ]
}

/// What becomes of every keyword, in Markdown.
pub(super) fn page() -> String {
    let mut page = String::new();
    for (block, rows) in tables() {
        let _infallible = write!(page, "\n### {block}\n\n| keyword | in Holdfast |\n|---|---|\n");
        for (names, key, fate) in rows {
            let names = names.replace(", ", "`, `");
            let text = match fate {
                Fate::Key => format!("`{key}`"),
                Fate::Needless => format!("not needed: {key}"),
                Fate::Lost => format!("not there: {key}"),
            };
            let _infallible = writeln!(page, "| `{names}` | {text} |");
        }
    }
    page
}
