//! `promote_secondaries`: a virtual address that goes does not take others of its network along.

use lab::{Holdfast, Netns, Result, SECONDS_10, wait};

use super::{NAME, Two, VIP, config, with_addresses};

const ON: &str = "promote_secondaries = true";
/// The host's own, in a network that the first virtual address opened.
const OWN: &str = "198.51.100.9";

fn setting(host: &Netns) -> Result<String> {
    Ok(host.run(&["cat", "/proc/sys/net/ipv4/conf/eth0/promote_secondaries"])?.trim().to_owned())
}

#[test]
fn an_address_of_the_machine_outlasts_the_virtual_one_it_was_secondary_to() -> Result {
    for (more, outlasts) in [("", false), (ON, true)] {
        let two = Two::new()?;
        two.a.sysctl("net/ipv4/conf/all/promote_secondaries", "0")?;
        two.a.sysctl("net/ipv4/conf/eth0/promote_secondaries", "0")?;
        let text = with_addresses(200, "\"198.51.100.1/24\"", more);
        let a = Holdfast::start(&two.a, &text)?;
        a.wait_state(NAME, "master", SECONDS_10)?;
        two.a.wait_address("198.51.100.1", SECONDS_10)?;
        assert_eq!(setting(&two.a)?, if outlasts { "1" } else { "0" });
        two.a.ip(&format!("addr add {OWN}/24 dev eth0"))?;
        assert!(two.a.ip("addr show dev eth0")?.contains("secondary"), "the test could fail");
        assert_eq!(a.stop()?, 0);
        two.a.wait_no_address("198.51.100.1", SECONDS_10)?;
        assert_eq!(two.a.has_address(OWN)?, outlasts, "{more}");
        assert_eq!(setting(&two.a)?, "0", "put back");
    }
    Ok(())
}

#[test]
fn r20_a_backup_leaves_the_setting_alone_and_a_reload_puts_it_back() -> Result {
    let two = Two::new()?;
    for host in [&two.a, &two.b] {
        host.sysctl("net/ipv4/conf/eth0/promote_secondaries", "0")?;
    }
    let (a, _b) = two.start(ON)?;
    wait::until("the setting", SECONDS_10, || Ok(setting(&two.a)? == "1"))?;
    assert_eq!(setting(&two.b)?, "0");
    assert_eq!(a.reload(&config(200, ""))?.code, Some(0));
    wait::until("it is put back", SECONDS_10, || Ok(setting(&two.a)? == "0"))?;
    assert!(two.a.has_address(VIP)?);
    // Killed, it leaves the setting to the next run.
    assert_eq!(a.reload(&config(200, ON))?.code, Some(0));
    wait::until("the setting", SECONDS_10, || Ok(setting(&two.a)? == "1"))?;
    let folder = a.kill()?;
    std::fs::write(folder.path().join("holdfast.toml"), config(50, ""))?;
    let _a = Holdfast::restart(&two.a, folder)?;
    wait::until("it is put back", SECONDS_10, || Ok(setting(&two.a)? == "0"))
}
