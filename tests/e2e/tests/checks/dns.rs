//! Unbound.

use lab::Result;

use crate::Bench;

/// Answers for "example.net" by itself, over UDP and TCP.
fn config(bench: &Bench) -> Result<String> {
    let strings: Vec<String> =
        (0..40).map(|n| format!("local-data: 'big.example.net TXT \"{}\"'", "x".repeat(200 + n))).collect();
    bench.write(
        "unbound.conf",
        &format!(
            "server:\n interface: 127.0.0.1\n port: 53\n do-daemonize: no\n username: \"\"\n chroot: \"\"\n\
             directory: \"{}\"\n pidfile: \"{}\"\n use-syslog: no\n module-config: \"iterator\"\n\
             access-control: 127.0.0.0/8 allow\n local-zone: example.net static\n\
             local-data: \"www.example.net A 192.0.2.7\"\n local-data: \"example.net MX 10 mail.example.net\"\n {}\n\
             remote-control:\n control-enable: no\n",
            bench.path(""),
            bench.path("pid"),
            strings.join("\n ")
        ),
    )
}

#[test]
fn a_name_server_is_alive_while_it_answers_as_expected() -> Result {
    let bench = Bench::new("dns")?;
    let config = config(&bench)?;
    let mut server = bench.server(&["unbound", "-d", "-c", &config])?;
    let question = "type = \"dns\", name = \"www.example.net\", record = \"A\"";
    let watched = bench.checked("127.0.0.1:53", &format!("{question}, expect = [\"192.0.2.7\"]"))?;
    watched.alive("1 answers")?;
    drop(watched);
    let watched = bench.checked("127.0.0.1:53", &format!("{question}, expect = [\"192.0.2.8\"]"))?;
    watched.dead("is not among the answers")?;
    drop(watched);
    // Too large for a datagram: the answer is fetched over TCP.
    let watched =
        bench.checked("127.0.0.1:53", "type = \"dns\", name = \"big.example.net\", record = \"TXT\"")?;
    watched.alive("40 answers")?;
    drop(watched);
    let watched =
        bench.checked("127.0.0.1:53", "type = \"dns\", name = \"none.example.net\", record = \"A\"")?;
    watched.dead("NameError")?;
    server.kill_tree()?;
    watched.dead("connection refused")
}
