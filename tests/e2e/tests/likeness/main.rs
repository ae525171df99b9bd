//! Holdfast beside keepalived: the same wishes, the same servers, the same table in the kernel, step by step.
//!
//! Both run in the test kernel at the same time, and a second Holdfast with what `holdfast convert` makes of keepalived's
//! text, each on a director with a table of its own, in front of the same servers. All scenarios are loaded together
//! and go through their steps together, so that the whole comparison costs little more than the slowest of them.

mod backends;
mod coverage;
mod routers;
mod scenario;
mod scenarios;
mod twins;

use std::time::Duration;

use lab::Result;
use lab::uml::Uml;

use scenario::Deed;
use twins::Twins;

#[test]
fn in_the_test_kernel() {
    let kernel = Uml::default().limit(Duration::from_secs(1500)).with_holdfast().unwrap();
    let report = kernel.run_ignored_tests("the_same_wish").unwrap_or_else(|error| panic!("{error}"));
    assert!(!report.contains(" 0 passed"), "nothing was tested: {report}");
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn the_same_wish_makes_the_same_table() -> Result {
    let scenarios = scenarios::all();
    assert!(scenarios.len() >= 25);
    let mut twins = Twins::new(scenarios)?;
    twins.start()?;
    for step in 0..twins.steps() {
        twins.act(step)?;
        twins.compare(step)?;
    }
    twins.compare_the_rest()?;
    twins.stop()
}

/// A second pair of configurations is there where it is loaded.
#[test]
fn what_is_reloaded_has_something_to_load() {
    for scenario in scenarios::all() {
        let reloads = scenario.steps.iter().any(|step| step.deeds.contains(&Deed::Reload));
        assert_eq!(reloads, scenario.reloaded.is_some(), "{}", scenario.name);
    }
}
