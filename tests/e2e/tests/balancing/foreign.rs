//! Other programs and the same table: what is ours is repaired, what is theirs is left alone.

use e2e::farm::{DR, NAT, farm};
use lab::Result;

const THEIRS: [&str; 2] = ["-A -t 198.51.100.1:80 -s lc", "-a -t 198.51.100.1:80 -r 10.0.0.21:80 -g -w 4"];
const OURS: [&str; 5] = [
    "-A -t 192.0.2.100:80 -s rr",
    "-a -t 192.0.2.100:80 -r 10.0.0.21:80 -m -w 1",
    "-a -t 192.0.2.100:80 -r 10.0.0.22:80 -m -w 1",
    "-A -t 192.0.2.101:80 -s wlc",
    "-a -t 192.0.2.101:80 -r 10.0.0.21:80 -g -w 1",
];

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn foreign_changes_are_repaired_and_logged_and_foreign_services_are_left_alone() -> Result {
    let farm = farm();
    for line in THEIRS {
        farm.ipvsadm(line)?;
    }
    // A service of ours that somebody made before, not quite as we want it.
    farm.ipvsadm("-A -t 192.0.2.100:80 -s wlc -p 30")?;
    farm.ipvsadm("-a -t 192.0.2.100:80 -r 10.0.0.99:80 -m")?;
    let holdfast = farm.start(&format!(
        r#"
[[virtual_server]]
address = "{NAT}:80"
scheduler = "rr"
forward = "nat"
check = []
real_servers = ["10.0.0.21:80", "10.0.0.22:80"]

[[virtual_server]]
address = "{DR}:80"
forward = "dr"
check = []
real_servers = ["10.0.0.21:80"]
"#
    ))?;
    let all = [&OURS[..], &THEIRS[..]].concat();
    farm.wait_saved(&all)?;
    for change in [
        "-d -t 192.0.2.100:80 -r 10.0.0.21:80",
        "-e -t 192.0.2.100:80 -r 10.0.0.22:80 -m -w 9",
        "-a -t 192.0.2.100:80 -r 10.0.0.98:80 -m",
        "-E -t 192.0.2.100:80 -s sh",
        "-D -t 192.0.2.101:80",
    ] {
        let mark = holdfast.log().mark();
        farm.ipvsadm(change)?;
        farm.wait_saved(&all).map_err(|error| format!("after {change}: {error}"))?;
        let log = holdfast.log().text_from(mark);
        assert!(log.contains("another program changed the IPVS table"), "after {change}:\n{log}");
    }
    farm.ipvsadm("-e -t 198.51.100.1:80 -r 10.0.0.21:80 -g -w 5")?;
    farm.ipvsadm("-D -t 192.0.2.100:80")?;
    let all = [&OURS[..], &[THEIRS[0], "-a -t 198.51.100.1:80 -r 10.0.0.21:80 -g -w 5"]].concat();
    farm.wait_saved(&all)?;
    assert_eq!(holdfast.stop()?, 0);
    assert_eq!(farm.saved()?, all[5..]);
    Ok(())
}
