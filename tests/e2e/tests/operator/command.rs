//! `holdfast status` and `holdfast reload` against a daemon that runs.

use std::time::Duration;

use lab::{Holdfast, Lan, Result};

const LIMIT: Duration = Duration::from_secs(30);
const CONFIG: &str = "\
[checker]
ipvs = false
[[vrrp.script]]
name = \"yes\"
command = \"/bin/true\"
[[vrrp.instance]]
name = \"VI_1\"
interface = \"eth0\"
virtual_router_id = 51
virtual_addresses = [\"192.0.2.100/24\"]
track_scripts = [\"yes\"]
[[vrrp.instance]]
name = \"VI_2\"
interface = \"eth7\"
virtual_router_id = 52
virtual_addresses = [\"192.0.2.200/24\"]
[[virtual_server]]
address = \"192.0.2.100:80\"
check = { type = \"tcp\", interval = \"100ms\", retries = 0 }
real_servers = [\"127.0.0.1:1\"]
";

#[test]
fn the_status_for_people_shows_every_part_and_begins_with_what_is_wrong() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.0.2.1/24"])?;
    let ours = Holdfast::start(&host, CONFIG)?;
    ours.wait_state("VI_1", "master", LIMIT)?;
    lab::wait::until("the server to be down", LIMIT, || {
        let status = ours.status()?;
        let alive = status.pointer("/checker/virtual_servers/0/real_servers/0/alive");
        Ok(alive.and_then(serde_json::Value::as_bool) == Some(false))
    })?;
    let text = ours.command(&["status"])?.stdout;
    let problems: Vec<&str> = text.lines().take_while(|line| line.starts_with("! ")).collect();
    assert_eq!(
        problems,
        [
            "! VI_2 is in FAULT: interface eth7 does not exist",
            "! tcp 192.0.2.100:80 has no quorum: 1 of 1 real servers down"
        ],
        "{text}"
    );
    let row = |start: &str| {
        let row = text.lines().find(|line| line.trim_start().starts_with(start));
        row.unwrap_or_else(|| panic!("no {start} in\n{text}")).split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(row("watchdog")[1], "up");
    assert_eq!(row("vrrp")[1], "up");
    assert_eq!(row("checker")[1], "up");
    assert_eq!(row("VI_1")[1], "MASTER");
    assert_eq!(row("VI_2")[1], "FAULT");
    assert_eq!(row("yes")[1], "up");
    assert_eq!(row("127.0.0.1:1")[1], "DOWN");
    assert!(!text.contains("cannot be shown"), "{text}");
    Ok(())
}

#[test]
fn a_dry_run_tells_what_a_reload_then_does() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.0.2.1/24"])?;
    let ours = Holdfast::start(&host, CONFIG)?;
    ours.wait_state("VI_1", "master", LIMIT)?;
    let instance = "[[vrrp.instance]]\nname = \"VI_3\"\ninterface = \"eth0\"\nvirtual_router_id = 53\n";
    ours.write_config(&format!("{CONFIG}{instance}virtual_addresses = [\"192.0.2.101/24\"]\n"))?;
    let dry = ours.command(&["reload", "--dry-run"])?;
    assert_eq!(dry.code, Some(3), "{}", dry.stderr);
    assert!(
        dry.stdout.lines().any(|line| line.starts_with("added ") && line.contains("VI_3")),
        "{}",
        dry.stdout
    );
    assert!(dry.stdout.lines().last().is_some_and(|line| line.contains("would change")), "{}", dry.stdout);
    assert!(ours.instance("VI_3", "/state").is_err(), "a dry run changes nothing");
    let json = ours.command(&["reload", "--dry-run", "--json"])?;
    assert_eq!(json.code, Some(3), "{}", json.stderr);
    let json: serde_json::Value = serde_json::from_str(&json.stdout)?;
    assert_eq!(json["summary"]["added"], 1, "{json}");
    assert_eq!((&json["traffic"], &json["dry_run"]), (&"all".into(), &true.into()), "{json}");
    let done = ours.command(&["reload"])?;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(done.stdout.replace("changed", "would change"), dry.stdout);
    ours.wait_state("VI_3", "master", LIMIT)?;
    let nothing = ours.command(&["reload", "--dry-run"])?;
    assert_eq!(
        (nothing.code, nothing.stdout.as_str()),
        (Some(0), "nothing would change\n"),
        "{}",
        nothing.stderr
    );
    ours.write_config("[global]\nnonsense = 1\n")?;
    let refused = ours.command(&["reload", "--dry-run", "--json"])?;
    let told: serde_json::Value = serde_json::from_str(&refused.stdout)?;
    assert_eq!((refused.code, &told["ok"]), (Some(2), &false.into()), "{told}");
    assert!(told["error"].as_str().is_some_and(|error| error.contains("nonsense")), "{told}");
    Ok(())
}

#[test]
fn a_refused_reload_prints_every_fault_and_changes_nothing() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.0.2.1/24"])?;
    let ours = Holdfast::start(&host, CONFIG)?;
    ours.wait_state("VI_1", "master", LIMIT)?;
    let refused = ours.reload(&CONFIG.replace("51", "510").replace("127.0.0.1:1", "localhost"))?;
    assert_eq!(refused.code, Some(2));
    assert_eq!(refused.stdout, "");
    let errors: Vec<&str> = refused.stderr.lines().filter(|line| line.contains(": error: ")).collect();
    assert_eq!(errors.len(), 2, "{}", refused.stderr);
    assert!(errors[0].contains("holdfast.toml:9:21: error: `virtual_router_id`"), "{}", refused.stderr);
    assert!(refused.stderr.ends_with("the reload was refused: nothing has changed\n"), "{}", refused.stderr);
    assert_eq!(ours.instance("VI_1", "/state")?, "master");
    let status = ours.status()?;
    assert_eq!(status.pointer("/watchdog/config/generation"), Some(&1.into()));
    assert_eq!(status.pointer("/watchdog/config/last_reload/ok"), Some(&false.into()));
    Ok(())
}
