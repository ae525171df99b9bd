//! The site of two directors and two web servers, with real IPVS: these tests run in the test kernel.

mod wires;

#[test]
fn in_the_test_kernel() -> lab::Result {
    let kernel = lab::uml::Uml::default().memory(512).limit(std::time::Duration::from_secs(300));
    let report = kernel.run_ignored_tests("").map_err(|error| lab::Error::new(error.to_string()))?;
    assert!(!report.contains(" 0 passed"), "nothing was tested: {report}");
    Ok(())
}
