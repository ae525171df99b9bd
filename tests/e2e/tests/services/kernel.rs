//! The kernel's table as a whole: services of others, and how long connections are remembered.

use e2e::farm::{NAT, farm};
use lab::{Result, SECONDS_10, wait};

const OURS: [&str; 2] = ["-A -t 192.0.2.100:80 -s rr", "-a -t 192.0.2.100:80 -r 10.0.0.21:80 -m -w 1"];
const THEIRS: &str = "-A -t 198.51.100.1:80 -s lc";

fn text(keys: &str) -> String {
    format!(
        "[checker]\n{keys}\n[[virtual_server]]\naddress = \"{NAT}:80\"\nscheduler = \"rr\"\ncheck = []\n\
         real_servers = [\"10.0.0.21:80\"]\n"
    )
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn the_table_is_flushed_where_that_is_wanted() -> Result {
    let farm = farm();
    // Ours from before: its connections and counters stay.
    farm.ipvsadm(OURS[0])?;
    farm.ipvsadm(OURS[1])?;
    farm.ask(&format!("{NAT}:80"))?;
    farm.wait_counted(&format!("{NAT}:80"), 1)?;
    farm.ipvsadm(THEIRS)?;
    let holdfast = farm.start(&text("flush_at_start = true"))?;
    farm.wait_lines(&OURS)?;
    assert_eq!(farm.counted(&format!("{NAT}:80"))?[0], 1, "kept, not made anew");
    // A successor and a reload flush nothing.
    farm.ipvsadm(THEIRS)?;
    let before = holdfast.child("checker")?;
    holdfast.signal_child("checker", nix::sys::signal::Signal::SIGKILL)?;
    wait::until("another checker", SECONDS_10, || {
        Ok(holdfast.child("checker").is_ok_and(|pid| pid != before))
    })?;
    let keys = "flush_at_start = true\nflush_at_stop = true";
    assert_eq!(holdfast.reload(&text(keys))?.code, Some(0));
    farm.wait_lines(&[OURS[0], OURS[1], THEIRS])?;
    assert_eq!(holdfast.stop()?, 0);
    assert_eq!(farm.saved()?, [""; 0]);
    Ok(())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn the_kernel_remembers_connections_as_long_as_it_is_told() -> Result {
    let farm = farm();
    let set = |numbers: &str| farm.ipvsadm(&format!("--set {numbers}"));
    let now = || -> Result<String> {
        let text = farm.ipvsadm("-L --timeout")?;
        Ok(text.trim().rsplit(": ").next().unwrap_or_default().to_owned())
    };
    let wait = |wanted: &str| wait::until(&format!("timeouts {wanted}"), SECONDS_10, || Ok(now()? == wanted));
    set("900 120 300")?;
    let holdfast = farm.start(&text("timeouts = { tcp = \"10m\", tcp_fin = 30 }"))?;
    wait("600 30 300")?;
    set("1 2 3")?;
    wait("600 30 300")?;
    let log = holdfast.log().text();
    assert!(log.contains("another program changed how long IPVS remembers connections"), "{log}");
    assert_eq!(holdfast.reload(&text("timeouts = { udp = \"1m\" }"))?.code, Some(0));
    wait("900 120 60")?;
    let before = holdfast.child("checker")?;
    holdfast.signal_child("checker", nix::sys::signal::Signal::SIGKILL)?;
    wait::until("another checker", SECONDS_10, || {
        Ok(holdfast.child("checker").is_ok_and(|pid| pid != before))
    })?;
    assert_eq!(now()?, "900 120 60");
    assert_eq!(holdfast.stop()?, 0);
    assert_eq!(now()?, "900 120 300", "as it was before");
    Ok(())
}
