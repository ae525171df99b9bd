use super::*;
use proptest::prelude::*;

#[test]
fn reports_about_other_things_are_passed_over() {
    let frame = Frame { kind: libc::RTM_NEWROUTE, flags: 0, sequence: 0, payload: &[0; 40] };
    assert_eq!(Event::parse(&frame), None);
}

#[test]
fn a_quiet_monitor_has_nothing_to_read() {
    let mut monitor = Monitor::open().unwrap();
    // The machine the test runs on may be reporting things; what matters is that reading ends.
    while monitor.read(|_| ()).unwrap() {}
}

proptest! {
    #[test]
    fn any_report_is_read_without_panic(
        kind in prop_oneof![Just(libc::RTM_NEWLINK), Just(libc::RTM_DELADDR), any::<u16>()],
        payload in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = Event::parse(&Frame { kind, flags: 0, sequence: 0, payload: &payload });
    }
}
