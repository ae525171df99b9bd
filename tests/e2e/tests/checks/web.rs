//! Nginx, over HTTP and HTTPS.

use std::collections::BTreeMap;
use std::time::Duration;

use lab::{Capture, Process, Result, wait};

use crate::Bench;

/// Nginx with a page on port 80 and, secured, on port 443; the folder `www` is what it serves.
fn nginx(bench: &Bench) -> Result<Process> {
    let (certificate, key) = bench.certificate()?;
    let folder = bench.path("");
    lab::run(&["mkdir", "-p", &bench.path("www")])?;
    bench.write("www/health", "status: ok\n")?;
    let config = format!(
        "daemon off;\nuser root;\npid {folder}pid;\nerror_log {folder}error.log;\nevents {{}}\n\
         http {{\n access_log off;\n client_body_temp_path {folder}b;\n proxy_temp_path {folder}p;\n\
         fastcgi_temp_path {folder}f;\n uwsgi_temp_path {folder}u;\n scgi_temp_path {folder}s;\n\
         server {{ listen 127.0.0.1:80; listen 127.0.0.1:443 ssl; server_name server.example;\n\
         ssl_certificate {certificate}; ssl_certificate_key {key}; root {folder}www;\n\
         location /gone {{ return 410; }} }}\n\
         server {{ listen 127.0.0.1:444 ssl; ssl_protocols TLSv1.2; ssl_certificate {certificate};\n\
         ssl_certificate_key {key}; ssl_client_certificate {certificate}; ssl_verify_client on;\n\
         root {folder}www; }}\n}}\n"
    );
    let config = bench.write("nginx.conf", &config)?;
    bench.server(&["nginx", "-c", &config])
}

#[test]
fn a_web_server_is_alive_while_its_answer_is_as_expected() -> Result {
    let bench = Bench::new("http")?;
    let mut server = nginx(&bench)?;
    let check = "type = \"http\", path = \"/health\", host = \"server.example\", body_match = \"status: ok\"";
    let watched = bench.checked("127.0.0.1:80", check)?;
    watched.alive("status 200")?;
    bench.write("www/health", "status: sick\n")?;
    watched.dead("body does not match")?;
    bench.write("www/health", "status: ok\n")?;
    watched.alive("status 200")?;
    std::fs::remove_file(bench.path("www/health"))?;
    watched.dead("status 404, expected 200-299")?;
    server.kill_tree()?;
    watched.dead("connection refused")
}

/// Seen by tcpdump: a SYN, and then the request at once, without an acknowledgement before it.
#[test]
fn the_request_travels_with_the_end_of_the_handshake() -> Result {
    const SYN: u8 = 2;
    const PSH_ACK: u8 = 24;
    let bench = Bench::new("packets")?;
    let _server = nginx(&bench)?;
    let capture = Capture::start_with(&bench.host, "lo", "tcp dst port 80")?;
    let watched = bench.checked("127.0.0.1:80", "type = \"http\", path = \"/health\"")?;
    watched.alive("status 200")?;
    // The loopback interface has Ethernet frames; the port and the flags of TCP over an IPv4 head without options.
    let sent = |bytes: &[u8]| Some((u16::from_be_bytes([*bytes.get(34)?, *bytes.get(35)?]), *bytes.get(47)?));
    wait::until("three connections that begin so", Duration::from_secs(10), || {
        let mut by_port: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
        for (port, flags) in capture.frames().iter().filter_map(|frame| sent(&frame.bytes)) {
            by_port.entry(port).or_default().push(flags);
        }
        Ok(by_port.values().filter(|flags| flags.starts_with(&[SYN, PSH_ACK])).count() >= 3)
    })
}

#[test]
fn digests_and_several_urls_are_looked_at() -> Result {
    let bench = Bench::new("urls")?;
    let _server = nginx(&bench)?;
    let digest = lab::run(&["sha256sum", &bench.path("www/health")])?;
    let digest = digest.split(' ').next().unwrap_or_default();
    let urls = format!(
        "type = \"http\", urls = [{{ path = \"/health\", digest = \"sha256:{digest}\" }}, {{ path = \"/gone\", status = [410] }}]"
    );
    let watched = bench.checked("127.0.0.1:80", &urls)?;
    watched.alive("2 URLs as expected")?;
    bench.write("www/health", "changed\n")?;
    watched.dead("/health: body has digest sha256:")
}

#[test]
fn the_digest_that_is_printed_is_the_one_that_a_check_wants() -> Result {
    let bench = Bench::new("digest")?;
    let mut server = nginx(&bench)?;
    let program = lab::program(lab::Program::Holdfast)?.to_string_lossy().into_owned();
    let digest = |arguments: &[&str]| bench.host.output(&[&[program.as_str(), "digest"], arguments].concat());
    wait::until("nginx", Duration::from_secs(30), || Ok(digest(&["http://127.0.0.1/"])?.code == Some(0)))?;
    let of = |tool: &str| -> Result<String> {
        let text = lab::run(&[tool, &bench.path("www/health")])?;
        Ok(text.split(' ').next().unwrap_or_default().to_owned())
    };
    let (md5, sha256) = (of("md5sum")?, of("sha256sum")?);
    // A name that nobody knows, over TLS with a certificate that nobody trusts, at an address given apart.
    for (url, more, address) in [
        ("http://127.0.0.1/health", &[][..], "127.0.0.1:80"),
        ("http://127.0.0.1/health", &["--virtual-host", "server.example", "--http-1-0"], "127.0.0.1:80"),
        ("https://server.example/health", &["--server", "127.0.0.1"], "127.0.0.1:443"),
        (
            "https://server.example:1/health",
            &["-s", "127.0.0.1:443", "-V", "server.example"],
            "127.0.0.1:443",
        ),
    ] {
        let told = digest(&[more, &[url]].concat())?;
        assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""), "{url}");
        assert!(told.stdout.contains(&format!("MD5      {md5}\n")), "{}", told.stdout);
        assert!(told.stdout.contains(&format!("SHA-256  {sha256}\n")), "{}", told.stdout);
        let line = told.stdout.lines().find_map(|line| line.strip_prefix("check = { ")).unwrap_or_default();
        let watched = bench.checked(address, line.trim_end_matches(" }"))?;
        watched.alive("status 200")?;
    }
    let gone = digest(&["http://127.0.0.1/gone"])?;
    assert!(
        gone.stdout.contains("status   410,") && gone.stdout.contains("status = 410,"),
        "{}",
        gone.stdout
    );
    server.kill_tree()?;
    let refused = digest(&["http://127.0.0.1/health"])?;
    assert_eq!(
        (refused.code, refused.stderr.as_str()),
        (Some(1), "127.0.0.1:80: connection refused\n"),
        "{}",
        refused.stdout
    );
    assert_eq!(digest(&["gopher://x"])?.code, Some(2));
    Ok(())
}

#[test]
fn https_verifies_only_when_told_to() -> Result {
    let bench = Bench::new("https")?;
    let mut server = nginx(&bench)?;
    let watched = bench.checked("127.0.0.1:443", "type = \"https\", path = \"/health\"")?;
    watched.alive("status 200")?;
    drop(watched);
    let verified = |name: &str| {
        let ca = bench.path("server.pem");
        let check =
            format!("type = \"https\", path = \"/health\", server_name = \"{name}\", ca_file = \"{ca}\"");
        bench.checked("127.0.0.1:443", &check)
    };
    verified("server.example")?.alive("status 200")?;
    verified("other.example")?.dead("invalid peer certificate")?;
    let watched = bench.checked("127.0.0.1:80", "type = \"https\"")?;
    watched.dead("answer is not TLS")?;
    drop(watched);
    let watched = verified("server.example")?;
    server.kill_tree()?;
    watched.dead("connection refused")
}

#[test]
fn https_shows_a_certificate_and_insists_on_a_version_when_told_to() -> Result {
    let bench = Bench::new("mtls")?;
    let _server = nginx(&bench)?;
    // This server speaks TLS 1.2 only and wants a certificate: its own, for simplicity.
    let page = "type = \"https\", path = \"/health\"";
    bench.checked("127.0.0.1:444", page)?.dead("status 400")?;
    bench
        .checked("127.0.0.1:444", &format!("{page}, min_version = \"1.3\""))?
        .dead("TLS alert ProtocolVersion")?;
    let (certificate, key) = (bench.path("server.pem"), bench.path("server.key"));
    let identity = format!("{page}, client_certificate = \"{certificate}\", client_key = \"{key}\"");
    bench.checked("127.0.0.1:444", &identity)?.alive("status 200")
}

#[test]
fn a_certificate_that_expires_soon_is_warned_of() -> Result {
    let bench = Bench::new("expiry")?;
    // It is good for two days.
    let _server = nginx(&bench)?;
    let page = "type = \"https\", path = \"/health\"";
    let words = "a check has found what somebody should look at type=https target=127.0.0.1:443 \
                 warning=\"certificate expires in ";
    let watched = bench.checked("127.0.0.1:443", page)?;
    watched.alive("status 200")?;
    let log = watched.holdfast.log().text();
    assert!(log.contains(words), "{log}");
    let text = watched.holdfast.command(&["status"])?.stdout;
    assert!(text.contains("127.0.0.1:443: certificate expires in "), "{text}");
    drop(watched);
    for quiet in ["1d", "0s"] {
        let watched =
            bench.checked("127.0.0.1:443", &format!("{page}, certificate_warning = \"{quiet}\""))?;
        watched.alive("status 200")?;
        let server = watched.server()?;
        let left = server.pointer("/checks/0/certificate_left_s").and_then(serde_json::Value::as_i64);
        assert!(left.is_some_and(|left| (3600..=2 * 86_400).contains(&left)), "{server}");
        let log = watched.holdfast.log().text();
        assert!(!log.contains("certificate expires"), "{log}");
    }
    Ok(())
}
