//! How a service is identified and how it distributes: each key as `ipvsadm` sees it, and some with requests.

use e2e::farm::{DR, NAT, TUN, farm};
use lab::{Result, SECONDS_10, wait};

/// A service without checks.
fn service(keys: &str, servers: &[&str]) -> String {
    format!("[[virtual_server]]\ncheck = []\n{keys}\nreal_servers = {servers:?}\n")
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn every_scheduler_and_every_flag_reaches_the_kernel() -> Result {
    let farm = farm();
    let cases = [
        ("rr", "", ""),
        ("wrr", "", ""),
        ("lc", "", ""),
        ("wlc", "", ""),
        ("lblc", "", ""),
        ("lblcr", "", ""),
        ("dh", "", ""),
        ("sed", "", ""),
        ("nq", "", ""),
        ("fo", "", ""),
        ("ovf", "", ""),
        ("sh", "", ""),
        ("sh", "\"sh-port\"", " -b sh-port"),
        ("sh", "\"sh-fallback\"", " -b sh-fallback"),
        ("mh", "", ""),
        ("mh", "\"mh-port\"", " -b mh-port"),
        ("mh", "\"mh-fallback\", \"mh-port\"", " -b mh-fallback,mh-port"),
        ("rr", "\"flag-1\", \"flag-3\"", " -b flag-1,flag-3"),
        ("lc", "\"flag-2\"", " -b flag-2"),
    ];
    let (mut config, mut expected) = (String::new(), Vec::new());
    for (number, (scheduler, flags, shown)) in cases.iter().enumerate() {
        let at = format!("{NAT}:{}", 8001 + number);
        let keys = format!("address = \"{at}\"\nscheduler = \"{scheduler}\"\nscheduler_flags = [{flags}]");
        config += &service(&keys, &["10.0.0.21:80"]);
        expected.push(format!("-A -t {at} -s {scheduler}{shown}"));
        expected.push(format!("-a -t {at} -r 10.0.0.21:80 -m -w 1"));
    }
    // This kernel has no such module: that is told, and is nobody else's affair.
    config += &service(&format!("address = \"{NAT}:9000\"\nscheduler = \"twos\""), &["10.0.0.21:80"]);
    let holdfast = farm.start(&config)?;
    farm.wait_lines(&expected)?;
    let status = holdfast.status()?;
    let refused = status.pointer("/checker/ipvs/refused/0").and_then(serde_json::Value::as_str);
    let refused = refused.ok_or("the kernel has the scheduler twos after all")?;
    assert!(refused.contains("add service tcp 192.0.2.100:9000 (scheduler twos)"), "{refused}");
    assert!(holdfast.log().text().contains("the kernel refuses a part of an IPVS service"));
    Ok(())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn the_port_of_a_client_counts_where_a_flag_says_so() -> Result {
    let farm = farm();
    let servers = ["10.0.0.21:80", "10.0.0.22:80", "10.0.0.23:80"];
    let text = |flag: &str| {
        let keys =
            format!("address = \"{NAT}:80\"\nscheduler = \"sh\"\nscheduler_flags = [{flag}]\nweight = 5");
        service(&keys, &servers)
    };
    let holdfast = farm.start(&text(""))?;
    let address = format!("{NAT}:80");
    assert_eq!(farm.ask_often(&address, 12)?.len(), 1, "one client, one server");
    assert_eq!(holdfast.reload(&text("\"sh-port\""))?.code, Some(0));
    assert!(farm.ask_often(&address, 24)?.len() > 1, "each connection for itself");
    Ok(())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn ranges_and_groups_are_services_with_the_same_servers() -> Result {
    let farm = farm();
    let group = format!(
        "addresses = [\"192.0.2.103-104:8080-8081\", \"{DR}:80\"]\nfwmark = [7, 8]\nfamily = \"ipv4\"\n\
         scheduler = \"rr\"\nforward = \"nat\""
    );
    let six = "address = \"[2001:db8:1::1fe-201]:443\"\nscheduler = \"lc\"\nforward = \"dr\"\n\
               persistence = \"1m\"\npersistence_granularity = 64";
    let any = format!("address = \"{TUN}\"\npersistence = \"6m\"\nscheduler = \"rr\"\nforward = \"dr\"");
    let text = [
        service(&group, &["10.0.0.21:80", "10.0.0.22:80"]),
        service(six, &["2001:db8:2::21"]),
        service(&any, &["10.0.0.23"]),
    ];
    let holdfast = farm.start(&text.concat())?;
    let mut expected = Vec::new();
    let mut group = |service: &str| {
        expected.push(format!("-A {service} -s rr"));
        expected.push(format!("-a {service} -r 10.0.0.21:80 -m -w 1"));
        expected.push(format!("-a {service} -r 10.0.0.22:80 -m -w 1"));
    };
    for at in ["103:8080", "103:8081", "104:8080", "104:8081", "101:80"] {
        group(&format!("-t 192.0.2.{at}"));
    }
    group("-f 7");
    group("-f 8");
    for last in ["1fe", "1ff", "200", "201"] {
        let service = format!("-t [2001:db8:1::{last}]:443");
        expected.push(format!("-A {service} -s lc -p 60 -M 64"));
        expected.push(format!("-a {service} -r [2001:db8:2::21]:443 -g -w 1"));
    }
    expected.push(format!("-A -t {TUN}:0 -s rr -p 360"));
    expected.push(format!("-a -t {TUN}:0 -r 10.0.0.23:0 -g -w 1"));
    farm.wait_lines(&expected)?;

    farm.director.ip("addr add 192.0.2.104/32 dev eth0")?;
    let two = |address: &str| -> Result {
        let answers: Vec<_> = farm.ask_often(address, 4)?.into_iter().collect();
        assert_eq!(answers, [("web1".to_owned(), 2), ("web2".to_owned(), 2)], "{address}");
        Ok(())
    };
    two("192.0.2.104:8081")?;
    two(&format!("{DR}:80"))?;
    // Packets that are marked belong to the mark's service, whatever their address.
    for command in [
        "tc qdisc add dev eth0 clsact",
        "tc filter add dev eth0 ingress protocol ip u32 match ip dport 8088 0xffff action skbedit mark 8",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        farm.director.run(&words)?;
    }
    two("192.0.2.104:8088")?;
    farm.director.run(&["tc", "qdisc", "del", "dev", "eth0", "clsact"])?;
    farm.director.ip("addr del 192.0.2.104/32 dev eth0")?;

    // One service of a group less, and the others are as they were.
    let requests = holdfast.log().mark();
    let less = text.concat().replace("8080-8081", "8081");
    assert_eq!(holdfast.reload(&less)?.code, Some(0));
    expected.retain(|line| !line.contains(":8080"));
    farm.wait_lines(&expected)?;
    let log = holdfast.log().text_from(requests);
    assert_eq!(log.matches("IPVS request: ").count(), 2, "{log}");
    assert_eq!(holdfast.stop()?, 0);
    assert_eq!(farm.saved()?, [""; 0]);
    Ok(())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn clients_of_one_network_stay_together() -> Result {
    let farm = farm();
    let text = |bits: u8| {
        let keys = format!(
            "address = \"{NAT}:80\"\nscheduler = \"rr\"\npersistence = \"1m\"\npersistence_granularity = {bits}"
        );
        service(&keys, &["10.0.0.21:80", "10.0.0.22:80"])
    };
    let holdfast = farm.start(&text(32))?;
    let from = |last: &str| -> Result<String> {
        farm.client.ip(&format!("addr add 192.0.2.{last}/32 dev eth0"))?;
        farm.client.ip(&format!("route add {NAT}/32 dev eth0 src 192.0.2.{last}"))?;
        let first = farm.ask(&format!("{NAT}:80"))?;
        assert_eq!(farm.ask(&format!("{NAT}:80"))?, first, "one client stays with one server");
        farm.client.ip(&format!("route del {NAT}/32 dev eth0 src 192.0.2.{last}"))?;
        farm.client.ip(&format!("addr del 192.0.2.{last}/32 dev eth0"))?;
        Ok(first)
    };
    assert_ne!(from("201")?, from("202")?, "two clients, in turn");
    // The kernel's memory of these clients is about single addresses.
    assert_eq!(holdfast.reload(&text(24))?.code, Some(0));
    farm.wait_lines(&[
        "-A -t 192.0.2.100:80 -s rr -p 60 -M 255.255.255.0",
        "-a -t 192.0.2.100:80 -r 10.0.0.21:80 -m -w 1",
        "-a -t 192.0.2.100:80 -r 10.0.0.22:80 -m -w 1",
    ])?;
    let first = from("203")?;
    for last in ["204", "205", "206"] {
        assert_eq!(from(last)?, first);
    }
    Ok(())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn a_server_with_enough_connections_gets_no_more() -> Result {
    let farm = farm();
    let _holdfast = farm.start(&format!(
        "[[virtual_server]]\naddress = \"{NAT}:80\"\nscheduler = \"rr\"\ncheck = []\n\
         [[virtual_server.real_server]]\naddress = \"10.0.0.21:80\"\nupper_threshold = 3\nlower_threshold = 1\n\
         [[virtual_server.real_server]]\naddress = \"10.0.0.22:80\"\n"
    ))?;
    farm.wait_lines(&[
        "-A -t 192.0.2.100:80 -s rr",
        "-a -t 192.0.2.100:80 -r 10.0.0.21:80 -m -w 1",
        "-a -t 192.0.2.100:80 -r 10.0.0.22:80 -m -w 1",
    ])?;
    let limits = farm.ipvsadm("-L -n --thresholds")?;
    let limits = limits.lines().find_map(|line| line.trim().strip_prefix("-> 10.0.0.21:80"));
    let limits: Vec<&str> = limits.unwrap_or_default().split_whitespace().collect();
    assert_eq!(limits.get(..2), Some(&["3", "1"][..]));
    let answers = farm.ask_often(&format!("{NAT}:80"), 12)?;
    // The kernel counts those that were closed a moment ago, too.
    assert_eq!(answers.get("web1"), Some(&3), "{answers:?}");
    Ok(())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn without_ipvs_the_table_is_nobodys_business() -> Result {
    let mut farm = farm();
    farm.ipvsadm("-A -t 192.0.2.100:80 -s lc")?;
    let text = |ipvs: bool| {
        format!(
            "[checker]\nipvs = {ipvs}\n[[virtual_server]]\naddress = \"{NAT}:80\"\nscheduler = \"rr\"\ncheck = {}\n\
             real_servers = [\"10.0.0.21:80\", \"10.0.0.22:80\"]\n",
            crate::HTTP
        )
    };
    let holdfast = farm.start(&text(false))?;
    farm.stop_web(1);
    wait::until("the death of web1", SECONDS_10, || {
        let status = holdfast.status()?;
        let alive = status.pointer("/checker/virtual_servers/0/real_servers/0/alive");
        Ok(alive == Some(&serde_json::Value::Bool(false)))
    })?;
    assert_eq!(farm.saved()?, ["-A -t 192.0.2.100:80 -s lc"], "checked, and nothing else");
    let ours = ["-A -t 192.0.2.100:80 -s rr", "-a -t 192.0.2.100:80 -r 10.0.0.22:80 -m -w 1"];
    assert_eq!(holdfast.reload(&text(true))?.code, Some(0));
    farm.wait_lines(&ours)?;
    assert_eq!(holdfast.reload(&text(false))?.code, Some(0));
    wait::until("an empty table", SECONDS_10, || Ok(farm.saved()?.is_empty()))
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn the_table_is_that_of_the_namespace_that_the_configuration_names() -> Result {
    let mut farm = farm();
    let director = farm.director.name().to_owned();
    // The client has no way to the web servers' network and no service of its own.
    let text = |weight: u32| {
        format!(
            "[checker]\nnetwork_namespace = \"{director}\"\n[[virtual_server]]\naddress = \"{NAT}:80\"\n\
             scheduler = \"rr\"\nweight = {weight}\nreal_servers = [\"10.0.0.21:80\", \"10.0.0.22:80\"]\n\
             check = {{ type = \"tcp\", initial = \"down\", interval = \"300ms\", retries = 0, warm_up = 0 }}\n"
        )
    };
    let line =
        |number: u32, weight: u32| format!("-a -t 192.0.2.100:80 -r 10.0.0.2{number}:80 -m -w {weight}");
    let head = || "-A -t 192.0.2.100:80 -s rr".to_owned();
    let at_home = |farm: &e2e::farm::Farm| farm.client.run(&["ipvsadm", "-S", "-n"]);
    let holdfast = lab::Holdfast::start(&farm.client, &text(1))?;
    farm.wait_lines(&[head(), line(1, 1), line(2, 1)])?;
    assert_eq!(farm.ask_often(&format!("{NAT}:80"), 4)?.into_keys().collect::<Vec<_>>(), ["web1", "web2"]);
    assert_eq!(at_home(&farm)?, "", "the table of where the daemon was started");
    farm.stop_web(1);
    farm.wait_lines(&[head(), line(2, 1)])?;
    // A checker that comes back does so in the same place.
    let before = holdfast.child("checker")?;
    holdfast.signal_child("checker", nix::sys::signal::Signal::SIGKILL)?;
    wait::until("another checker", SECONDS_10, || {
        Ok(holdfast.child("checker").is_ok_and(|pid| pid != before))
    })?;
    assert_eq!(holdfast.reload(&text(3))?.code, Some(0));
    farm.wait_lines(&[head(), line(2, 3)])?;
    assert_eq!(at_home(&farm)?, "");
    assert_eq!(holdfast.stop()?, 0);
    farm.wait_saved(&[])
}
