//! `holdfast realserver` behind a director: requests that arrive by direct routing and through tunnels.

use e2e::farm::{DR, TUN, farm};
use lab::{Netns, Result};
use serde_json::Value;

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn a_real_server_is_made_ready_for_its_director() -> Result {
    let farm = farm();
    farm.open_tunnels()?;
    let web = farm.host(1)?;
    let program = lab::program(lab::Program::Holdfast)?.to_string_lossy().into_owned();
    let realserver = |what: &str, vip: &str, more: &[&str]| {
        let state = "/run/realserver.json";
        web.output(&[&[program.as_str(), "realserver", what, "--vip", vip, "--state", state], more].concat())
    };
    let setting = |path: &str| web.run(&["cat", &format!("/proc/sys/net/ipv4/conf/{path}")]);
    let service = |vip: &str, keys: &str| {
        format!(
            "[[virtual_server]]\naddress = \"{vip}:80\"\ncheck = []\n{keys}\nreal_servers = [\"10.0.0.21\"]\n"
        )
    };
    let served = |vip: &str, how: &str| -> Result {
        let answers = farm.ask_often(&format!("{vip}:80"), 2).map_err(|error| {
            let links = web.ip("-s link show").unwrap_or_default();
            format!("{how}: {error}\n{links}\n{}", web.ip("addr show").unwrap_or_default())
        })?;
        assert_eq!(answers.get("web1"), Some(&2), "{how}");
        Ok(())
    };
    // A machine that knows nothing of it.
    for command in
        [&format!("addr del {DR}/32 dev lo"), "link del tun0", "link del gre1", "fou del port 6080"]
    {
        web.ip(command)?;
    }
    for name in ["arp_ignore", "arp_announce"] {
        web.sysctl(&format!("net/ipv4/conf/all/{name}"), "0")?;
    }
    let holdfast = farm.start(&service(DR, "forward = \"dr\""))?;
    let up = realserver("up", DR, &[])?;
    assert_eq!(up.code, Some(0), "{} {}", up.stdout, up.stderr);
    served(DR, "direct routing")?;
    assert_eq!(realserver("down", DR, &[])?.code, Some(0));
    assert!(!web.has_address(DR)?);
    assert_eq!(setting("all/arp_ignore")?.trim(), "0");

    web.sysctl("net/ipv4/conf/all/rp_filter", "1")?;
    for (tunnel, more) in [
        ("", &["--mode", "tun"][..]),
        ("tunnel = { type = \"gue\", port = 6080 }", &["--mode", "tun", "--tunnel", "gue"]),
        ("tunnel = { type = \"gre\" }", &["--mode", "tun", "--tunnel", "gre"]),
    ] {
        assert_eq!(holdfast.reload(&service(TUN, &format!("forward = \"tun\"\n{tunnel}")))?.code, Some(0));
        let checked = realserver("check", TUN, more)?;
        assert_eq!(checked.code, Some(1), "{tunnel}: {}", checked.stdout);
        let up = realserver("up", TUN, more)?;
        assert_eq!(up.code, Some(0), "{tunnel}: {} {}", up.stdout, up.stderr);
        served(TUN, tunnel)?;
        let down = realserver("down", TUN, more)?;
        assert_eq!((down.code, down.stderr.as_str()), (Some(0), ""), "{tunnel}");
        assert_eq!(realserver("check", TUN, more)?.stdout, checked.stdout, "{tunnel}: as it was before");
    }

    // As the other tests of the farm want it.
    web.sysctl("net/ipv4/conf/all/rp_filter", "0")?;
    web.sysctl("net/ipv4/conf/all/arp_ignore", "1")?;
    web.sysctl("net/ipv4/conf/all/arp_announce", "2")?;
    web.ip(&format!("addr add {DR}/32 dev lo"))?;
    web.ip("link add tun0 type ipip local 10.0.0.21")?;
    web.ip(&format!("addr add {TUN}/32 dev tun0"))?;
    web.ip("link set tun0 up")?;
    farm.open_tunnels()
}

/// Addresses, links and routes.
fn network(host: &Netns) -> Result<[String; 3]> {
    Ok([host.ip("-o addr show")?, host.ip("-o link show")?, host.ip("-6 route show table all")?])
}

/// IPv6, in packets of IPv6 and of IPv4.
#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn a_real_server_takes_ipv6_out_of_tunnels() -> Result {
    const VIP: &str = "2001:db8:1::102";
    let farm = farm();
    let web = farm.host(1)?;
    let program = lab::program(lab::Program::Holdfast)?.to_string_lossy().into_owned();
    let realserver = |what: &str, more: &[&str]| {
        // In the guest, modprobe stands here.
        let path = ["env", "PATH=/run/lab/bin:/usr/sbin:/usr/bin:/sbin:/bin"];
        let how = ["realserver", what, "--vip", VIP, "--state", "/run/realserver6.json", "--mode", "tun"];
        web.output(&[path.as_slice(), &[program.as_str()], &how, more].concat())
    };
    let service = |server: &str| {
        format!(
            "[[virtual_server]]\naddress = \"[{VIP}]:80\"\nforward = \"tun\"\ncheck = []\nreal_servers = [\"{server}\"]\n"
        )
    };
    farm.director.ip(&format!("addr add {VIP}/128 dev eth0 nodad"))?;
    let holdfast = farm.start(&service("2001:db8:2::21"))?;
    for (server, end, more) in
        [("2001:db8:2::21", "ip6tnl0", &[][..]), ("10.0.0.21", "sit0", &["--over", "ipv4"])]
    {
        assert_eq!(holdfast.reload(&service(server))?.code, Some(0), "{server}");
        let missing = realserver("check", more)?;
        assert_eq!(missing.code, Some(1), "{end}: {}{}", missing.stdout, missing.stderr);
        assert!(missing.stdout.contains(end), "{}", missing.stdout);
        assert!(
            farm.ask(&format!("[{VIP}]:80")).is_err(),
            "{end}: served by a machine that knows nothing of it"
        );
        // Its module is loaded, and stays when all else goes.
        for what in ["up", "down"] {
            let done = realserver(what, more)?;
            assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{end} {what}: {}", done.stdout);
        }
        let before = network(web)?;
        for _ in 0..2 {
            let up = realserver("up", more)?;
            assert_eq!(up.code, Some(0), "{end}: {}{}", up.stdout, up.stderr);
        }
        assert_eq!(realserver("check", more)?.stdout, "nothing is wrong\n", "{end}");
        let answers = farm.ask_often(&format!("[{VIP}]:80"), 3).map_err(|error| {
            let seen = [
                web.ip("-s link show"),
                web.ip("addr show"),
                web.ip("-6 neigh show"),
                farm.director.run(&["ipvsadm", "-Ln"]),
            ];
            format!("{end}: {error}\n{}", seen.map(|seen| seen.unwrap_or_default()).join("\n"))
        })?;
        assert_eq!(answers.get("web1"), Some(&3), "{end}");
        let link: Value = serde_json::from_str(&web.ip(&format!("-s -j link show dev {end}"))?)?;
        let taken = link.pointer("/0/stats64/rx/packets").and_then(Value::as_u64);
        assert!(taken.is_some_and(|packets| packets >= 9), "{end}: not through the tunnel: {link}");
        let down = realserver("down", more)?;
        assert_eq!((down.code, down.stderr.as_str()), (Some(0), ""), "{end}");
        assert_eq!(network(web)?, before, "{end}");
    }
    farm.director.ip(&format!("addr del {VIP}/128 dev eth0")).map(drop)
}
