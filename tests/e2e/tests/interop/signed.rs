//! Signed adverts beside a keepalived that has them (2.4 or later): `LAB_KEEPALIVED_NEW=… cargo test -- --ignored`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use e2e::pair::{Flavour, NAME, Pair};
use lab::{Holdfast, Keepalived, Result, SECONDS_10, TempDir, wait};

const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const TEXT: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP";

fn ours(active: u8, more: &str) -> String {
    format!(
        "auth = {{ type = \"hmac\", active_key = {active}, keys = [{{ id = 1, hex = \"{HEX}\" }}, \
         {{ id = 2, text = \"{TEXT}\" }}], {more} }}"
    )
}

fn theirs(active: u8, more: &str) -> String {
    format!("auth_hmac {{\n    key 1 hex:{HEX}\n    key 2 {TEXT}\n    active_key {active}\n    {more}\n  }}")
}

fn start(
    pair: &Pair,
    our_lines: &str,
    their_priority: u8,
    their_lines: &str,
) -> Result<(Holdfast, Keepalived)> {
    let config = pair.flavour.theirs(their_priority).extra(their_lines).config();
    let keepalived = Keepalived::start_new(&pair.their_host, &config)?;
    let holdfast = pair.start_ours(100, our_lines)?;
    Ok((holdfast, keepalived))
}

/// Both roles in turn: theirs is killed and comes back.
fn each_takes_over_from_the_other(flavour: Flavour, our_lines: &str, their_lines: &str) -> Result {
    let pair = Pair::new(flavour)?;
    let (ours, theirs) = start(&pair, our_lines, 110, their_lines)?;
    pair.wait_theirs(&ours, &theirs)?;
    pair.assert_understood(&ours, &theirs)?;
    theirs.stop()?;
    ours.wait_state(NAME, "master", SECONDS_10)?;
    let config = flavour.theirs(90).extra(their_lines).config();
    let theirs = Keepalived::start_new(&pair.their_host, &config)?;
    theirs.wait_state(NAME, "BACKUP", SECONDS_10)?;
    pair.wait_ours(&ours, &theirs)?;
    wait::stays("keepalived as backup", flavour.master_down(90) * 3 / 2, || {
        Ok(theirs.state(NAME).as_deref() == Some("BACKUP"))
    })?;
    let text = theirs.log().text();
    let complaint = text.lines().find(|line| line.contains("authentication"));
    assert_eq!(complaint, None);
    pair.assert_understood(&ours, &theirs)
}

macro_rules! beside_new {
    ($($test:ident: $flavour:ident, $ours:expr, $theirs:expr;)+) => {
        $(#[test]
        #[ignore = "needs a keepalived 2.4: LAB_KEEPALIVED_NEW"]
        fn $test() -> Result {
            each_takes_over_from_the_other(Flavour::$flavour, &$ours, &$theirs)
        })+
    };
}

beside_new! {
    signed_v2: V2, ours(1, ""), theirs(1, "");
    signed_v3_ipv4: V3Ipv4, ours(1, ""), theirs(1, "");
    signed_v3_ipv6: V3Ipv6, ours(1, ""), theirs(1, "");
    signed_by_different_keys: V3Ipv4, ours(1, ""), theirs(2, "");
    monotonic: V3Ipv4, ours(2, "anti_replay = \"monotonic\""), theirs(2, "anti_replay monotonic");
    ours_permissive_theirs_receive_only: V3Ipv4, ours(1, "mode = \"permissive\""), theirs(1, "mode receive-only");
    ours_receive_only_theirs_permissive: V3Ipv6, ours(1, "mode = \"receive_only\""), theirs(1, "mode permissive");
    ours_enforcing_theirs_permissive: V2, ours(1, ""), theirs(1, "mode permissive");
}

/// The same two files for both: digits, and text with the end of a line.
#[test]
#[ignore = "needs a keepalived 2.4: LAB_KEEPALIVED_NEW"]
fn both_read_the_same_key_files() -> Result {
    for content in [format!("hex:{HEX}\n"), format!("{TEXT}\n"), TEXT.to_owned()] {
        let folder = TempDir::new()?;
        let path = folder.write("key", &content)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let path = path.to_string_lossy();
        let ours = format!("auth = {{ type = \"hmac\", keys = [{{ id = 3, file = \"{path}\" }}] }}");
        let theirs = format!("auth_hmac {{\n    key 3 file:{path}\n    active_key 3\n  }}");
        let pair = Pair::new(Flavour::V3Ipv4)?;
        let (ours, theirs) = start(&pair, &ours, 110, &theirs)?;
        pair.wait_theirs(&ours, &theirs)?;
        pair.assert_understood(&ours, &theirs)?;
    }
    Ok(())
}

#[test]
#[ignore = "needs a keepalived 2.4: LAB_KEEPALIVED_NEW"]
fn an_unsigned_keepalived_is_refused_and_named() -> Result {
    let pair = Pair::new(Flavour::V3Ipv4)?;
    let (ours, _theirs) = start(&pair, &ours(1, ""), 150, "")?;
    let line = ours.log().wait("incompatible peer", SECONDS_10)?;
    assert!(line.contains("field=auth.type mine=\"hmac\" theirs=\"none\""), "{line}");
    ours.wait_state(NAME, "master", SECONDS_10)
}

#[test]
#[ignore = "needs a keepalived 2.4: LAB_KEEPALIVED_NEW"]
fn another_key_is_refused_and_named_by_both() -> Result {
    let pair = Pair::new(Flavour::V3Ipv4)?;
    let other = theirs(1, "").replace("00010203", "ff010203");
    let (ours, theirs) = start(&pair, &ours(1, ""), 150, &other)?;
    let line = ours.log().wait("incompatible peer", SECONDS_10)?;
    assert!(line.contains("field=auth.keys"), "{line}");
    ours.wait_state(NAME, "master", SECONDS_10)?;
    theirs.log().wait("invalid authentication HMAC", SECONDS_10).map(drop)
}
