//! Measurements for people: `cargo test --release -p holdfast-checker --test measure -- --ignored --nocapture`.

mod support;

use std::net::TcpListener;

use nix::sys::resource::{UsageWho, getrusage};
use support::Running;

/// A thousand tcp checks a second on addresses of loopback: CPU time of this process for each. (The server's side of the
/// handshakes, which the kernel does in our time too, is included.)
#[test]
#[ignore = "measures, and takes its time"]
fn a_thousand_tcp_checks_a_second() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let servers: Vec<String> =
        (0..1000).map(|n| format!("\"127.1.{}.{}:{port}\"", n / 250, n % 250 + 1)).collect();
    let text = format!(
        "[checker]\nipvs = false\n[[virtual_server]]\naddress = \"192.0.2.1:80\"\n\
         check = {{ type = \"tcp\", interval = 1, timeout = 1, warm_up = 1 }}\nreal_servers = [{}]\n",
        servers.join(", ")
    );
    let mut running = Running::start(&text);
    let attempts = |running: &Running| running.progress()["checks_finished"].as_u64().unwrap();
    let seconds = std::env::var("SECONDS_LONG").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let before = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut accepted = std::collections::VecDeque::new();
    while attempts(&running) < 1000 * seconds {
        running.turn();
        // Accepted, but not closed before the check has seen its connection.
        accepted.extend(std::iter::from_fn(|| listener.accept().ok()));
        accepted.drain(..accepted.len().saturating_sub(100));
    }
    let after = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let micros = |usage: nix::sys::resource::Usage| {
        let time = |value: nix::sys::time::TimeVal| value.tv_sec() * 1_000_000 + value.tv_usec();
        time(usage.user_time()) + time(usage.system_time())
    };
    let per_check = (micros(after) - micros(before)) / i64::try_from(attempts(&running)).unwrap();
    println!("{} checks, {per_check} us of CPU each (with accepting)", attempts(&running));
}

/// A thousand virtual servers of ten: planning, a reload with one change, a checkpoint, in microseconds.
#[test]
#[ignore = "measures"]
fn a_reload_with_one_change_among_ten_thousand_servers() {
    let text = |weight: u32| {
        let mut text = String::from("[checker]\nipvs = false\n");
        for service in 0..1000 {
            let (high, low) = (service / 250, service % 250 + 1);
            text.push_str(&format!(
                "[[virtual_server]]\naddress = \"192.168.{high}.{low}:80\"\nscheduler = \"wlc\"\n\
                 check = {{ type = \"http\", path = \"/healthz\", interval = \"1h\", warm_up = \"1h\" }}\n"
            ));
            for server in 0..10 {
                let weight = if service == 500 && server == 5 { weight } else { 1 };
                text.push_str(&format!(
                    "[[virtual_server.real_server]]\naddress = \"10.{high}.{low}.{}:8080\"\nweight = {weight}\n",
                    server + 1
                ));
            }
        }
        text
    };
    let cpu = || {
        let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
        let time = |value: nix::sys::time::TimeVal| value.tv_sec() * 1_000_000 + value.tv_usec();
        time(usage.user_time()) + time(usage.system_time())
    };
    let (first, second) = (text(1), text(2));
    let start = cpu();
    let mut running = Running::start(&first);
    let started = cpu();
    println!("start: {} us", started - start);
    running.turn_without_waiting();
    let saved = cpu();
    println!("checkpoint of {} bytes: {} us", running.checkpoint().len(), saved - started);
    let changes = running.prepare(&second).unwrap();
    let prepared = cpu();
    println!("prepare: {} us, {} change", prepared - saved, changes.as_array().unwrap().len());
    running.commit();
    let committed = cpu();
    println!("commit: {} us", committed - prepared);
    running.turn_without_waiting();
    println!("turn behind it: {} us", cpu() - committed);
    let memory = || {
        let text = std::fs::read_to_string("/proc/self/status").unwrap();
        println!("{}", text.lines().find(|line| line.starts_with("VmRSS")).unwrap());
    };
    memory();
    let before = cpu();
    let status = running.status().to_string();
    println!("status of {} bytes: {} us", status.len(), cpu() - before);
    drop(status);
    running.turn_without_waiting();
    memory();
}
