//! What is not TCP, with traffic: SCTP, datagrams that are distributed one by one, and the persistence of SIP calls.
//!
//! Servers and clients are `talk.py`: an answer says who gave it, to which call, and from which address it came.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use e2e::farm::{DR, Farm, NAT, farm};
use lab::{Process, Result, TempDir, wait};

const PYTHON: &str = "/usr/bin/python3";

/// Long against the start of an interpreter in the test kernel on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// The script, where any user may read it.
struct Talk {
    folder: TempDir,
    script: PathBuf,
}

/// One answer.
#[derive(Debug)]
struct Answer {
    call: String,
    server: String,
    from: String,
}

impl Talk {
    fn new() -> Result<Self> {
        let folder = TempDir::new()?;
        let script = folder.write("talk.py", include_str!("talk.py"))?;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        fs::set_permissions(&script, Permissions::from_mode(0o644))?;
        Ok(Self { folder, script })
    }

    fn script(&self) -> String {
        self.script.display().to_string()
    }

    /// A server on a web server's host; its name is that one's.
    fn server(&self, farm: &Farm, number: usize, protocol: &str, address: &str) -> Result<Process> {
        let name = format!("web{number}");
        let log = self.folder.path().join(format!("{name} {address}"));
        // What an earlier one said is not this one's.
        let _first = fs::remove_file(&log);
        let script = self.script();
        let argv = [PYTHON, &script, "answer", protocol, address, &name];
        let server = Process::start(farm.host(number)?, &argv, &log)?;
        server.log().wait("ready", LIMIT)?;
        Ok(server)
    }

    /// The answers to one client. `how` is `ask` or `ask-anew`.
    fn ask(
        &self,
        farm: &Farm,
        how: &str,
        protocol: &str,
        address: &str,
        calls: &[&str],
    ) -> Result<Vec<Answer>> {
        let script = self.script();
        let mut argv = vec![PYTHON, &script, how, protocol, address];
        argv.extend(calls);
        let text = farm.client.run(&argv)?;
        let answers = text.lines().filter_map(|line| match line.split(' ').collect::<Vec<_>>().as_slice() {
            [call, server, from] => Some(Answer {
                call: (*call).to_owned(),
                server: (*server).to_owned(),
                from: (*from).to_owned(),
            }),
            _ => None,
        });
        let answers: Vec<Answer> = answers.collect();
        assert_eq!(answers.len(), calls.len(), "{text}");
        Ok(answers)
    }
}

/// How many answers each server gave.
fn shares(answers: &[Answer]) -> Vec<(&str, usize)> {
    let mut shares: BTreeMap<&str, usize> = BTreeMap::new();
    for answer in answers {
        *shares.entry(answer.server.as_str()).or_default() += 1;
    }
    shares.into_iter().collect()
}

/// Who answered each call.
fn servers(answers: &[Answer]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut calls: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for answer in answers {
        calls.entry(&answer.call).or_default().insert(&answer.server);
    }
    calls
}

/// From where the answers came.
fn sources(answers: &[Answer]) -> BTreeSet<&str> {
    answers.iter().map(|answer| answer.from.as_str()).collect()
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn an_sctp_service_is_served_by_the_servers_that_live() -> Result {
    let farm = farm();
    // In the guest modprobe stands here; a kernel without the module says so.
    lab::run(&["/run/lab/bin/modprobe", "sctp"])?;
    let talk = Talk::new()?;
    // Translated to another port, so that the checksum has to be made anew; and as it is.
    let inside = |number: usize| format!("10.0.0.2{number}:13868");
    let mut running = Vec::new();
    for number in [1, 2] {
        running.push(talk.server(&farm, number, "sctp", &inside(number))?);
        running.push(talk.server(&farm, number, "sctp", &format!("{DR}:3868"))?);
    }
    let head = |address: &str, forward: &str| {
        format!(
            "[[virtual_server]]\naddress = \"{address}:3868\"\nprotocol = \"sctp\"\nscheduler = \"rr\"\n\
             forward = \"{forward}\"\n"
        )
    };
    let mut config = head(NAT, "nat");
    for number in [1, 2] {
        let (script, at) = (talk.script(), inside(number));
        config += &format!(
            "[[virtual_server.real_server]]\naddress = \"{at}\"\ncheck = {{ type = \"script\", initial = \"down\", \
             command = [\"{PYTHON}\", \"{script}\", \"ask\", \"sctp\", \"{at}\", \"check\"], interval = \"2s\", \
             timeout = \"30s\", warm_up = \"100ms\" }}\n"
        );
    }
    config += &head(DR, "dr");
    config += "check = []\nreal_servers = [\"10.0.0.21:3868\", \"10.0.0.22:3868\"]\n";
    let holdfast = farm.start(&config)?;
    let table = [
        format!("-A --sctp-service {NAT}:3868 -s rr"),
        format!("-a --sctp-service {NAT}:3868 -r 10.0.0.21:13868 -m -w 1"),
        format!("-a --sctp-service {NAT}:3868 -r 10.0.0.22:13868 -m -w 1"),
        format!("-A --sctp-service {DR}:3868 -s rr"),
        format!("-a --sctp-service {DR}:3868 -r 10.0.0.21:3868 -g -w 1"),
        format!("-a --sctp-service {DR}:3868 -r 10.0.0.22:3868 -g -w 1"),
    ];
    farm.wait_lines(&table)?;
    let ask = |address: &str, times: usize| {
        talk.ask(&farm, "ask", "sctp", &format!("{address}:3868"), &vec!["call"; times])
    };
    for address in [NAT, DR] {
        let answers = ask(address, 6)?;
        assert_eq!(shares(&answers), [("web1", 3), ("web2", 3)], "{address}");
    }
    wait::until("an association in the list of connections", LIMIT, || {
        ask(NAT, 1)?;
        let listed = holdfast.command(&["connections", "--protocol", "sctp"])?.stdout;
        Ok(listed.contains(&format!("{NAT}:3868")))
    })?;

    running[0].kill_tree()?;
    let without: Vec<&String> = table.iter().filter(|line| !line.contains("21:13868")).collect();
    farm.wait_lines(&without)?;
    assert_eq!(shares(&ask(NAT, 4)?), [("web2", 4)]);
    running[0] = talk.server(&farm, 1, "sctp", &inside(1))?;
    farm.wait_lines(&table)?;
    assert_eq!(shares(&ask(NAT, 4)?), [("web1", 2), ("web2", 2)]);
    assert_eq!(holdfast.stop()?, 0);
    assert_eq!(farm.saved()?, [""; 0]);
    Ok(())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn each_datagram_is_distributed_by_itself_where_that_is_wanted() -> Result {
    let farm = farm();
    let talk = Talk::new()?;
    let mut running = Vec::new();
    for number in [1, 2] {
        for address in [format!("10.0.0.2{number}:5060"), format!("{DR}:5060")] {
            running.push(talk.server(&farm, number, "udp", &address)?);
        }
    }
    let methods = [(NAT, "nat", "-m"), (DR, "dr", "-g")];
    let text = |one_packet: bool| {
        let services = methods.map(|(address, forward, _)| {
            format!(
                "[[virtual_server]]\naddress = \"{address}:5060\"\nprotocol = \"udp\"\nscheduler = \"rr\"\n\
                 one_packet = {one_packet}\nforward = \"{forward}\"\ncheck = []\n\
                 real_servers = [\"10.0.0.21:5060\", \"10.0.0.22:5060\"]\n"
            )
        });
        services.concat()
    };
    let wait_table = |shown: &str| {
        let lines = methods.map(|(address, _, option)| {
            let server = |last| format!("-a -u {address}:5060 -r 10.0.0.2{last}:5060 {option} -w 1");
            [format!("-A -u {address}:5060 -s rr{shown}"), server(1), server(2)]
        });
        farm.wait_lines(&lines.concat())
    };
    // Eight datagrams of one socket: the same addresses and ports in all of them.
    let ask = |address: &str| talk.ask(&farm, "ask", "udp", &format!("{address}:5060"), &["call"; 8]);
    let holdfast = farm.start(&text(false))?;
    for round in 1..=2 {
        wait_table("")?;
        for (address, ..) in methods {
            let answers = ask(address)?;
            let [(_, 8)] = shares(&answers)[..] else {
                panic!("one server for all, round {round}: {answers:?}")
            };
            assert_eq!(sources(&answers), [address].into(), "round {round}");
        }
        if round == 2 {
            break;
        }
        assert_eq!(holdfast.reload(&text(true))?.code, Some(0));
        wait_table(" -o")?;
        let answers = ask(DR)?;
        assert_eq!(shares(&answers), [("web1", 4), ("web2", 4)]);
        assert_eq!(sources(&answers), [DR].into());
        // The kernel remembers no connection, so it does not know how to translate answers back.
        let answers = ask(NAT)?;
        assert_eq!(shares(&answers), [("web1", 4), ("web2", 4)]);
        assert_eq!(sources(&answers), ["10.0.0.21", "10.0.0.22"].into());
        assert_eq!(holdfast.reload(&text(false))?.code, Some(0));
    }
    Ok(())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn a_call_stays_with_its_server_whatever_port_it_comes_from() -> Result {
    let farm = farm();
    let talk = Talk::new()?;
    let mut running = Vec::new();
    for number in [1, 2] {
        running.push(talk.server(&farm, number, "udp", &format!("10.0.0.2{number}:5060"))?);
    }
    let text = |keys: &str| {
        format!(
            "[[virtual_server]]\naddress = \"{NAT}:5060\"\nprotocol = \"udp\"\nscheduler = \"rr\"\n\
             persistence = \"5m\"\n{keys}\nforward = \"nat\"\ncheck = []\n\
             real_servers = [\"10.0.0.21:5060\", \"10.0.0.22:5060\"]\n"
        )
    };
    let wait_table = |shown: &str| {
        farm.wait_lines(&[
            format!("-A -u {NAT}:5060 -s rr -p 300{shown}"),
            format!("-a -u {NAT}:5060 -r 10.0.0.21:5060 -m -w 1"),
            format!("-a -u {NAT}:5060 -r 10.0.0.22:5060 -m -w 1"),
        ])
    };
    let ask = |how: &str, calls: &[&str]| talk.ask(&farm, how, "udp", &format!("{NAT}:5060"), calls);
    let holdfast = farm.start(&text(""))?;
    wait_table("")?;
    let answers = ask("ask-anew", &["one", "two", "three", "four"])?;
    assert_eq!(shares(&answers).len(), 1, "persistence is about the client: {answers:?}");

    let engine = "persistence_engine = \"sip\"";
    assert_eq!(holdfast.reload(&text(engine))?.code, Some(0));
    wait_table(" --pe sip")?;
    let calls = ["one", "two", "three", "four"].repeat(3);
    let answers = ask("ask-anew", &calls)?;
    assert_eq!(shares(&answers), [("web1", 6), ("web2", 6)], "{answers:?}");
    let by_call = servers(&answers);
    assert!(by_call.values().all(|servers| servers.len() == 1), "{by_call:?}");
    assert_eq!(sources(&answers), [NAT].into());

    // A proxy sends all its calls from one port: then each datagram has to be looked at.
    assert_eq!(holdfast.reload(&text(&format!("{engine}\none_packet = true")))?.code, Some(0));
    wait_table(" --pe sip -o")?;
    let calls = ["one", "two", "three", "four", "five", "six"].repeat(2);
    let answers = ask("ask", &calls)?;
    let of_proxy = servers(&answers);
    assert!(of_proxy.values().all(|servers| servers.len() == 1), "{of_proxy:?}");
    assert!(
        by_call.iter().all(|(call, servers)| of_proxy.get(call) == Some(servers)),
        "{by_call:?} {of_proxy:?}"
    );
    assert_eq!(shares(&answers), [("web1", 6), ("web2", 6)], "{answers:?}");
    assert_eq!(sources(&answers), [NAT].into(), "the engine has answers translated back, too");
    Ok(())
}
