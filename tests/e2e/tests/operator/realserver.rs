//! `holdfast realserver`: a machine that holds a virtual address and does not answer for it on the wire.

use std::time::Duration;

use lab::{HttpServer, Lan, Netns, Output, Program, Result, TempDir, arping, get, program};

const VIP: &str = "192.0.2.100";
const LIMIT: Duration = Duration::from_secs(30);

/// A real server, and where its state is kept.
struct RealServer {
    host: Netns,
    folder: TempDir,
}

impl RealServer {
    fn holdfast(&self, what: &str, vip: &str) -> Result<Output> {
        let program = program(Program::Holdfast)?.to_string_lossy().into_owned();
        let state = self.folder.path().join("state.json").to_string_lossy().into_owned();
        self.host.output(&[&program, "realserver", what, "--vip", vip, "--state", &state])
    }

    fn settings(&self) -> Result<[String; 2]> {
        let of = |name: &str| self.host.run(&["cat", &format!("/proc/sys/net/ipv4/conf/all/{name}")]);
        Ok([of("arp_ignore")?, of("arp_announce")?])
    }
}

#[test]
fn a_real_server_holds_the_address_in_silence_and_is_left_as_it_was() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let client = lan.host("client", &["192.0.2.30/24", "2001:db8::30/64"])?;
    let host = lan.host("web", &["192.0.2.11/24", "2001:db8::11/64"])?;
    let web = RealServer { host, folder: TempDir::new()? };
    // Somebody has thought of the one already, and of an address.
    web.host.sysctl("net/ipv4/conf/all/arp_ignore", "0")?;
    web.host.sysctl("net/ipv4/conf/all/arp_announce", "1")?;
    web.host.ip("addr add 192.0.2.101/32 dev lo")?;
    let before = (web.settings()?, web.host.ip("-o addr show")?);
    assert_eq!(
        arping(&client, "eth0", "192.0.2.101")?.len(),
        1,
        "a machine answers for what is on its loopback"
    );

    let checked = web.holdfast("check", VIP)?;
    assert_eq!(checked.code, Some(1), "{}", checked.stderr);
    assert!(checked.stdout.contains("    sysctl -w net.ipv4.conf.all.arp_ignore=1\n"), "{}", checked.stdout);
    assert!(checked.stdout.contains(&format!("    ip address add {VIP}/32 dev lo\n")), "{}", checked.stdout);

    let all = format!("{VIP},192.0.2.101,2001:db8::100");
    for _ in 0..2 {
        // Twice is once.
        let up = web.holdfast("up", &all)?;
        assert_eq!(up.code, Some(0), "{} {}", up.stdout, up.stderr);
    }
    assert!(web.host.has_address(VIP)? && web.host.has_address("2001:db8::100")?);
    assert_eq!(web.settings()?.map(|value| value.trim().to_owned()), ["1", "2"]);
    assert_eq!(arping(&client, "eth0", VIP)?, Vec::<String>::new());
    // Neighbour discovery answers for an interface's own addresses only, without being told so.
    let found = client.output(&["ping", "-c", "1", "-W", "1", "2001:db8::100"])?;
    assert_ne!(found.code, Some(0), "{}", found.stdout);
    let checked = web.holdfast("check", &all)?;
    assert_eq!(
        (checked.code, checked.stdout.as_str()),
        (Some(0), "nothing is wrong\n"),
        "{}",
        checked.stderr
    );

    // As a director would send it: with the hardware address of the server.
    let _server = HttpServer::start(&web.host, "[::]:80", "web")?;
    client.ip(&format!("neigh replace {VIP} lladdr {} dev eth0 nud permanent", web.host.mac("eth0")?))?;
    assert_eq!(get(&client, &format!("{VIP}:80"), "/", LIMIT)?.body, "web");

    // What somebody spoils is found, and the command that is printed mends it.
    web.host.sysctl("net/ipv4/conf/all/arp_ignore", "0")?;
    client.ip(&format!("neigh del {VIP} dev eth0"))?;
    assert_eq!(arping(&client, "eth0", VIP)?.len(), 1);
    let checked = web.holdfast("check", VIP)?;
    assert_eq!(checked.code, Some(1));
    for mend in checked.stdout.lines().filter_map(|line| line.strip_prefix("    ")) {
        web.host.run(&["sh", "-c", mend])?;
    }
    assert_eq!(web.holdfast("check", VIP)?.code, Some(0));
    assert_eq!(arping(&client, "eth0", VIP)?, Vec::<String>::new());

    // While another address needs it, it stays silent.
    assert_eq!(web.holdfast("down", VIP)?.code, Some(0));
    assert!(!web.host.has_address(VIP)?);
    assert_eq!(web.holdfast("check", "2001:db8::100,192.0.2.101")?.code, Some(0));
    let down = web.holdfast("down", &all)?;
    assert_eq!((down.code, down.stderr.as_str()), (Some(0), ""), "{}", down.stdout);
    assert_eq!((web.settings()?, web.host.ip("-o addr show")?), before);
    assert!(!web.folder.path().join("state.json").exists());
    Ok(())
}

#[test]
fn an_address_that_is_answered_for_elsewhere_is_told() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("web", &["192.0.2.11/24"])?;
    let web = RealServer { host, folder: TempDir::new()? };
    assert_eq!(web.holdfast("up", VIP)?.code, Some(0));
    web.host.ip(&format!("addr add {VIP}/24 dev eth0"))?;
    let checked = web.holdfast("check", VIP)?;
    assert_eq!(checked.code, Some(1));
    assert_eq!(
        checked.stdout,
        format!(
            "{VIP} is on eth0 as well, and is answered for there\n    ip address del {VIP}/24 dev eth0\n"
        )
    );
    for (vip, code) in [("127.0.0.1", 2), ("nonsense", 2)] {
        assert_eq!(web.holdfast("up", vip)?.code, Some(code), "{vip}");
    }
    Ok(())
}

/// Its init script, with its paths pointing into a folder of this test, by what LSB says of its exit codes.
#[test]
fn the_init_script_makes_a_real_server_and_leaves_it_as_it_was() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let client = lan.host("client", &["192.0.2.30/24"])?;
    let host = lan.host("web", &["192.0.2.11/24"])?;
    let folder = TempDir::new()?;
    let at = folder.path().display().to_string();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../etc/init.d/holdfast-realserver");
    let script = std::fs::read_to_string(script)?
        .replace("/usr/bin/holdfast", &program(Program::Holdfast)?.to_string_lossy())
        .replace("/etc/default/holdfast-realserver", &format!("{at}/default"));
    let init = folder.write("init", &script)?.to_string_lossy().into_owned();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../etc/default/holdfast-realserver");
    let shipped = std::fs::read_to_string(shipped)?;
    let default = |vip: &str| {
        let words = shipped
            .replace("VIP=\"\"", &format!("VIP=\"{vip}\""))
            .replace("OPTIONS=\"\"", &format!("OPTIONS=\"--state {at}/state.json\""));
        folder.write("default", &words)
    };
    let run = |who: &[&str], action: &str| host.output(&[who, &["sh", &init, action]].concat());
    let code = |action: &str, code: i32, why: &str| -> Result {
        let done = run(&[], action)?;
        assert_eq!(done.code, Some(code), "{action}: {why}: {}{}", done.stdout, done.stderr);
        Ok(())
    };
    let setting = || host.run(&["cat", "/proc/sys/net/ipv4/conf/all/arp_ignore"]);
    let before = (setting()?, host.ip("-o addr show")?);

    // As it is installed.
    default("")?;
    for (action, expected) in
        [("status", 3), ("start", 6), ("restart", 6), ("stop", 0), ("try-restart", 0), ("nonsense", 2)]
    {
        code(action, expected, "there is no address yet")?;
    }

    default(VIP)?;
    code("status", 3, "it is not set up")?;
    code("stop", 0, "what is stopped stays so")?;
    code("try-restart", 0, "only what runs is restarted")?;
    assert!(!host.has_address(VIP)?);
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let refused = run(&nobody, "start")?;
    assert_eq!(refused.code, Some(4), "{}{}", refused.stdout, refused.stderr);

    for _ in 0..2 {
        code("start", 0, "starting what runs is no fault")?;
        code("status", 0, "it is set up")?;
    }
    assert!(host.has_address(VIP)?);
    assert_eq!(arping(&client, "eth0", VIP)?, Vec::<String>::new());
    for action in ["restart", "try-restart", "reload", "force-reload"] {
        code(action, 0, "it is set up")?;
        assert!(host.has_address(VIP)?, "{action}");
    }

    // What somebody has spoiled is not running, and is mended by a start.
    host.ip(&format!("addr del {VIP}/32 dev lo"))?;
    code("status", 3, "the address is gone")?;
    code("reload", 0, "what is missing is put back")?;
    code("status", 0, "it is back")?;

    code("stop", 0, "")?;
    code("status", 3, "it is stopped")?;
    assert_eq!((setting()?, host.ip("-o addr show")?), before);

    default("nonsense")?;
    code("start", 2, "that is no address")?;
    std::fs::write(&init, script.replace("CONTROL=", "CONTROL=/nowhere"))?;
    code("start", 5, "the program is not installed")?;
    Ok(())
}
