//! `common::ipvs` against the kernel, with `ipvsadm` as the witness.

use lab::uml;

#[test]
fn in_the_test_kernel() {
    let report = uml::run_ignored_tests("guest::").unwrap_or_else(|error| panic!("{error}"));
    assert!(report.contains("test result: ok. 9 passed"), "{report}");
}

mod guest {
    use common::ipvs::table::{Entry, Table, TableOp, diff};
    use common::ipvs::{
        Checksum, Client, Destination, DestinationKey, Forward, Persistence, ProblemKind, SCHEDULERS,
        SchedulerFlags, Service, ServiceKey, SyncDaemon, SyncRole, Timeouts, Tunnel,
    };
    use std::net::SocketAddr;

    /// An empty table: every test starts from one.
    fn client() -> Client {
        assert!(lab::uml::in_guest(), "this would flush the machine's own table");
        let mut client = Client::open().unwrap().expect("ip_vs is loaded");
        client.flush().unwrap();
        client
    }

    fn ipvsadm(arguments: &[&str]) -> String {
        lab::run(&[&["ipvsadm"], arguments].concat()).unwrap()
    }

    /// What `ipvsadm` would have to be told to make this table.
    fn saved() -> Vec<String> {
        ipvsadm(&["-S", "-n"]).lines().map(|line| line.trim_end().to_owned()).collect()
    }

    fn key(text: &str) -> ServiceKey {
        text.parse().unwrap()
    }

    fn at(text: &str) -> DestinationKey {
        let address: SocketAddr = text.parse().unwrap();
        DestinationKey { address: address.ip(), port: address.port() }
    }

    fn service(scheduler: &str, flags: &[&str]) -> Service {
        let with = |all: SchedulerFlags, flag: &&str| all.with(flag, scheduler).unwrap();
        Service {
            scheduler: scheduler.parse().unwrap(),
            flags: flags.iter().fold(SchedulerFlags::default(), with),
            one_packet: false,
            persistence: None,
        }
    }

    fn destination(forward: Forward, weight: u32) -> Destination {
        Destination { forward, weight, upper_threshold: 0, lower_threshold: 0 }
    }

    fn entry(service: Service, destinations: &[(&str, Destination)]) -> Entry {
        Entry { service, destinations: destinations.iter().map(|(text, set)| (at(text), *set)).collect() }
    }

    fn table(entries: impl IntoIterator<Item = (&'static str, Entry)>) -> Table {
        Table { services: entries.into_iter().map(|(text, entry)| (key(text), entry)).collect() }
    }

    /// Brings the kernel to `wanted` from what it holds of these services, and has it read back.
    fn bring(client: &mut Client, wanted: &Table, managed: &Table) {
        let mine = |key: &ServiceKey| wanted.services.contains_key(key) || managed.services.contains_key(key);
        let ops = diff(wanted, &client.table(mine).unwrap());
        assert_eq!(client.apply(&ops).unwrap(), []);
        assert_eq!(&client.table(mine).unwrap(), wanted);
    }

    #[test]
    #[ignore = "needs the test kernel: run by in_the_test_kernel"]
    fn every_scheduler_and_its_flags() {
        let mut client = client();
        let mut wanted = Table::default();
        let mut port = 1000;
        let flags: [&[&str]; 8] = [
            &[],
            &["flag-1"],
            &["flag-2"],
            &["flag-3"],
            &["sh-port"],
            &["sh-fallback", "sh-port"],
            &["mh-port"],
            &["mh-fallback", "mh-port"],
        ];
        // The test kernel was built without it.
        let schedulers = SCHEDULERS.into_iter().filter(|scheduler| *scheduler != "twos");
        for scheduler in schedulers.clone() {
            for flags in flags {
                if flags.iter().any(|flag| !flag.starts_with("flag") && !flag.starts_with(scheduler)) {
                    continue;
                }
                port += 1;
                let entry = entry(service(scheduler, flags), &[]);
                wanted.services.insert(key(&format!("tcp 192.0.2.1:{port}")), entry);
            }
        }
        bring(&mut client, &wanted, &wanted);
        let saved = saved().join("\n");
        for scheduler in schedulers {
            assert!(saved.contains(&format!(" -s {scheduler}\n")), "{scheduler}:\n{saved}");
        }
        assert!(saved.contains(" -s wrr -b flag-2\n"), "{saved}");
        assert!(saved.contains(" -s sh -b sh-fallback,sh-port\n"), "{saved}");
        assert!(saved.contains(" -s mh -b mh-fallback,mh-port"), "{saved}");
    }

    #[test]
    #[ignore = "needs the test kernel: run by in_the_test_kernel"]
    fn every_form_of_service_and_destination() {
        let mut client = client();
        let persistent = |timeout, granularity, engine: Option<&str>| Service {
            persistence: Some(Persistence {
                timeout,
                granularity,
                engine: engine.map(|engine| engine.parse().unwrap()),
            }),
            ..service("rr", &[])
        };
        let tunnel = |tunnel| destination(Forward::Tunnel(tunnel), 1);
        let gue = |checksum| Tunnel::Gue { port: 6080, checksum };
        let limited =
            Destination { upper_threshold: 200, lower_threshold: 100, ..destination(Forward::Masquerade, 7) };
        let wanted = table([
            (
                "tcp 192.0.2.1:80",
                entry(
                    service("rr", &[]),
                    &[
                        ("10.0.0.1:8080", limited),
                        ("10.0.0.2:80", destination(Forward::DirectRoute, 0)),
                        ("10.0.0.3:80", destination(Forward::DirectRoute, Destination::MAX_WEIGHT)),
                        ("127.0.0.1:80", destination(Forward::DirectRoute, 1)),
                    ],
                ),
            ),
            (
                "tcp 192.0.2.2:80",
                entry(
                    service("wlc", &[]),
                    &[
                        ("10.0.0.1:80", tunnel(Tunnel::Ipip)),
                        ("10.0.0.2:80", tunnel(gue(Checksum::None))),
                        ("10.0.0.3:80", tunnel(gue(Checksum::Plain))),
                        ("10.0.0.4:80", tunnel(gue(Checksum::Remote))),
                        ("10.0.0.5:80", tunnel(Tunnel::Gre { checksum: Checksum::None })),
                        ("10.0.0.6:80", tunnel(Tunnel::Gre { checksum: Checksum::Plain })),
                        ("[2001:db8::6]:80", tunnel(Tunnel::Ipip)),
                    ],
                ),
            ),
            ("tcp 192.0.2.3:0", entry(persistent(360, 24, None), &[("10.0.0.1:0", limited)])),
            ("udp 192.0.2.4:5060", entry(persistent(50, 32, Some("sip")), &[])),
            ("udp 192.0.2.4:53", entry(Service { one_packet: true, ..service("rr", &[]) }, &[])),
            ("sctp 192.0.2.5:36412", entry(service("lc", &[]), &[])),
            (
                "tcp [2001:db8::1]:443",
                entry(
                    persistent(60, 64, None),
                    &[
                        ("[2001:db8::2]:443", destination(Forward::DirectRoute, 1)),
                        ("[2001:db8::3]:8443", destination(Forward::Masquerade, 1)),
                    ],
                ),
            ),
            ("fwmark 10 ipv4", entry(service("rr", &[]), &[("10.0.0.1:0", limited)])),
            ("fwmark 10 ipv6", entry(persistent(60, 128, None), &[])),
        ]);
        bring(&mut client, &wanted, &wanted);
        let saved = saved();
        for line in [
            "-A -t 192.0.2.1:80 -s rr",
            "-a -t 192.0.2.1:80 -r 10.0.0.1:8080 -m -w 7",
            "-a -t 192.0.2.1:80 -r 10.0.0.2:80 -g -w 0",
            "-a -t 192.0.2.1:80 -r 10.0.0.3:80 -g -w 2147483647",
            "-a -t 192.0.2.1:80 -r 127.0.0.1:80 -g -w 1",
            "-A -t 192.0.2.2:80 -s wlc",
            "-a -t 192.0.2.2:80 -r 10.0.0.1:80 -i -w 1 --tun-type ipip",
            "-a -t 192.0.2.2:80 -r 10.0.0.2:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
            "-a -t 192.0.2.2:80 -r 10.0.0.3:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum",
            "-a -t 192.0.2.2:80 -r 10.0.0.4:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum",
            "-a -t 192.0.2.2:80 -r 10.0.0.5:80 -i -w 1 --tun-type gre --tun-nocsum",
            "-a -t 192.0.2.2:80 -r 10.0.0.6:80 -i -w 1 --tun-type gre --tun-csum",
            "-a -t 192.0.2.2:80 -r [2001:db8::6]:80 -i -w 1 --tun-type ipip",
            "-A -t 192.0.2.3:0 -s rr -p 360 -M 255.255.255.0",
            "-a -t 192.0.2.3:0 -r 10.0.0.1:0 -m -w 7",
            "-A -u 192.0.2.4:5060 -s rr -p 50 --pe sip",
            "-A -u 192.0.2.4:53 -s rr -o",
            "-A --sctp-service 192.0.2.5:36412 -s lc",
            "-A -t [2001:db8::1]:443 -s rr -p 60 -M 64",
            "-a -t [2001:db8::1]:443 -r [2001:db8::2]:443 -g -w 1",
            "-A -f 10 -s rr",
            "-A -f 10 -6 -s rr -p 60",
        ] {
            assert!(saved.iter().any(|found| found == line), "{line}\n{}", saved.join("\n"));
        }
        let limits = ipvsadm(&["-L", "-n", "--thresholds"]);
        let limits: Vec<Vec<_>> = limits.lines().map(|line| line.split_whitespace().collect()).collect();
        assert!(limits.contains(&vec!["->", "10.0.0.1:8080", "200", "100", "0", "0"]), "{limits:?}");
    }

    #[test]
    #[ignore = "needs the test kernel: run by in_the_test_kernel"]
    fn what_ipvsadm_made_is_understood() {
        let mut client = client();
        ipvsadm(&["-A", "-t", "192.0.2.1:80", "-s", "wrr", "-p", "300", "-M", "255.255.0.0"]);
        ipvsadm(&["-a", "-t", "192.0.2.1:80", "-r", "10.0.0.1:80", "-i", "-w", "5"]);
        let persistence = Some(Persistence { timeout: 300, granularity: 16, engine: None });
        let service = Service { persistence, ..service("wrr", &[]) };
        let forward = Forward::Tunnel(Tunnel::Ipip);
        let wanted =
            table([("tcp 192.0.2.1:80", entry(service, &[("10.0.0.1:80", destination(forward, 5))]))]);
        assert_eq!(client.table(|_| true).unwrap(), wanted);
        assert_eq!(client.entry(key("tcp 192.0.2.1:80")).unwrap().as_ref(), wanted.services.values().next());
        assert_eq!(client.entry(key("tcp 192.0.2.1:81")).unwrap(), None);
    }

    #[test]
    #[ignore = "needs the test kernel: run by in_the_test_kernel"]
    fn changes_are_made_in_place_and_foreign_services_are_left_alone() {
        let mut client = client();
        ipvsadm(&["-A", "-t", "198.51.100.1:80", "-s", "rr"]);
        ipvsadm(&["-a", "-t", "198.51.100.1:80", "-r", "10.0.0.9:80", "-g"]);
        let plain = |weight| destination(Forward::Masquerade, weight);
        let before = table([
            (
                "tcp 192.0.2.1:80",
                entry(service("rr", &[]), &[("10.0.0.1:80", plain(1)), ("10.0.0.2:80", plain(1))]),
            ),
            ("tcp 192.0.2.2:80", entry(service("rr", &[]), &[("10.0.0.1:80", plain(1))])),
        ]);
        bring(&mut client, &before, &before);
        let persistence = Some(Persistence { timeout: 20, granularity: 32, engine: None });
        let changed = Service { persistence, ..service("sh", &["sh-port"]) };
        let forward = Forward::Tunnel(Tunnel::Gre { checksum: Checksum::None });
        let after = table([(
            "tcp 192.0.2.1:80",
            entry(changed, &[("10.0.0.2:80", destination(forward, 3)), ("10.0.0.3:80", plain(1))]),
        )]);
        bring(&mut client, &after, &before);
        let again = table([("tcp 192.0.2.1:80", entry(service("rr", &[]), &[("10.0.0.2:80", plain(2))]))]);
        bring(&mut client, &again, &after);
        assert_eq!(
            saved(),
            [
                "-A -t 192.0.2.1:80 -s rr",
                "-a -t 192.0.2.1:80 -r 10.0.0.2:80 -m -w 2",
                "-A -t 198.51.100.1:80 -s rr",
                "-a -t 198.51.100.1:80 -r 10.0.0.9:80 -g -w 1",
            ]
        );
    }

    #[test]
    #[ignore = "needs the test kernel: run by in_the_test_kernel"]
    fn a_refusal_stops_nothing_and_says_what_was_asked() {
        let mut client = client();
        let plain = destination(Forward::Masquerade, 1);
        let ops = [
            TableOp::AddService(key("tcp 192.0.2.1:80"), service("rr", &[])),
            TableOp::AddService(key("tcp 192.0.2.1:80"), service("rr", &[])),
            TableOp::AddService(
                key("tcp 192.0.2.2:80"),
                Service { scheduler: "nosuch".parse().unwrap(), ..service("rr", &[]) },
            ),
            TableOp::AddDestination(key("tcp 192.0.2.2:80"), at("10.0.0.1:80"), plain),
            TableOp::EditDestination(key("tcp 192.0.2.1:80"), at("10.0.0.1:80"), plain),
            TableOp::AddDestination(
                key("tcp 192.0.2.1:80"),
                at("10.0.0.1:80"),
                Destination { lower_threshold: 5, upper_threshold: 4, ..plain },
            ),
            TableOp::DeleteService(key("tcp 192.0.2.3:80")),
            TableOp::AddDestination(key("tcp 192.0.2.1:80"), at("10.0.0.2:80"), plain),
        ];
        let problems = client.apply(&ops).unwrap();
        let told: Vec<_> = problems
            .iter()
            .map(|problem| (problem.position, problem.kind, problem.error.to_string()))
            .collect();
        let expected = [
            (1, ProblemKind::Stale, "add service tcp 192.0.2.1:80 (scheduler rr): File exists (EEXIST)"),
            (
                2,
                ProblemKind::Refused,
                "add service tcp 192.0.2.2:80 (scheduler nosuch): No such file or directory (ENOENT)",
            ),
            (
                3,
                ProblemKind::Stale,
                "add destination 10.0.0.1:80 (nat, weight 1) to tcp 192.0.2.2:80: No such process (ESRCH)",
            ),
            (
                4,
                ProblemKind::Stale,
                "change destination 10.0.0.1:80 (nat, weight 1) of tcp 192.0.2.1:80: No such file or directory (ENOENT)",
            ),
            (
                5,
                ProblemKind::Refused,
                "add destination 10.0.0.1:80 (nat, weight 1) to tcp 192.0.2.1:80: Math result not representable (ERANGE)",
            ),
        ];
        let expected = expected.map(|(position, kind, text)| (position, kind, text.to_owned()));
        assert_eq!(told, expected);
        assert_eq!(saved(), ["-A -t 192.0.2.1:80 -s rr", "-a -t 192.0.2.1:80 -r 10.0.0.2:80 -m -w 1"]);
    }

    #[test]
    #[ignore = "needs the test kernel: run by in_the_test_kernel"]
    fn a_table_of_many_batches() {
        let mut client = client();
        let servers: Vec<_> = (0..900_u16)
            .map(|n| (format!("10.0.{}.{}:80", n / 250, n % 250 + 1), destination(Forward::DirectRoute, 1)))
            .collect();
        let servers: Vec<_> = servers.iter().map(|(text, set)| (text.as_str(), *set)).collect();
        let wanted = table([("tcp 192.0.2.1:80", entry(service("rr", &[]), &servers))]);
        bring(&mut client, &wanted, &wanted);
        assert_eq!(saved().len(), 901);
        // All refused: as many answers as requests.
        let problems = client.apply(&diff(&wanted, &Table::default())).unwrap();
        assert_eq!(problems.len(), 901);
        assert!(problems.iter().enumerate().all(|(n, problem)| problem.position == n));
        bring(&mut client, &Table::default(), &wanted);
        assert!(saved().is_empty());
    }

    #[test]
    #[ignore = "needs the test kernel: run by in_the_test_kernel"]
    fn timeouts_and_version() {
        let mut client = client();
        client.set_timeouts(Timeouts { tcp: 800, tcp_fin: 100, udp: 250 }).unwrap();
        client.set_timeouts(Timeouts { tcp: 0, tcp_fin: 110, udp: 0 }).unwrap();
        assert_eq!(client.timeouts().unwrap(), Timeouts { tcp: 800, tcp_fin: 110, udp: 250 });
        assert_eq!(ipvsadm(&["-l", "--timeout"]), "Timeout (tcp tcpfin udp): 800 110 250\n");
        let info = client.info().unwrap();
        let (major, minor, patch) = info.version;
        let header =
            format!("IP Virtual Server version {major}.{minor}.{patch} (size={})", info.connection_table);
        assert!(ipvsadm(&["-L", "-n"]).starts_with(&header), "{header}");
    }

    #[test]
    #[ignore = "needs the test kernel: run by in_the_test_kernel"]
    fn synchronisation_daemons() {
        let mut client = client();
        lab::run(&["ip", "link", "add", "sync0", "type", "dummy"]).unwrap();
        lab::run(&["ip", "addr", "add", "10.9.9.1/24", "dev", "sync0"]).unwrap();
        lab::run(&["ip", "link", "set", "sync0", "up", "multicast", "on"]).unwrap();
        let daemon = SyncDaemon {
            role: SyncRole::Master,
            interface: "sync0".into(),
            id: 51,
            max_length: Some(1400),
            group: Some("239.1.2.3".parse().unwrap()),
            port: Some(8850),
            ttl: Some(3),
        };
        client.start_sync_daemon(&daemon).unwrap();
        assert_eq!(client.sync_daemons().unwrap(), std::slice::from_ref(&daemon));
        let listed = ipvsadm(&["-l", "--daemon"]);
        for word in ["master", "sync0", "syncid=51", "maxlen=1400", "group=239.1.2.3", "port=8850", "ttl=3"] {
            assert!(listed.contains(word), "{word}: {listed}");
        }
        let again = client.start_sync_daemon(&daemon).unwrap_err();
        assert_eq!(
            again.to_string(),
            "start the IPVS synchronisation master daemon on sync0: File exists (EEXIST)"
        );
        client.stop_sync_daemon(SyncRole::Master).unwrap();
        client.stop_sync_daemon(SyncRole::Master).unwrap();
        assert_eq!(client.sync_daemons().unwrap(), []);
    }

    #[test]
    #[ignore = "needs the test kernel: run by in_the_test_kernel"]
    fn a_namespace_has_a_table_of_its_own_and_a_kernel_without_ipvs_has_none() {
        let mut client = client();
        bring(&mut client, &table([("tcp 192.0.2.1:80", entry(service("rr", &[]), &[]))]), &Table::default());
        let elsewhere = lab::Netns::new("elsewhere").unwrap();
        assert_eq!(lab::run(&["ip", "netns", "exec", elsewhere.name(), "ipvsadm", "-Sn"]).unwrap(), "");
        drop(elsewhere);
        client.flush().unwrap();
        drop(client);
        let loaded = lab::run(&["lsmod"]).unwrap();
        for line in loaded.lines().filter(|line| line.starts_with("ip_vs_")) {
            lab::run(&["rmmod", line.split_whitespace().next().unwrap()]).unwrap();
        }
        lab::run(&["rmmod", "ip_vs"]).unwrap();
        // Asking for the family loads the module, unless there is nothing that could load it.
        let loader = "/proc/sys/kernel/modprobe";
        let before = std::fs::read_to_string(loader).unwrap();
        std::fs::write(loader, "/bin/false").unwrap();
        assert!(Client::open().unwrap().is_none());
        std::fs::write(loader, before.trim()).unwrap();
        assert!(Client::open().unwrap().is_some());
    }
}
