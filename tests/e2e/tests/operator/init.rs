//! The init script, with its paths pointing into a folder of this test.

use std::time::Duration;

use lab::{Lan, Netns, Output, Program, Result, TempDir, program, wait};

const LIMIT: Duration = Duration::from_secs(30);
const CONFIG: &str = "\
[[vrrp.instance]]
name = \"VI_1\"
interface = \"eth0\"
virtual_router_id = 51
virtual_addresses = [\"192.0.2.100/24\"]
";

struct Service {
    host: Netns,
    folder: TempDir,
    _lan: Lan,
}

impl Service {
    fn new() -> Result<Self> {
        let lan = Lan::new()?;
        let host = lan.host("a", &["192.0.2.1/24"])?;
        let folder = TempDir::new()?;
        folder.write("holdfast.toml", CONFIG)?;
        let at = folder.path().display();
        let log = format!("--log-target {at}/log");
        folder.write(
            "default",
            &format!("RUN_DIR={at}/run\nCONFIG={at}/holdfast.toml\nHOLDFASTD_OPTIONS=\"{log}\"\n"),
        )?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../etc/init.d/holdfast");
        let script = std::fs::read_to_string(script)?
            .replace("/usr/sbin/holdfastd", &program(Program::Holdfastd)?.to_string_lossy())
            .replace("/usr/bin/holdfast", &program(Program::Holdfast)?.to_string_lossy())
            .replace("/etc/default/holdfast", &format!("{at}/default"));
        folder.write("init", &script)?;
        Ok(Self { host, folder, _lan: lan })
    }

    #[track_caller]
    fn init(&self, action: &str) -> Result<Output> {
        let script = self.folder.path().join("init");
        self.host.output(&["sh", &script.to_string_lossy(), action])
    }

    fn pid(&self) -> Option<String> {
        std::fs::read_to_string(self.folder.path().join("run/holdfastd.pid")).ok()
    }
}

#[test]
fn the_init_script_starts_reloads_restarts_and_stops() -> Result {
    lab::require_privileges()?;
    let service = Service::new()?;
    assert_eq!(service.init("status")?.code, Some(3), "LSB: 3 is not running");
    assert_eq!(service.init("stop")?.code, Some(0), "LSB: stopping what is stopped is no fault");

    let started = service.init("start")?;
    assert_eq!(started.code, Some(0), "{}{}", started.stdout, started.stderr);
    assert_eq!(service.init("status")?.code, Some(0));
    assert_eq!(service.init("start")?.code, Some(0), "LSB: starting what runs is no fault");
    let first = service.pid();
    service.host.wait_address("192.0.2.100", LIMIT)?;

    service.folder.write("holdfast.toml", &CONFIG.replace(".100", ".101"))?;
    let reloaded = service.init("reload")?;
    assert_eq!(reloaded.code, Some(0), "{}{}", reloaded.stdout, reloaded.stderr);
    service.host.wait_address("192.0.2.101", LIMIT)?;
    assert_eq!(service.pid(), first, "a reload is no restart");

    service.folder.write("holdfast.toml", "nonsense = 1\n")?;
    assert_eq!(service.init("reload")?.code, Some(2));
    assert_eq!(service.init("restart")?.code, Some(2), "a restart that could not start again stops nothing");
    assert_eq!(service.pid(), first);
    assert!(service.host.has_address("192.0.2.101")?);

    service.folder.write("holdfast.toml", CONFIG)?;
    assert_eq!(service.init("restart")?.code, Some(0));
    assert_ne!(service.pid(), first);

    assert_eq!(service.init("stop")?.code, Some(0));
    assert_eq!(service.init("status")?.code, Some(3));
    assert!(!service.host.has_address("192.0.2.100")?);
    wait::until("every process to be gone", LIMIT, || Ok(service.host.pids().is_empty()))
}

#[test]
fn a_start_that_fails_says_so() -> Result {
    lab::require_privileges()?;
    let service = Service::new()?;
    service.folder.write("holdfast.toml", "nonsense = 1\n")?;
    let failed = service.init("start")?;
    assert_eq!(failed.code, Some(2));
    assert!(failed.stderr.contains("unknown key \"nonsense\""), "{}", failed.stderr);
    std::fs::remove_file(service.folder.path().join("holdfast.toml"))?;
    assert_eq!(service.init("start")?.code, Some(6));
    Ok(())
}
