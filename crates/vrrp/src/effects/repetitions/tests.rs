use std::sync::Arc;

use super::*;
use crate::machine::fact::Reason;
use crate::machine::id::Tag;

fn tag(id: u32) -> Tag {
    Tag { id: InstanceId(id), name: "VI".into() }
}

fn announce(id: u32, repeat: u8) -> Action {
    Action::Announce { instance: tag(id), announcements: Arc::new([]), repeat }
}

fn moved(id: u32, to: StateName) -> Action {
    let (from, reason) = (StateName::Master, Reason::Started);
    let fact = Fact::Transition { instance: tag(id), from, to, reason, priority: 100, vrid: 51, peer: None };
    Action::Report(fact)
}

/// What is left of 1 and 2 after an action.
fn left(action: &Action) -> Vec<Action> {
    let mut repetitions = Repetitions::default();
    repetitions.append(&mut vec![announce(1, 5), announce(2, 5)]);
    repetitions.heed(action);
    repetitions.take()
}

#[test]
fn nobody_is_announced_again_who_has_given_up_the_addresses() {
    let both = [announce(1, 5), announce(2, 5)];
    assert_eq!(left(&moved(1, StateName::Master)), both);
    assert_eq!(left(&moved(3, StateName::Backup)), both);
    for over in [
        moved(1, StateName::Backup),
        moved(1, StateName::Fault),
        Action::RemoveAddresses { instance: tag(1), addresses: Vec::new() },
    ] {
        assert_eq!(left(&over), [announce(2, 5)], "{over}");
    }
}

#[test]
fn what_is_announced_once_only_is_done() {
    let mut repetitions = Repetitions::default();
    repetitions.append(&mut vec![announce(1, 1), announce(2, 2)]);
    assert_eq!(repetitions.take(), [announce(2, 2)]);
    assert!(repetitions.is_empty());
}
