//! The table of the page about containers: with just the capabilities of a row what it names works, and without any one
//! of them the program says which one is missing.

use std::time::Duration;

use lab::{Capture, Error, Lan, Netns, Process, Program, Result, TempDir, wait};

use super::docs;

const LIMIT: Duration = Duration::from_secs(60);
const VIP: &str = "192.0.2.100";

/// A row of the table.
struct Row {
    /// Its first column.
    feature: &'static str,
    /// Its second column: what this takes.
    needs: &'static [&'static str],
    /// What the rest of the configuration takes, which has a row of its own.
    besides: &'static [&'static str],
    /// What is tried, each by itself. `AWAY` is the name of another network namespace.
    configs: &'static [&'static str],
    works: fn(&Site) -> Result<bool>,
}

const ROUTER: &[&str] = &["NET_ADMIN", "NET_RAW"];
const AS_NOBODY: &[&str] = &["NET_ADMIN", "NET_RAW", "SETUID", "SETGID"];

/// An instance, with more of its keys behind it.
macro_rules! instance {
    ($more:literal) => {
        concat!(
            "[[vrrp.instance]]\nname = \"WEB\"\ninterface = \"eth0\"\nvirtual_router_id = 51\n",
            "advert_interval = \"100ms\"\nvirtual_addresses = [\"192.0.2.100/24\"]\n",
            $more
        )
    };
}

/// A server that counts as dead until a check says otherwise.
macro_rules! checked {
    ($check:literal) => {
        concat!(
            "[checker]\nipvs = false\n[[virtual_server]]\naddress = \"192.0.2.100:80\"\n",
            "real_servers = [\"127.0.0.1:8080\"]\n",
            "check = { initial = \"down\", interval = \"200ms\", timeout = \"200ms\", ",
            $check,
            " }\n"
        )
    };
}

static ROWS: [Row; 13] = [
    Row {
        feature: "virtual routers, with multicast or `unicast_peers`",
        needs: ROUTER,
        besides: &[],
        configs: &[instance!(""), instance!("unicast_peers = [\"192.0.2.12\"]\n")],
        works: |site| Ok(site.host.has_address(VIP)? && (site.multicast()? || site.is_unicast())),
    },
    Row {
        feature: "`virtual_mac`",
        needs: ROUTER,
        besides: &[],
        configs: &[instance!("virtual_mac = true\n")],
        works: |site| {
            let made = site.host.output(&["ip", "link", "show", "vrrp.51"])?.code == Some(0);
            Ok(made && site.host.has_address(VIP)?)
        },
    },
    Row {
        feature: "`virtual_routes`, `virtual_rules`, `accept = false`",
        needs: &["NET_ADMIN"],
        besides: &["NET_RAW"],
        configs: &[instance!(
            "accept = false\nvirtual_routes = [{ to = \"198.51.100.0/24\", via = \"192.0.2.12\" }]\n\
             virtual_rules = [{ priority = 1000, from = \"198.51.100.0/24\", table = 100 }]\n"
        )],
        works: |site| {
            let routes = site.host.ip("route")?.contains("198.51.100.0/24 via 192.0.2.12");
            Ok(routes && site.host.ip("rule")?.contains("1000:") && site.host.has_address(VIP)?)
        },
    },
    Row {
        feature: "checks, where `ipvs = false`",
        needs: &[],
        besides: &[],
        configs: &[checked!("type = \"tcp\"")],
        works: Site::is_alive,
    },
    Row {
        feature: "checks of type ping, where `net.ipv4.ping_group_range` leaves the daemon out",
        needs: &["NET_RAW"],
        besides: &[],
        configs: &[checked!("type = \"ping\"")],
        works: Site::is_alive,
    },
    Row {
        feature: "checks with a `fwmark`",
        needs: &["NET_ADMIN"],
        besides: &[],
        configs: &[checked!("type = \"tcp\", fwmark = 7")],
        works: Site::is_alive,
    },
    Row {
        feature: "scripts and mail as a user that is not root (`script_user`, `user`, `run_as`)",
        needs: &["SETUID", "SETGID"],
        besides: ROUTER,
        configs: &[
            instance!(
                "track_scripts = [\"ok\"]\n[[vrrp.script]]\nname = \"ok\"\ncommand = \"/bin/true\"\n\
                 user = \"nobody\"\ninterval = \"200ms\"\n"
            ),
            instance!(
                "[alerts]\nto = \"ops@example.org\"\nserver = \"127.0.0.1:1\"\nrun_as = \"nobody\"\ntls = \"none\"\n"
            ),
        ],
        works: |site| {
            let mailed = !site.config.contains("[alerts]") || site.log().contains("onnection refused");
            Ok(mailed && site.host.has_address(VIP)?)
        },
    },
    Row {
        feature: "ending such scripts when their `timeout` is over",
        needs: &["KILL"],
        besides: AS_NOBODY,
        configs: &[instance!(
            "track_scripts = [\"slow\"]\n[[vrrp.script]]\nname = \"slow\"\ncommand = \"/bin/sleep 1000\"\n\
             user = \"nobody\"\ninterval = \"300ms\"\ntimeout = \"200ms\"\n"
        )],
        works: |site| Ok(site.told()?.contains("time limit")),
    },
    Row {
        feature: "`network_namespace`",
        needs: &["SYS_ADMIN"],
        besides: ROUTER,
        configs: &[instance!("[vrrp]\nnetwork_namespace = \"AWAY\"\n")],
        works: |site| site.away.has_address(VIP),
    },
    Row {
        feature: "`scheduler`, a negative `nice`",
        needs: &["SYS_NICE"],
        besides: ROUTER,
        configs: &[
            instance!("[vrrp.resources]\nscheduler = \"rr\"\n"),
            instance!("[vrrp.resources]\nnice = -5\n"),
        ],
        works: Site::is_favoured,
    },
    Row {
        feature: "`lock_memory`",
        needs: &["IPC_LOCK"],
        besides: ROUTER,
        configs: &[instance!("[vrrp.resources]\nlock_memory = true\n")],
        works: Site::is_favoured,
    },
    Row {
        feature: "`oom_score_adjust` below, `open_files` above what is given",
        needs: &["SYS_RESOURCE"],
        besides: ROUTER,
        configs: &[
            instance!("[vrrp.resources]\noom_score_adjust = -100\n"),
            instance!("[vrrp.resources]\nopen_files = 8192\n"),
        ],
        works: Site::is_favoured,
    },
    Row {
        feature: "virtual servers (IPVS)",
        needs: &["NET_ADMIN"],
        besides: &[],
        configs: &[
            "[[virtual_server]]\naddress = \"192.0.2.100:80\"\ncheck = []\nreal_servers = [\"192.0.2.12:80\"]\n",
        ],
        works: |site| {
            Ok(site.host.run(&["ipvsadm", "-S", "-n"])?.contains("-a -t 192.0.2.100:80 -r 192.0.2.12:80"))
        },
    },
];

/// Where a daemon runs, and what can be seen of it.
struct Site {
    daemon: Process,
    config: String,
    wire: Capture,
    host: Netns,
    away: Netns,
    folder: TempDir,
    _server: std::net::TcpListener,
    _lan: Lan,
}

impl Site {
    /// Starts the daemon with these capabilities and no other, and with limits that are soon reached.
    fn start(capabilities: &[&str], config: &str) -> Result<Self> {
        let lan = Lan::new()?;
        let (host, away) = (lan.host("lb-1", &["192.0.2.11/24"])?, lan.host("away", &["192.0.2.13/24"])?);
        let server = host.enter(|| std::net::TcpListener::bind("127.0.0.1:8080"))??;
        let wire = lan.capture()?;
        let folder = TempDir::new()?;
        let config = config.replace("AWAY", away.name());
        let file = folder.write("holdfast.toml", &config)?;
        let program = lab::program(Program::Holdfastd)?;
        let line = format!(
            "{} -n -c {} --run-dir {}/run --log-level debug --log-target stderr",
            program.display(),
            file.display(),
            folder.path().display()
        );
        std::fs::create_dir_all(folder.path().join("run"))?;
        let daemon = start(&host, capabilities, &line, &folder)?;
        Ok(Self { daemon, config, wire, host, away, folder, _server: server, _lan: lan })
    }

    fn log(&self) -> String {
        self.daemon.log().text()
    }

    fn is_unicast(&self) -> bool {
        self.config.contains("unicast_peers")
    }

    fn multicast(&self) -> Result<bool> {
        Ok(!self.wire.adverts().is_empty())
    }

    /// The status; nothing while there is none.
    fn status(&self) -> Result<String> {
        let program = lab::program(Program::Holdfast)?;
        let run = self.folder.path().join("run");
        let done = self.host.output(&[
            &program.to_string_lossy(),
            "status",
            "--json",
            "--run-dir",
            &run.to_string_lossy(),
        ])?;
        Ok(done.stdout)
    }

    /// Everything that the daemon says.
    fn told(&self) -> Result<String> {
        Ok(self.log() + &self.status()?)
    }

    fn is_alive(&self) -> Result<bool> {
        let status: serde_json::Value = serde_json::from_str(&self.status()?).unwrap_or_default();
        Ok(status["checker"]["virtual_servers"][0]["real_servers"][0]["alive"] == true)
    }

    /// Whether the watchdog goes by its name.
    fn is_titled(&self) -> bool {
        let command = |pid: i32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        self.daemon.tree().into_iter().any(|pid| command(pid).starts_with(b"holdfastd: watchdog\0"))
    }

    /// The daemon has what it asked for and goes about its work.
    fn is_favoured(&self) -> Result<bool> {
        Ok(self.host.has_address(VIP)? && !self.log().contains("the kernel refuses"))
    }
}

fn start(host: &Netns, capabilities: &[&str], line: &str, folder: &TempDir) -> Result<Process> {
    let bounds: String = capabilities.iter().map(|name| format!(",+{}", name.to_lowercase())).collect();
    let shell = format!(
        "ulimit -l 64; ulimit -n 4096; exec setpriv --bounding-set=-all{bounds} --inh-caps=-all {line}"
    );
    Process::start(host, &["sh", "-c", &shell], &folder.path().join("log"))
}

fn perform(row: &Row) -> Result {
    for config in row.configs {
        let wrong = |what: &str, error: Error, log: &str| {
            Error::new(format!("{}: {what}: {error}\n{config}\n{log}", row.feature))
        };
        let all = [row.besides, row.needs].concat();
        let site = Site::start(&all, config)?;
        let done = wait::until("it to work", LIMIT, || (row.works)(&site));
        done.map_err(|error| wrong(&format!("with {all:?}"), error, &site.daemon.log().tail(20)))?;
        assert!(!site.log().contains("is missing"), "{}: {all:?}\n{}", row.feature, site.log());
        assert!(site.is_titled(), "the title, which the kernel lets few set");
        for missing in row.needs {
            let rest: Vec<&str> = all.iter().filter(|name| *name != missing).copied().collect();
            let site = Site::start(&rest, config)?;
            let words = format!("CAP_{missing} is missing");
            let told = wait::until(&words, LIMIT, || Ok(site.told()?.contains(&words)));
            told.map_err(|error| wrong(&format!("without {missing}"), error, &site.daemon.log().tail(20)))?;
            assert!(!(row.works)(&site)?, "{}: it works without {missing}\n{config}", row.feature);
        }
    }
    Ok(())
}

fn row(feature: &str) -> &'static Row {
    ROWS.iter().find(|row| row.feature.contains(feature)).unwrap_or_else(|| panic!("no row {feature}"))
}

/// A test for each row, so that they run beside each other.
macro_rules! tests {
    ($($name:ident: $feature:literal,)*) => {
        $(
            #[test]
            fn $name() -> Result {
                lab::require_privileges()?;
                perform(row($feature))
            }
        )*

        const TESTED: &[&str] = &[$($feature,)* "IPVS", "`oom_score_adjust`"];
    };
}

tests! {
    virtual_routers_have_the_capabilities_they_need: "virtual routers",
    virtual_macs_have_the_capabilities_they_need: "`virtual_mac`",
    routes_and_rules_have_the_capabilities_they_need: "`virtual_routes`",
    checks_have_the_capabilities_they_need: "where `ipvs = false`",
    pings_have_the_capabilities_they_need: "type ping",
    marks_have_the_capabilities_they_need: "`fwmark`",
    users_of_scripts_have_the_capabilities_they_need: "not root",
    slow_scripts_have_the_capabilities_they_need: "`timeout`",
    namespaces_have_the_capabilities_they_need: "`network_namespace`",
    real_time_has_the_capabilities_it_needs: "`scheduler`",
    locked_memory_has_the_capabilities_it_needs: "`lock_memory`",
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn ipvs_has_the_capabilities_it_needs() -> Result {
    perform(row("IPVS"))
}

/// Root of another kernel has what root of a sandbox may lack.
#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn limits_have_the_capabilities_they_need() -> Result {
    perform(row("`oom_score_adjust`"))
}

/// Nothing is lost but the kernel's word, and that is said.
#[test]
fn processes_are_looked_for_where_the_kernel_does_not_tell() -> Result {
    lab::require_privileges()?;
    let config =
        instance!("track_processes = [\"wire\"]\n[[vrrp.process]]\nname = \"wire\"\nprogram = \"tcpdump\"\n");
    let site = Site::start(ROUTER, config)?;
    wait::until("the address", LIMIT, || site.host.has_address(VIP))?;
    let told = "tracked processes are looked for once a second: the kernel reports processes to the privileged only: \
                CAP_SYS_ADMIN is missing";
    assert!(site.log().contains(told), "{}", site.log());
    Ok(())
}

/// The other program, which is no part of the daemon.
#[test]
fn a_low_port_of_serve_has_the_capability_it_needs() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("lb-1", &["192.0.2.11/24"])?;
    let folder = TempDir::new()?;
    let program = lab::program(Program::Holdfast)?;
    let line =
        format!("{} serve --listen 127.0.0.1:80 --run-dir {}", program.display(), folder.path().display());
    let mut serve = start(&host, &[], &line, &folder)?;
    assert_ne!(serve.wait_code(LIMIT)?, 0);
    assert!(serve.log().text().contains("CAP_NET_BIND_SERVICE is missing"), "{}", serve.log().text());
    let _serve = start(&host, &["NET_BIND_SERVICE"], &line, &folder)?;
    wait::until("an answer", LIMIT, || Ok(lab::get(&host, "127.0.0.1:80", "/health", LIMIT).is_ok()))
}

/// What the page says is what is tried here.
#[test]
fn the_table_of_the_page_is_what_is_tried() -> Result {
    let page = std::fs::read_to_string(docs().join("tasks/containers.md"))?;
    let told: Vec<&str> =
        page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what ")).collect();
    let serve = ("`holdfast serve` on a port below 1024", &["NET_BIND_SERVICE"][..]);
    let tried = ROWS.iter().map(|row| (row.feature, row.needs)).chain([serve]);
    let line = |(feature, needs): (&str, &[&str])| {
        let needs: Vec<String> = needs.iter().map(|name| format!("`{name}`")).collect();
        format!("| {feature} | {} |", if needs.is_empty() { "none".to_owned() } else { needs.join(", ") })
    };
    assert_eq!(told, tried.map(line).collect::<Vec<_>>());
    for row in &ROWS {
        assert!(TESTED.iter().any(|feature| row.feature.contains(feature)), "{} is not tried", row.feature);
    }
    Ok(())
}
