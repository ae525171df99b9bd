//! A process out of descriptors knows nothing of its servers, and says so. Alone in its process, for the limit's sake.

mod support;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use support::{Running, Server, alive, one};

#[test]
fn without_descriptors_nobody_is_taken_for_dead() {
    let server = Server::new(drop);
    let mut running = Running::start(&one(server.address, "type = \"tcp\", retry_delay = \"50ms\""));
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
