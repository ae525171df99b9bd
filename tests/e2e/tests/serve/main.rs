//! `holdfast serve` before a daemon that runs, and beside one that does not.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use lab::{Holdfast, HttpServer, Lan, Netns, Process, Program, Reply, Result, SECONDS_10, TempDir, wait};
use serde_json::Value;

mod browser;
mod orders;

const LIMIT: Duration = Duration::from_secs(30);
const ADDRESS: &str = "127.0.0.1:9650";
const CONFIG: &str = r#"
[global]
router_id = "lb-1"
[checker]
ipvs = false
[[vrrp.script]]
name = "yes"
command = "/bin/true"
[[vrrp.instance]]
name = "VI_1"
interface = "eth0"
virtual_router_id = 51
virtual_addresses = ["192.0.2.100/24"]
track_scripts = ["yes"]
[[vrrp.instance]]
name = "VI_2"
interface = "eth7"
virtual_router_id = 52
virtual_addresses = ["192.0.2.200/24"]
[[virtual_server]]
address = "192.0.2.100:80"
quorum = 2
check = { type = "http", interval = "200ms", retries = 0, timeout = "1s" }
real_servers = ["127.0.0.1:8081", "127.0.0.1:1"]
"#;

/// A host with a daemon and `holdfast serve`.
struct Stage {
    serve: Process,
    daemon: Holdfast,
    host: Netns,
    folder: TempDir,
    web: HttpServer,
    _lan: Lan,
}

impl Stage {
    fn new(options: &[&str]) -> Result<Self> {
        Self::with(CONFIG, options)
    }

    /// With more than the usual configuration.
    fn with(config: &str, options: &[&str]) -> Result<Self> {
        lab::require_privileges()?;
        let lan = Lan::new()?;
        let host = lan.host("lb-1", &["192.0.2.1/24"])?;
        let web = HttpServer::start(&host, "127.0.0.1:8081", "ok")?;
        let daemon = Holdfast::start(&host, config)?;
        daemon.wait_state("VI_1", "master", LIMIT)?;
        let folder = TempDir::new()?;
        let serve = serve(&host, &daemon, &folder, options)?;
        Ok(Self { serve, daemon, host, folder, web, _lan: lan })
    }

    fn get(&self, path: &str) -> Result<Reply> {
        lab::get(&self.host, ADDRESS, path, SECONDS_10)
    }

    /// Waits until the daemon's own status has one server that is up, and one that is down.
    fn wait_verdicts(&self) -> Result {
        wait::until("a server up and one down", LIMIT, || {
            let status = self.daemon.status()?;
            let servers = status.pointer("/checker/virtual_servers/0/real_servers").and_then(Value::as_array);
            let alive: Vec<_> = servers.into_iter().flatten().map(|server| server["alive"] == true).collect();
            Ok(alive == [true, false])
        })
    }
}

fn serve(host: &Netns, daemon: &Holdfast, folder: &TempDir, options: &[&str]) -> Result<Process> {
    let command = lab::program(Program::Holdfast)?;
    let run = daemon.folder().path().join("run");
    let (command, run) = (command.to_string_lossy(), run.to_string_lossy());
    let mut argv = options.to_vec();
    // Words in front of the command, then its own.
    let own = argv.iter().position(|word| word.starts_with("--listen")).unwrap_or(argv.len());
    let rest = argv.split_off(own);
    argv.extend([&*command, "serve", "--run-dir", &*run]);
    argv.extend(rest);
    let log = folder.path().join("serve.log");
    let process = Process::start(host, &argv, &log)?;
    process.log().wait("serving on", SECONDS_10)?;
    Ok(process)
}

/// The reader that comes with Prometheus' own library finds nothing wrong with the numbers, and finds them all.
#[test]
fn the_metrics_are_what_the_standard_says() -> Result {
    let stage = Stage::new(&["--listen=127.0.0.1:9650", "--compat=keepalived-exporter"])?;
    stage.wait_verdicts()?;
    let reply = wait::value("metrics of that", LIMIT, || {
        let reply = stage.get("/metrics")?;
        Ok(reply.body.contains("rs=\"127.0.0.1:8081\"} 1").then_some(reply))
    })?;
    assert_eq!(reply.status, 200);
    let file = stage.folder.write("metrics", &reply.body)?;
    let read = "import sys\n\
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as read\n\
        for family in read(open(sys.argv[1]).read()):\n\
        \x20   assert family.documentation, family.name\n\
        \x20   for sample in family.samples: print(sample.name, sorted(sample.labels.items()), float(sample.value))\n";
    let read = lab::run(&["/usr/bin/python3", "-c", read, &file.to_string_lossy()])?;
    let has = |name: &str, words: &str, value: &str| {
        let line = read.lines().find(|line| {
            line.starts_with(&format!("{name} "))
                && line.contains(words)
                && line.ends_with(&format!(" {value}"))
        });
        assert!(line.is_some(), "{name} {words} {value}\n{read}");
    };
    has("holdfast_vrrp_state", "('instance', 'VI_1'), ('interface', 'eth0'), ('state', 'master')", "1.0");
    has("holdfast_vrrp_state", "('instance', 'VI_2'), ('interface', 'eth7'), ('state', 'fault')", "1.0");
    has("holdfast_rs_up", "127.0.0.1:8081", "1.0");
    has("holdfast_rs_up", "127.0.0.1:1'", "0.0");
    has("holdfast_vs_quorum_up", "192.0.2.100:80", "0.0");
    has("holdfast_up", "('process', 'checker')", "1.0");
    has("keepalived_vrrp_state", "192.0.2.100/24", "2.0");
    Ok(())
}

#[test]
fn json_and_csv_say_what_the_daemon_says() -> Result {
    let stage = Stage::new(&["--listen=127.0.0.1:9650"])?;
    stage.wait_verdicts()?;
    let keys = |value: &Value| {
        value.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect::<Vec<_>>()
    };
    let json: Value = serde_json::from_str(&stage.get("/status.json")?.body)?;
    let own = stage.daemon.status()?;
    assert_eq!(keys(&json), keys(&own));
    assert_eq!(json["vrrp"]["instances"][0]["state"], "master");
    // HAProxy's own format: names in the first line, as many cells in every other.
    let csv = wait::value("rows of that", LIMIT, || {
        let text = stage.get("/stats;csv")?.body;
        Ok(text.contains(",DOWN,").then_some(text))
    })?;
    let header = csv.lines().next().and_then(|line| line.strip_prefix("# ")).ok_or("a header")?;
    let file = stage.folder.write("stats", &csv)?;
    let read = "import csv, sys\n\
        for row in csv.DictReader(open(sys.argv[1])):\n\
        \x20   assert None not in row and None not in row.values(), row\n\
        \x20   print(row['# pxname'], row['svname'], row['status'])\n";
    let rows = lab::run(&["/usr/bin/python3", "-c", read, &file.to_string_lossy()])?;
    let rows: Vec<&str> = rows.lines().collect();
    assert!(header.starts_with("pxname,svname,qcur,"), "{header}");
    assert_eq!(
        rows,
        [
            "192.0.2.100:80 127.0.0.1:8081 UP",
            "192.0.2.100:80 127.0.0.1:1 DOWN",
            "192.0.2.100:80 BACKEND DOWN"
        ]
    );
    for (path, status) in [("/health", 200), ("/etc/passwd", 404), ("/body", 200)] {
        assert_eq!(stage.get(path)?.status, status, "{path}");
    }
    let posted =
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", "http://127.0.0.1:9650/"];
    assert_eq!(stage.host.run(&posted)?, "405");
    let head = stage.host.run(&["curl", "-s", "-I", "http://127.0.0.1:9650/"])?;
    assert!(head.contains("200 OK") && head.contains("default-src 'none'"), "{head}");
    Ok(())
}

fn health(host: &Netns) -> Result<u16> {
    Ok(lab::get(host, ADDRESS, "/health", SECONDS_10)?.status)
}

/// Who measures learns that there is nothing to measure, and is served again without anybody's help.
#[test]
fn a_daemon_that_is_away_and_comes_back() -> Result {
    let Stage { mut serve, daemon, host, folder: _folder, web: _web, _lan } =
        Stage::new(&["--listen=127.0.0.1:9650"])?;
    let left = daemon.kill()?;
    wait::until("503", LIMIT, || Ok(health(&host)? == 503))?;
    let metrics = lab::get(&host, ADDRESS, "/metrics", SECONDS_10)?;
    assert!(
        metrics.status == 200 && metrics.body.contains("holdfast_up{process=\"watchdog\"} 0"),
        "{metrics:?}"
    );
    let page = lab::get(&host, ADDRESS, "/", SECONDS_10)?;
    assert!(page.body.contains("the daemon does not answer"), "{page:?}");
    let daemon = Holdfast::restart(&host, left)?;
    wait::until("200", LIMIT, || Ok(health(&host)? == 200))?;
    assert!(serve.running());
    assert_eq!(daemon.stop()?, 0);
    Ok(())
}

#[test]
fn on_a_socket_of_the_file_system() -> Result {
    let folder = TempDir::new()?;
    let path = folder.path().join("serve.sock").to_string_lossy().into_owned();
    let listen = format!("--listen=unix:{path}");
    let Stage { mut serve, daemon, host, folder: _own, web: _web, _lan } = Stage::new(&[&listen])?;
    let ask = ["curl", "-s", "--unix-socket", &path, "http://lb-1/health"];
    assert_eq!(host.run(&ask)?, "ok\n");
    // One that is listened on is not taken away; one that was left behind is.
    let other = TempDir::new()?;
    assert!(self::serve(&host, &daemon, &other, &[&listen]).is_err());
    assert_eq!(host.run(&ask)?, "ok\n");
    serve.kill_tree()?;
    assert!(std::fs::exists(&path)?);
    // A log of its own: the first one says already that it serves.
    let fresh = TempDir::new()?;
    let _again = self::serve(&host, &daemon, &fresh, &[&listen])?;
    assert_eq!(host.run(&ask)?, "ok\n");
    Ok(())
}

/// Without any privilege, as a user that only the sockets let in.
#[test]
fn as_a_user_without_privileges() -> Result {
    let nobody =
        ["setpriv", "--reuid=65534", "--regid=0", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"];
    let options = [nobody.as_slice(), &["--no-new-privs", "--listen=127.0.0.1:9650"]].concat();
    let stage = Stage::new(&options)?;
    assert_eq!(stage.get("/health")?.status, 200);
    let pid = stage.serve.pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    assert!(status.contains("CapEff:\t0000000000000000") && status.contains("Uid:\t65534"), "{status}");
    Ok(())
}

/// Clients that say nothing, say too much, or do not read: the others do not notice.
#[test]
fn clients_that_mean_no_good() -> Result {
    let mut stage = Stage::new(&["--listen=127.0.0.1:9650"])?;
    let connect = || stage.host.enter(|| TcpStream::connect(ADDRESS));
    let mut idle = Vec::new();
    for number in 0..20 {
        let mut stream = connect()??;
        if number % 2 == 0 {
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost")?;
        }
        idle.push(stream);
    }
    assert_eq!(stage.get("/health")?.status, 200);
    // A header without an end.
    let mut stream = connect()??;
    stream.set_read_timeout(Some(SECONDS_10))?;
    stream.write_all(b"GET / HTTP/1.1\r\nX: ")?;
    // It may be cut off while it still writes.
    let _cut = stream.write_all(&vec![b'a'; 100_000]);
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    // No request at all.
    let mut stream = connect()??;
    stream.set_read_timeout(Some(SECONDS_10))?;
    stream.write_all(b"\x16\x03\x01\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    // Many questions, and nobody who reads the answers.
    let mut greedy = connect()??;
    greedy.set_write_timeout(Some(Duration::from_secs(1)))?;
    let _cut = greedy.write_all("GET /metrics HTTP/1.1\r\n\r\n".repeat(10_000).as_bytes());
    assert_eq!(stage.get("/health")?.status, 200);
    // Who says nothing is let go.
    for stream in &mut idle {
        stream.set_read_timeout(Some(LIMIT))?;
        let mut nothing = Vec::new();
        stream.read_to_end(&mut nothing)?;
        assert_eq!(nothing, b"");
    }
    assert!(stage.serve.running());
    Ok(())
}
