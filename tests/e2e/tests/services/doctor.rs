//! `holdfast doctor` where there is something to balance: what address translation needs of the machine.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use lab::{Lan, Result, TempDir};
use serde_json::Value;

/// The commands that the rules about translation print, and how bad what they mend is.
fn mends(told: &Value) -> Vec<(String, String)> {
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let all = told["findings"].as_array().into_iter().flatten();
    let ours = all
        .filter(|finding| ["forwarding", "conntrack", "modules"].iter().any(|rule| finding["rule"] == *rule));
    ours.map(|finding| (word(finding, "severity"), word(finding, "mend"))).collect()
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn the_doctor_knows_what_translation_needs() -> Result {
    let lan = Lan::new()?;
    let host = lan.host("director", &["192.0.2.1/24"])?;
    for path in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv4/vs/conntrack"] {
        host.sysctl(path, "0")?;
    }
    lab::run(&["/run/lab/bin/modprobe", "nf_conntrack"])?;
    let folder = TempDir::new()?;
    let program = lab::program(lab::Program::Holdfast)?.to_string_lossy().into_owned();
    let look = |forward: &str| -> Result<(Option<i32>, Value)> {
        let service = |vip: &str, server: &str| {
            format!(
                "[[virtual_server]]\naddress = \"{vip}:80\"\nforward = \"{forward}\"\ncheck = []\nreal_servers = [\"{server}\"]\n"
            )
        };
        let text = service("192.0.2.100", "192.0.2.21") + &service("[2001:db8::100]", "2001:db8::21");
        let file = folder.write("holdfast.toml", &text)?;
        std::fs::set_permissions(&file, Permissions::from_mode(0o644))?;
        let (file, dir) = (file.to_string_lossy().into_owned(), folder.path().to_string_lossy().into_owned());
        // In the guest, modprobe stands here.
        let path = "PATH=/run/lab/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let told =
            host.output(&["env", path, &program, "-c", &file, "--run-dir", &dir, "doctor", "--json"])?;
        let json = serde_json::from_str(&told.stdout)
            .map_err(|error| format!("{error}: {}{}", told.stdout, told.stderr))?;
        Ok((told.code, json))
    };
    let (code, told) = look("nat")?;
    let command = |severity: &str, mend: &str| (severity.to_owned(), mend.to_owned());
    assert_eq!(
        mends(&told),
        [
            command("error", "sysctl -w net.ipv4.ip_forward=1"),
            command("error", "sysctl -w net.ipv6.conf.all.forwarding=1"),
            command("note", "sysctl -w net.ipv4.vs.conntrack=1"),
        ],
        "{told}"
    );
    assert_eq!(code, Some(1), "{told}");
    // Direct routing goes without.
    let (code, direct) = look("dr")?;
    assert_eq!((code, mends(&direct)), (Some(0), Vec::new()), "{direct}");
    for (_, mend) in mends(&told) {
        host.run(&["sh", "-c", &mend])?;
    }
    let (code, told) = look("nat")?;
    assert_eq!((code, mends(&told)), (Some(0), Vec::new()), "{told}");
    Ok(())
}
