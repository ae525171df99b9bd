//! Exim.

use lab::Result;

use crate::Bench;

#[test]
fn a_mail_server_is_alive_while_it_greets() -> Result {
    let bench = Bench::new("smtp")?;
    let (certificate, key) = bench.certificate()?;
    let folder = bench.path("");
    lab::run(&["chown", "-R", "Debian-exim", &folder])?;
    let config = format!(
        "primary_hostname = mail.example\nspool_directory = {folder}spool\nlog_file_path = {folder}%slog\n\
         pid_file_path = {folder}pid\ntls_advertise_hosts = *\ntls_certificate = {certificate}\n\
         tls_privatekey = {key}\nhost_lookup =\nrfc1413_query_timeout = 0s\nacl_smtp_rcpt = deny\nbegin acl\n"
    );
    let config = bench.write("exim.conf", &config)?;
    let mut server = bench.server(&["exim4", "-C", &config, "-bdf", "-oX", "127.0.0.1 : 25"])?;
    let watched = bench.checked("127.0.0.1:25", "type = \"smtp\", helo_name = \"lb-1.example\"")?;
    watched.alive("greeted and answered")?;
    drop(watched);
    let watched = bench.checked("127.0.0.1:25", "type = \"smtp\", starttls = true")?;
    watched.alive("greeted, secured and answered")?;
    server.kill_tree()?;
    watched.dead("connection refused")
}
