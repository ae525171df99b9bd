//! Services, checks and IPVS together, with real requests: these tests run in the test kernel.

use std::time::Duration;

use lab::uml::Uml;

mod wires;

#[test]
fn in_the_test_kernel() {
    let kernel = Uml::default().limit(Duration::from_secs(240));
    let report = kernel.run_ignored_tests("").unwrap_or_else(|error| panic!("{error}"));
    assert!(!report.contains(" 0 passed"), "nothing was tested: {report}");
}
