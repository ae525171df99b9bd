//! A process out of descriptors knows nothing of its servers, and says so. Alone in its process, for the limit's sake.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails so")]

mod support;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use support::{Running, Server, alive, config, one};

/// One after the other: they share the limit.
#[test]
fn descriptors() {
    the_limit_is_raised_to_what_the_checks_need();
    without_descriptors_nobody_is_taken_for_dead();
}

fn the_limit_is_raised_to_what_the_checks_need() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 100, hard).unwrap();
    let servers: Vec<_> = (1..200_u8).map(|host| format!("127.0.7.{host}:9").parse().unwrap()).collect();
    let mut running = Running::start(&config(&servers, "type = \"tcp\"", ""));
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert_eq!(soft, 199 + 256);
    running.stop();
}

/// Sockets that are bound to a source are opened anew for each attempt.
fn without_descriptors_nobody_is_taken_for_dead() {
    let server = Server::new(drop);
    let mut running = Running::start(&one(
        server.address,
        "type = \"tcp\", source = \"127.0.0.1\", retry_delay = \"50ms\"",
    ));
    running.until_result("connection accepted");
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 3, hard).unwrap();
    let status = running.until("errors of this machine", |status| {
        status["real_servers"][0]["checks"][0]["local_errors"].as_u64() >= Some(3)
    });
    assert_eq!(alive(&status), [true]);
    assert_eq!(status["real_servers"][0]["checks"][0]["failures"], 0);
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    running.until_result("connection accepted");
}
