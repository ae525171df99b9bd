//! What the status says of connections and traffic is what the kernel counts.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::farm::{DR, Farm, NAT, farm};
use lab::{Error, Result, wait};
use serde_json::Value;

/// The kernel adds its counters up every two seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// By the addresses of a service and of a server (or none: the service itself), what `ipvsadm` or the status has.
type Table = BTreeMap<(String, String), Vec<u64>>;

/// Connections, packets and bytes, to and from; then those connections that there are at the moment.
fn of_ipvsadm(farm: &Farm) -> Result<Table> {
    let mut table = Table::new();
    for (what, columns) in [("--stats", 2..7), ("", 4..6)] {
        let text = farm.ipvsadm(&format!("-L -n --exact {what}"))?;
        let mut service = String::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let numbers = || words.get(columns.clone())?.iter().map(|word| word.parse().ok()).collect();
            let key = match words.as_slice() {
                ["TCP", address, ..] => {
                    service = (*address).to_owned();
                    (service.clone(), String::new())
                }
                ["->", address, ..] => (service.clone(), (*address).to_owned()),
                _ => continue,
            };
            // Of a service at the moment there is nothing to say; a heading has no numbers.
            let numbers: Option<Vec<u64>> = numbers();
            if let Some(numbers) = numbers {
                table.entry(key).or_default().extend(numbers);
            }
        }
    }
    Ok(table)
}

fn of_status(status: &Value) -> Option<Table> {
    let mut table = Table::new();
    let traffic = |of: &Value| -> Option<Vec<u64>> {
        let words = ["connections", "packets_in", "packets_out", "bytes_in", "bytes_out"];
        words.iter().map(|word| of.get("traffic")?.get(word)?.as_u64()).collect()
    };
    for service in status.pointer("/checker/virtual_servers")?.as_array()? {
        let address = service.get("address")?.as_str()?;
        table.insert((address.to_owned(), String::new()), traffic(service)?);
        for server in service.get("real_servers")?.as_array()? {
            let mut numbers = traffic(server)?;
            numbers.push(server.get("active_connections")?.as_u64()?);
            numbers.push(server.get("inactive_connections")?.as_u64()?);
            table.insert((address.to_owned(), server.get("address")?.as_str()?.to_owned()), numbers);
        }
    }
    Some(table)
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn the_status_counts_what_the_kernel_counts() -> Result {
    let farm = farm();
    let service = |address: &str, forward: &str, servers: &[&str]| {
        format!(
            "[[virtual_server]]\naddress = \"{address}:80\"\nscheduler = \"rr\"\nforward = \"{forward}\"\ncheck = []\n\
             real_servers = {servers:?}\n"
        )
    };
    let both = service(NAT, "nat", &["10.0.0.21:80", "10.0.0.22:80"]) + &service(DR, "dr", &["10.0.0.23:80"]);
    let holdfast = farm.start(&both)?;
    farm.ask_often(&format!("{NAT}:80"), 7)?;
    farm.ask_often(&format!("{DR}:80"), 3)?;
    farm.wait_counted(&format!("{NAT}:80"), 7)?;
    farm.wait_counted(&format!("{DR}:80"), 3)?;
    let mut last = (Table::new(), None);
    let same = wait::until("the same numbers in both", LIMIT, || {
        last = (of_ipvsadm(&farm)?, of_status(&holdfast.status()?));
        Ok(last.1.as_ref() == Some(&last.0))
    });
    same.map_err(|error| Error::new(format!("{error}: {last:#?}")))?;
    let of = |service: &str, server: &str| last.0.get(&(service.to_owned(), server.to_owned())).cloned();
    assert_eq!(last.0.len(), 5, "{last:?}");
    let translated = of("192.0.2.100:80", "").ok_or("no service")?;
    assert!(translated.iter().all(|number| *number > 0), "{translated:?}");
    assert_eq!(of("192.0.2.101:80", "").ok_or("no service")?.first(), Some(&3));
    Ok(())
}
