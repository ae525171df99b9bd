//! Exim.

use lab::{Process, Result};

use crate::Bench;

/// Greets on port 25 of the host; its certificate is good for two days.
fn exim(bench: &Bench) -> Result<Process> {
    let (certificate, key) = bench.certificate()?;
    let folder = bench.path("");
    lab::run(&["chown", "-R", "Debian-exim", &folder])?;
    let config = format!(
        "primary_hostname = mail.example\nspool_directory = {folder}spool\nlog_file_path = {folder}%slog\n\
         pid_file_path = {folder}pid\ntls_advertise_hosts = *\ntls_certificate = {certificate}\n\
         tls_privatekey = {key}\nhost_lookup =\nrfc1413_query_timeout = 0s\nacl_smtp_rcpt = deny\nbegin acl\n"
    );
    let config = bench.write("exim.conf", &config)?;
    bench.server(&["exim4", "-C", &config, "-bdf", "-oX", "127.0.0.1 : 25"])
}

#[test]
fn a_mail_server_is_alive_while_it_greets() -> Result {
    let bench = Bench::new("smtp")?;
    let mut server = exim(&bench)?;
    let watched = bench.checked("127.0.0.1:25", "type = \"smtp\", helo_name = \"lb-1.example\"")?;
    watched.alive("greeted and answered")?;
    drop(watched);
    let watched = bench.checked("127.0.0.1:25", "type = \"smtp\", starttls = true")?;
    watched.alive("greeted, secured and answered")?;
    server.kill_tree()?;
    watched.dead("connection refused")
}

#[test]
fn a_certificate_behind_starttls_that_expires_soon_is_warned_of() -> Result {
    let bench = Bench::new("starttls")?;
    let _server = exim(&bench)?;
    let check = "type = \"smtp\", starttls = true";
    let words = "a check has found what somebody should look at type=smtp target=127.0.0.1:25 \
                 warning=\"certificate expires in ";
    let watched = bench.checked("127.0.0.1:25", check)?;
    watched.alive("greeted, secured and answered")?;
    let log = watched.holdfast.log().text();
    assert!(log.contains(words), "{log}");
    let text = watched.holdfast.command(&["status"])?.stdout;
    assert!(text.contains("127.0.0.1:25: certificate expires in "), "{text}");
    drop(watched);
    let watched = bench.checked("127.0.0.1:25", &format!("{check}, certificate_warning = \"1d\""))?;
    watched.alive("greeted, secured and answered")?;
    let left = watched.server()?;
    let left = left.pointer("/checks/0/certificate_left_s").and_then(serde_json::Value::as_i64);
    assert!(left.is_some_and(|left| (3600..=2 * 86_400).contains(&left)), "{left:?}");
    let log = watched.holdfast.log().text();
    assert!(!log.contains("certificate expires"), "{log}");
    Ok(())
}
