//! `holdfast doctor`: a healthy machine, a setting that is in the way, an address that somebody else has, and who may
//! not look everywhere. (What it says of balancing is in the test kernel: tests/services/doctor.rs.)

use std::os::unix::fs::PermissionsExt as _;

use lab::{Lan, Netns, Output, Result, TempDir};
use serde_json::Value;

const VIP: &str = "192.0.2.100";
const VIP6: &str = "2001:db8::100";
/// A link-local one, as an IPv6 router has it.
const ROUTER: &str = "fe80::100";

/// Runs it in a host, without a daemon.
fn doctor(host: &Netns, folder: &TempDir, config: &str, more: &[&str]) -> Result<Output> {
    doctor_as(&[], host, folder, config, more)
}

/// Runs it behind a command that changes who it is.
fn doctor_as(who: &[&str], host: &Netns, folder: &TempDir, config: &str, more: &[&str]) -> Result<Output> {
    let program = lab::program(lab::Program::Holdfast)?.to_string_lossy().into_owned();
    let file = folder.write("holdfast.toml", config)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644))?;
    let (file, dir) = (file.to_string_lossy().into_owned(), folder.path().to_string_lossy().into_owned());
    host.output(&[who, &[program.as_str(), "-c", &file, "--run-dir", &dir, "doctor"], more].concat())
}

/// What a rule has found, as JSON tells it.
fn found(told: &Output, rule: &str) -> Result<Vec<Value>> {
    let told: Value = serde_json::from_str(&told.stdout)?;
    let all = told["findings"].as_array().cloned().unwrap_or_default();
    Ok(all.into_iter().filter(|finding| finding["rule"] == rule).collect())
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
    let duplicates = found(&told, "duplicates")?;
    assert_eq!(duplicates.len(), 1, "{}", told.stdout);
    assert_eq!(duplicates[0]["severity"], "warning");
    assert!(
        duplicates[0]["what"].as_str().unwrap_or_default().contains(&other.mac("eth0")?),
        "{}",
        told.stdout
    );

    // Here as well: that is wrong whoever it is.
    host.ip(&format!("addr add {VIP}/32 dev eth0"))?;
    let told = doctor(&host, &folder, &usual, &["--json"])?;
    assert_eq!(found(&told, "duplicates")?[0]["severity"], "error", "{}", told.stdout);
    other.ip(&format!("addr del {VIP}/24 dev eth0"))?;
    let told = doctor(&host, &folder, &usual, &["--json"])?;
    assert_eq!(told.code, Some(0), "{}", told.stdout);
    Ok(())
}

/// The same of IPv6, for an address of everywhere and for one of the link.
#[test]
fn the_doctor_asks_the_wire_who_else_has_an_ipv6_address() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["2001:db8::1/64"])?;
    let other = lan.host("b", &["2001:db8::2/64"])?;
    let folder = TempDir::new()?;
    let usual = config(&format!("\"{ROUTER}/64\", \"{VIP6}/64\""));
    let fine = doctor(&host, &folder, &usual, &[])?;
    assert_eq!(fine.code, Some(0), "{}{}", fine.stdout, fine.stderr);

    for (vip, prefix) in [(VIP6, 64), (ROUTER, 64)] {
        // Who is just about to take the address is asked as well, and takes it all the same.
        other.sysctl("net/ipv6/conf/eth0/accept_dad", "1")?;
        other.sysctl("net/ipv6/conf/eth0/dad_transmits", "20")?;
        other.ip(&format!("addr add {vip}/{prefix} dev eth0"))?;
        let told = doctor(&host, &folder, &usual, &["--json"])?;
        assert_eq!(found(&told, "duplicates")?, Vec::<Value>::new(), "{}", told.stdout);
        let state = other.ip(&format!("addr show dev eth0 to {vip}"))?;
        assert!(state.contains("tentative") && !state.contains("dadfailed"), "{state}");
        other.ip(&format!("addr del {vip}/{prefix} dev eth0"))?;
        other.sysctl("net/ipv6/conf/eth0/accept_dad", "0")?;

        other.ip(&format!("addr add {vip}/{prefix} dev eth0 nodad"))?;
        let told = doctor(&host, &folder, &usual, &["--json"])?;
        assert_eq!(told.code, Some(1), "{}{}", told.stdout, told.stderr);
        let duplicates = found(&told, "duplicates")?;
        assert_eq!((duplicates.len(), &duplicates[0]["severity"]), (1, &"warning".into()), "{}", told.stdout);
        let what = duplicates[0]["what"].as_str().unwrap_or_default();
        assert!(what.contains(vip) && what.contains(&other.mac("eth0")?), "{what}");

        host.ip(&format!("addr add {vip}/{prefix} dev eth0 nodad"))?;
        let told = doctor(&host, &folder, &usual, &["--json"])?;
        assert_eq!(found(&told, "duplicates")?[0]["severity"], "error", "{}", told.stdout);
        other.ip(&format!("addr del {vip}/{prefix} dev eth0"))?;
        let told = doctor(&host, &folder, &usual, &["--json"])?;
        assert_eq!(told.code, Some(0), "{}", told.stdout);
        host.ip(&format!("addr del {vip}/{prefix} dev eth0"))?;
    }
    Ok(())
}

/// Who may not look everywhere is told where nobody has looked, and is told everything else.
#[test]
fn the_doctor_says_what_it_could_not_look_at() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.0.2.1/24"])?;
    let other = lan.host("b", &["192.0.2.2/24", "192.0.2.100/24"])?;
    let folder = TempDir::new()?;
    let usual = config(&format!("\"{VIP}\""));
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let told = doctor_as(&nobody, &host, &folder, &usual, &[])?;
    assert_eq!(told.code, Some(0), "{}{}", told.stdout, told.stderr);
    for what in ["duplicate addresses on the wire", "the packet filter", "capabilities"] {
        assert!(told.stdout.contains(&format!("skipped  {what}: needs root\n")), "{}", told.stdout);
    }
    assert!(told.stdout.ends_with("nothing is wrong\n"), "{}", told.stdout);
    let told = doctor_as(&nobody, &host, &folder, &usual.replace("eth0", "eth7"), &["--json"])?;
    assert_eq!(told.code, Some(1), "{}{}", told.stdout, told.stderr);
    assert_eq!(found(&told, "interfaces")?.len(), 1, "{}", told.stdout);
    let json: Value = serde_json::from_str(&told.stdout)?;
    assert_eq!(json["skipped"].as_array().map(Vec::len), Some(3), "{json}");

    // Root in a container that lacks them: the daemon would not work either.
    let less = ["setpriv", "--bounding-set=-net_admin,-net_raw", "--inh-caps=-net_admin,-net_raw"];
    let told = doctor_as(&less, &host, &folder, &usual, &["--json"])?;
    assert_eq!(told.code, Some(1), "{}{}", told.stdout, told.stderr);
    let lacking = found(&told, "capabilities")?;
    let lacking: Vec<_> = lacking.iter().filter_map(|finding| finding["what"].as_str()).collect();
    assert!(
        lacking.len() == 2
            && lacking[0].contains("no CAP_NET_ADMIN")
            && lacking[1].contains("no CAP_NET_RAW"),
        "{lacking:?}"
    );
    let json: Value = serde_json::from_str(&told.stdout)?;
    let skipped = json["skipped"][0].as_str().unwrap_or_default();
    assert!(
        skipped.starts_with("duplicate addresses on the wire: ") && skipped.contains("not permitted"),
        "{json}"
    );
    drop(other);
    Ok(())
}
