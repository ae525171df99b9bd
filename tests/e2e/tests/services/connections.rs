//! `holdfast connections` shows what `ipvsadm` does.

use std::collections::BTreeSet;

use e2e::farm::{DR6, Farm, NAT, farm};
use e2e::terminal::Terminal;
use lab::{Holdfast, Result, SECONDS_10, wait};
use serde_json::Value;

/// Protocol, state, client, place and server of every connection; how much time is left is not the same twice.
type Table = BTreeSet<[String; 5]>;

fn of_ipvsadm(farm: &Farm) -> Result<Table> {
    let text = farm.ipvsadm("-L -n -c")?;
    let rows = text.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [protocol, expires, state, client, to, server] = words.as_slice() else { return None };
        expires.contains(':').then(|| [protocol, state, client, to, server].map(|word| (*word).to_owned()))
    });
    Ok(rows.collect())
}

fn of_text(ours: &Holdfast, arguments: &[&str]) -> Result<Table> {
    let done = ours.command(&[&["connections"], arguments].concat())?;
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    let rows = done.stdout.lines().skip(1).map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        [words[0], words[2], words[3], words[4], words[5]].map(str::to_owned)
    });
    Ok(rows.collect())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn connections_are_those_that_ipvsadm_lists() -> Result {
    let farm = farm();
    let config = format!(
        "[[virtual_server]]\naddresses = [\"{NAT}:80\", \"{NAT}:81\"]\nscheduler = \"rr\"\npersistence = \"50s\"\ncheck = []\n\
         real_servers = [\"10.0.0.21:80\", \"10.0.0.22:80\"]\n\
         [[virtual_server]]\naddress = \"[{DR6}]:80\"\nscheduler = \"rr\"\nforward = \"dr\"\ncheck = []\n\
         real_servers = [\"[2001:db8:1::21]:80\"]\n"
    );
    let ours = farm.start(&config)?;
    for address in [format!("{NAT}:80"), format!("{NAT}:80"), format!("{NAT}:81"), format!("[{DR6}]:80")] {
        farm.ask(&address)?;
    }
    // States go on by themselves: until both have seen the same.
    let mut last = (Table::new(), Table::new());
    wait::until("both tables to be alike", SECONDS_10, || {
        last = (of_ipvsadm(&farm)?, of_text(&ours, &[])?);
        Ok(last.0 == last.1 && last.0.len() >= 4)
    })
    .map_err(|error| format!("{error}: {last:#?}"))?;
    let table = last.0;
    let six = |row: &&[String; 5]| row[2].starts_with('[');
    assert_eq!(
        of_text(&ours, &["--service", &format!("[{DR6}]:80")])?.len(),
        table.iter().filter(six).count()
    );
    assert_eq!(of_text(&ours, &["--protocol", "udp"])?.len(), 0);
    // A group has one name.
    let list: Vec<Value> = serde_json::from_str(&ours.command(&["connections", "--json"])?.stdout)?;
    let second = format!("{NAT}:81");
    let named = list.iter().find(|one| one["to"] == second.as_str() && one["template"] == false);
    assert_eq!(named.map(|one| &one["service"]), Some(&format!("tcp {NAT}:80").into()), "{list:#?}");
    let counted: Vec<Value> =
        serde_json::from_str(&ours.command(&["connections", "--count", "--json"])?.stdout)?;
    let sum = |key: &str| counted.iter().filter_map(|one| one[key].as_u64()).sum::<u64>();
    assert_eq!(sum("connections"), 4, "{counted:#?}");
    assert!(sum("templates") >= 1, "{counted:#?}");
    assert_eq!(ours.stop()?, 0);
    Ok(())
}

#[test]
#[ignore = "needs the test kernel: run by in_the_test_kernel"]
fn top_shows_what_goes_through_a_service() -> Result {
    let farm = farm();
    let config = format!(
        "[[virtual_server]]\naddress = \"{NAT}:80\"\nscheduler = \"rr\"\ncheck = []\nreal_servers = [\"10.0.0.21:80\"]\n"
    );
    let ours = farm.start(&config)?;
    let mut terminal = Terminal::holdfast(&farm.director, &ours, &["top", "--interval", "1"], 24, 100)?;
    terminal.press("\t")?;
    let row = |text: &str| {
        let row = text.lines().find(|line| line.starts_with(&format!("tcp {NAT}:80")))?;
        Some(row.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    };
    // SERVICE (two words), QUORUM, UP, ACTIVE, CONN/S, PKT/S, IN/S, OUT/S, and the curve.
    terminal.wait("a rate of nothing", |text| {
        row(text).is_some_and(|row| row.get(5).is_some_and(|rate| rate == "0"))
    })?;
    let mut busy = Vec::new();
    wait::until("rates", SECONDS_10 * 6, || {
        farm.ask(&format!("{NAT}:80"))?;
        busy = row(&terminal.look()?.contents()).unwrap_or_default();
        let rates = busy.get(5..9).unwrap_or_default();
        Ok(rates.len() == 4 && !rates.iter().any(|rate| rate == "0" || rate == "-"))
    })
    .map_err(|error| format!("{error}: {busy:?}"))?;
    terminal.wait("the curve", |text| text.contains('█'))?;
    terminal.press("q")?;
    assert_eq!(terminal.end()?.code(), Some(0));
    assert_eq!(ours.stop()?, 0);
    Ok(())
}
