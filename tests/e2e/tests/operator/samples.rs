//! Every shipped sample runs, not only checks: the processes become ready and show what it configures.

use std::path::Path;
use std::time::Duration;

use lab::{Holdfast, Lan, Result, wait};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn every_sample_runs() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.0.2.251/24", "10.0.0.2/24", "fe80::251/64"])?;
    lan.attach(&host, "eth1", &["10.0.1.2/24"])?;
    lan.attach(&host, "eth2", &[])?;
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../etc/holdfast/samples");
    let mut count = 0;
    for entry in std::fs::read_dir(samples)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path)?;
        // The kernel here may have no IPVS; the test kernel shows that the table is right.
        let ours = Holdfast::start(&host, &format!("{text}\n[checker]\nipvs = false\n"))
            .map_err(|error| lab::Error::new(format!("{name}: {error}")))?;
        let listed = |status: &Value, pointer: &str| {
            status.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len)
        };
        let status = ours.status()?;
        for (header, pointer) in [
            ("\n[[vrrp.instance]]", "/vrrp/instances"),
            ("\n[[vrrp.sync_group]]", "/vrrp/sync_groups"),
            ("\n[[virtual_server]]", "/checker/virtual_servers"),
        ] {
            assert_eq!(listed(&status, pointer), text.matches(header).count(), "{name}: {pointer}");
        }
        assert_eq!(ours.stop()?, 0, "{name}");
        wait::until("its processes to be gone", LIMIT, || Ok(host.pids().is_empty()))?;
        count += 1;
    }
    assert!(count > 6, "{count} samples");
    Ok(())
}
