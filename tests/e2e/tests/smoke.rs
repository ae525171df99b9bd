//! The lab works on this machine. Everything else here stands on it.

use lab::{Lan, Result, arping};

#[test]
fn two_hosts_on_a_wire_hear_each_other() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let (a, b) = (lan.host("a", &["192.0.2.1/24"])?, lan.host("b", &["192.0.2.2/24"])?);
    assert_eq!(arping(&a, "eth0", "192.0.2.2")?, [b.mac("eth0")?]);
    Ok(())
}
