//! `holdfast doctor`: a healthy machine, a setting that is in the way, and an address that somebody else has.

use std::os::unix::fs::PermissionsExt as _;

use lab::{Lan, Netns, Output, Result, TempDir};
use serde_json::Value;

const VIP: &str = "192.0.2.100";

/// Runs it in a host, without a daemon.
fn doctor(host: &Netns, folder: &TempDir, config: &str, more: &[&str]) -> Result<Output> {
    let program = lab::program(lab::Program::Holdfast)?.to_string_lossy().into_owned();
    let file = folder.write("holdfast.toml", config)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640))?;
    let (file, dir) = (file.to_string_lossy().into_owned(), folder.path().to_string_lossy().into_owned());
    host.output(&[&[program.as_str(), "-c", &file, "--run-dir", &dir, "doctor"], more].concat())
}

fn config(address: &str) -> String {
    format!(
        "[[vrrp.instance]]\nname = \"VI_1\"\ninterface = \"eth0\"\nvirtual_router_id = 51\nvirtual_addresses = [{address}]\n"
    )
}

#[test]
fn the_doctor_finds_what_is_in_the_way_and_its_command_mends_it() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.0.2.1/24"])?;
    let folder = TempDir::new()?;
    let usual = config(&format!("\"{VIP}\""));
    let fine = doctor(&host, &folder, &usual, &[])?;
    assert_eq!(fine.code, Some(0), "{}{}", fine.stdout, fine.stderr);
    assert!(fine.stdout.ends_with("nothing is wrong\n"), "{}", fine.stdout);

    // On the loopback interface, nobody asks for it, and the setting says that it is not answered for elsewhere.
    let quiet = config(&format!("{{ address = \"{VIP}/32\", interface = \"lo\" }}"));
    assert_eq!(doctor(&host, &folder, &quiet, &[])?.code, Some(0));
    host.sysctl("net/ipv4/conf/all/arp_ignore", "1")?;
    let spoiled = doctor(&host, &folder, &quiet, &[])?;
    assert_eq!(spoiled.code, Some(1), "{}{}", spoiled.stdout, spoiled.stderr);
    assert!(spoiled.stdout.contains("warning  192.0.2.100 is put on lo"), "{}", spoiled.stdout);
    let mend =
        spoiled.stdout.lines().find(|line| line.trim_start().starts_with("sysctl -w")).unwrap_or_default();
    host.run(&["sh", "-c", mend.trim()])?;
    assert_eq!(doctor(&host, &folder, &quiet, &[])?.code, Some(0));

    let missing = doctor(&host, &folder, &usual.replace("eth0", "eth7"), &[])?;
    assert_eq!(missing.code, Some(1));
    assert!(missing.stdout.contains("error    there is no interface eth7"), "{}", missing.stdout);
    assert_eq!(doctor(&host, &folder, "nonsense = 1\n", &[])?.code, Some(2));
    Ok(())
}

#[test]
fn the_doctor_asks_the_wire_who_else_has_the_address() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.0.2.1/24"])?;
    let other = lan.host("b", &["192.0.2.2/24", "192.0.2.100/24"])?;
    let folder = TempDir::new()?;
    let usual = config(&format!("\"{VIP}\""));
    let told = doctor(&host, &folder, &usual, &["--json"])?;
    assert_eq!(told.code, Some(1), "{}{}", told.stdout, told.stderr);
    let told: Value = serde_json::from_str(&told.stdout)?;
    let of = |told: &Value| -> Vec<Value> {
        let all = told["findings"].as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|finding| finding["rule"] == "duplicates").collect()
    };
    let found = of(&told);
    assert_eq!((told["fine"].as_bool(), found.len()), (Some(false), 1), "{told}");
    assert_eq!(found[0]["severity"], "warning");
    assert!(found[0]["what"].as_str().unwrap_or_default().contains(&other.mac("eth0")?), "{told}");

    // Here as well: that is wrong whoever it is.
    host.ip(&format!("addr add {VIP}/32 dev eth0"))?;
    let told: Value = serde_json::from_str(&doctor(&host, &folder, &usual, &["--json"])?.stdout)?;
    assert_eq!(of(&told)[0]["severity"], "error", "{told}");
    other.ip(&format!("addr del {VIP}/24 dev eth0"))?;
    let told = doctor(&host, &folder, &usual, &["--json"])?;
    assert_eq!(told.code, Some(0), "{}", told.stdout);
    Ok(())
}
