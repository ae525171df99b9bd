//! The site of two directors and two web servers, with real IPVS: these tests run in the test kernel, several kernels
//! at a time where there are processors for them.

mod holdfast;
mod sync;
mod wires;

fn in_the_test_kernel(prefix: &str) -> lab::Result {
    // The programs are built here: the guest has no use for cargo.
    let daemon = lab::program(lab::Program::Holdfastd)?;
    let folder = daemon.parent().ok_or("a program has a folder")?;
    let kernel = lab::uml::Uml::default().memory(512).limit(std::time::Duration::from_secs(300));
    let kernel = kernel.env("HOLDFAST_BIN_DIR", folder);
    let report = kernel.run_ignored_tests(prefix).map_err(|error| lab::Error::new(error.to_string()))?;
    assert!(!report.contains(" 0 passed"), "nothing was tested: {report}");
    Ok(())
}

#[test]
fn in_the_test_kernel_by_hand() -> lab::Result {
    in_the_test_kernel("wires::")
}

#[test]
fn in_the_test_kernel_nat() -> lab::Result {
    in_the_test_kernel("holdfast::nat::")
}

#[test]
fn in_the_test_kernel_dr() -> lab::Result {
    in_the_test_kernel("holdfast::dr::")
}

#[test]
fn in_the_test_kernel_tun() -> lab::Result {
    in_the_test_kernel("holdfast::tun::")
}

#[test]
fn in_the_test_kernel_more() -> lab::Result {
    in_the_test_kernel("holdfast::more::")
}

#[test]
fn in_the_test_kernel_sync() -> lab::Result {
    in_the_test_kernel("sync::")
}
