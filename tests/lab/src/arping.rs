//! Who answers for an address.

use crate::{Error, Netns, Result};

/// Asks the segment of `interface` for an address and returns the MAC addresses that answered, in order, each once.
#[track_caller]
pub fn arping(host: &Netns, interface: &str, address: &str) -> Result<Vec<String>> {
    let done = host.output(&["arping", "-b", "-c", "2", "-w", "1", "-I", interface, address])?;
    if done.code == Some(2) || done.code == Some(127) {
        return Err(Error::new(format!("arping failed: {}", done.stderr.trim())));
    }
    let mut answers: Vec<String> = Vec::new();
    // "Unicast reply from 192.0.2.1 [02:00:00:00:00:01]  0.512ms"
    for line in done.stdout.lines().filter(|line| line.contains("reply from")) {
        let mac = line.split(['[', ']']).nth(1).unwrap_or_default().to_ascii_lowercase();
        if !answers.contains(&mac) {
            answers.push(mac);
        }
    }
    Ok(answers)
}
