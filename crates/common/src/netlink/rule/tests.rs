use super::*;
use proptest::prelude::*;

#[test]
fn a_rule_is_written_as_it_is_read() {
    let mut rule = Rule::new(Family::V4, 1000);
    rule.priority = Some(100);
    rule.from = Some(("192.0.2.0".parse().unwrap(), 24));
    rule.to = Some(("198.51.100.1".parse().unwrap(), 32));
    rule.input = Some("eth0".into());
    rule.output = Some("eth1".into());
    rule.mark = Some((7, 0xff));
    let message = rule.install_message();
    let reply = Reply { kind: libc::RTM_NEWRULE, payload: message.payload() };
    assert_eq!(Rule::parse(&reply), Some(rule));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Rule::parse(&Reply { kind: libc::RTM_NEWRULE, payload: &payload });
    }
}
