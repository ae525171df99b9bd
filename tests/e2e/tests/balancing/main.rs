//! Services, checks and IPVS together, with real requests: these tests run in the test kernel.

use std::time::Duration;

use lab::uml::Uml;

mod crash;
mod foreign;
mod forwarding;
mod health;
mod reload;
mod storm;
mod traffic;
mod wires;

/// A check that notices within a second.
const HTTP: &str = r#"{ type = "http", path = "/", status = [200], interval = "500ms", timeout = "1s", retries = 1, retry_delay = "200ms", warm_up = "100ms" }"#;

#[test]
fn in_the_test_kernel() {
    let kernel = Uml::default().limit(Duration::from_secs(500)).with_holdfast().unwrap();
    let report = kernel.skip("storm::").run_ignored_tests("").unwrap_or_else(|error| panic!("{error}"));
    assert!(!report.contains(" 0 passed"), "nothing was tested: {report}");
}

#[test]
fn storms_in_the_test_kernel() {
    let kernel = Uml::default().limit(Duration::from_secs(900)).with_holdfast().unwrap();
    let report = kernel.run_ignored_tests("storm::").unwrap_or_else(|error| panic!("{error}"));
    assert!(report.contains(" 2 passed"), "not everything was tested: {report}");
}
