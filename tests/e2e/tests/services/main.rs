//! Every key of a service and of its servers: what it does to the kernel's table, and to requests. In the test kernel.

use std::time::Duration;

use lab::uml::Uml;

mod connections;
mod doctor;
mod kernel;
mod leaving;
mod pool;
mod realserver;
mod settings;
mod steering;
mod suspend;
mod tunnels;

/// A check that notices within a second.
const HTTP: &str = r#"{ type = "http", path = "/", status = [200], interval = "500ms", timeout = "1s", retries = 1, retry_delay = "200ms", warm_up = "100ms" }"#;

#[test]
fn in_the_test_kernel() {
    let kernel = Uml::default().limit(Duration::from_secs(600)).with_holdfast().unwrap();
    let report = kernel.run_ignored_tests("").unwrap_or_else(|error| panic!("{error}"));
    assert!(!report.contains(" 0 passed"), "nothing was tested: {report}");
}
