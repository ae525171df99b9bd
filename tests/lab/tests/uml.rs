//! The test kernel itself: exit codes, output, isolation, and IPVS being there.

#![expect(clippy::panic, clippy::expect_used, reason = "helpers of tests may panic")]

use lab::uml::{self, NO_REPORT, Uml, UmlError};
use std::time::Duration;

fn failure(result: Result<String, UmlError>) -> (i32, String) {
    match result.expect_err("the command should have failed") {
        UmlError::Failed { code, output } => (code, output),
        other => panic!("{other}"),
    }
}

#[test]
fn a_command_finds_ipvs_and_a_machine_of_its_own() {
    let script =
        "ipvsadm -A -t 192.0.2.1:80 -s sh && ipvsadm -Sn && ls /tmp /run && ip -br link && echo \"$NOTE\"";
    let output = Uml::default().env("NOTE", "two  words").run(["bash", "-c", script]).unwrap();
    assert!(output.contains("-A -t 192.0.2.1:80 -s sh"), "{output}");
    assert!(output.contains("two  words"), "{output}");
    assert!(!output.contains("eth0"), "the host's interfaces are not the guest's: {output}");
}

#[test]
fn the_commands_exit_code_and_output_come_through() {
    let (code, output) = failure(uml::run(["bash", "-c", "seq 20000; echo oops >&2; exit 7"]));
    assert_eq!(code, 7);
    assert!(output.contains("\n20000\noops\n"), "output is lost or out of order");
}

#[test]
fn a_guest_that_dies_or_hangs_has_failed() {
    let (code, output) = failure(uml::run(["bash", "-c", "echo c > /proc/sysrq-trigger"]));
    assert_eq!(code, NO_REPORT);
    assert!(output.contains("Kernel panic"), "{output}");
    let hanging = Uml::default().limit(Duration::from_secs(4));
    assert_eq!(failure(hanging.run(["sleep", "1000"])).0, NO_REPORT);
}

mod guest {
    #[test]
    #[ignore = "needs the test kernel: run by ignored_tests_run_in_the_guest"]
    fn this_is_the_guest() {
        assert!(lab::uml::in_guest());
    }
}

#[test]
fn ignored_tests_run_in_the_guest() {
    assert!(!uml::in_guest());
    let report = uml::run_ignored_tests("guest::").unwrap();
    assert!(report.contains("1 passed; 0 failed"), "{report}");
}
