//! Signed adverts: what is taken, what is told, and what outlives a reload and a restart.

use super::*;
use crate::wire::hmac::Stamp;

const PEER: &str = "10.0.0.9";
const DAY: Duration = Duration::from_secs(1_795_262_400);

fn signed(lines: &str) -> String {
    instance(&format!(
        "auth = {{ type = \"hmac\", keys = [{{ id = 1, text = \"0123456789abcdef0123456789abcdef\" }}], {lines} }}"
    ))
}

impl Machine {
    /// An advert signed by a peer with these keys, some seconds after the day began.
    fn signed_by(&self, text: &str, priority: u8, at: Duration) -> Vec<u8> {
        let plan = parse(text).instances[0].clone();
        let listed = plan.advertised();
        let advert = Advert {
            version: plan.version,
            vrid: plan.key.vrid,
            priority,
            interval: plan.interval,
            auth: plan.auth,
            addresses: Addresses::new(plan.key.family, &listed),
        };
        let (source, destination) = (ip(PEER), group(plan.key.family));
        let mut buffer = [0; MAX_LEN];
        let len = advert.encode(Form::PseudoHeader, source, destination, &mut buffer).unwrap();
        let mut message = buffer[..len].to_vec();
        let keyring = plan.keyring.unwrap();
        let sequence = keyring.next_sequence(0, Stamp::new(DAY + at));
        assert!(keyring.sign(sequence, source, destination, &mut message));
        message
    }

    fn clock(&mut self, at: Duration) {
        self.router.tell_time_of_day(Stamp::new(DAY + at));
    }

    fn dropped(&self, reason: &str) -> u64 {
        let status = self.router.status(self.now);
        status.instances[0].advertisements.rejected.get(reason).copied().unwrap_or_default()
    }
}

#[test]
fn an_unsigned_advert_changes_nothing_and_is_told_loudly() {
    let mut m = Machine::master(&signed(""));
    m.clock(SECOND);
    let lines = m.hear(PEER, 200);
    assert_eq!(m.state(), StateName::Master);
    assert_eq!(
        lines,
        [
            "report incompatible peer instance=A peer=10.0.0.9 field=auth.type mine=\"hmac\" theirs=\"none\"",
            "report packet dropped interface=eth0 source=10.0.0.9 reason=\"not signed\" instance=A",
        ]
    );
    assert_eq!(m.dropped("unsigned"), 1);
}

#[test]
fn a_signed_advert_counts_once() {
    let mut m = Machine::master(&signed(""));
    m.clock(SECOND);
    let advert = m.signed_by(&signed(""), 50, SECOND);
    let first = m.packet(PEER, &advert);
    assert!(first.iter().any(|l| l.contains("inferior advert answered")), "{first:?}");
    m.pass(SECOND);
    assert_eq!(
        m.packet(PEER, &advert),
        [
            "report packet dropped interface=eth0 source=10.0.0.9 reason=\"heard before: a copy, or sent by an attacker\" \
          instance=A"
        ]
    );
    assert_eq!(m.dropped("replayed"), 1);
    let newer = m.signed_by(&signed(""), 200, 2 * SECOND);
    m.packet(PEER, &newer);
    assert_eq!(m.state(), StateName::Backup);
}

#[test]
fn what_was_heard_is_not_forgotten_by_a_restart_or_a_reload() {
    let text = signed("");
    let mut m = Machine::started(&text);
    m.clock(SECOND);
    let advert = m.signed_by(&text, 200, SECOND);
    m.packet(PEER, &advert);
    let checkpoint = m.router.checkpoint(m.now, SECOND);

    let mut after = Machine::new(&text);
    after.router.restore(&checkpoint, after.now, SECOND).unwrap();
    after.begin();
    after.clock(2 * SECOND);
    after.packet(PEER, &advert);
    assert_eq!(after.dropped("replayed"), 1);

    m.reload(&signed("mode = \"permissive\""));
    m.packet(PEER, &advert);
    assert_eq!(m.dropped("replayed"), 1);
}

#[test]
fn a_clock_that_drifts_is_told_before_it_is_too_late() {
    let mut m = Machine::started(&signed("time_window = \"10s\""));
    m.clock(Duration::ZERO);
    for (at, told, taken) in [(5, false, true), (6, true, true), (10, false, true), (11, false, false)] {
        let at = Duration::from_secs(at);
        let advert = m.signed_by(&signed(""), 200, at);
        let lines = m.packet(PEER, &advert);
        let clock: Vec<_> = lines.iter().filter(|l| l.contains("field=clock")).collect();
        assert_eq!(clock.len(), usize::from(told), "{lines:?}");
        if let [line] = clock[..] {
            assert!(line.ends_with("field=clock mine=\"within 10s\" theirs=\"6s ahead\""), "{line}");
        }
        assert_eq!(m.dropped("stale"), u64::from(!taken));
    }
}

#[test]
fn monotonic_takes_any_clock_but_nothing_twice() {
    let mut m = Machine::started(&signed("anti_replay = \"monotonic\""));
    let text = signed("");
    for (at, replayed) in [(5, 0), (500, 0), (500, 1), (499, 2)] {
        let advert = m.signed_by(&text, 200, Duration::from_secs(at));
        m.packet(PEER, &advert);
        assert_eq!(m.dropped("replayed"), replayed, "{at}");
    }
}

#[test]
fn another_key_is_named_and_not_shown() {
    let other = signed("").replace("id = 1", "id = 7").replace("0123", "4567");
    let mut m = Machine::master(&signed(""));
    m.clock(SECOND);
    let advert = m.signed_by(&other, 200, SECOND);
    let lines = m.packet(PEER, &advert);
    assert!(lines[0].ends_with("field=auth.keys mine=\"1\" theirs=\"7\""), "{lines:?}");
    let advert = m.signed_by(&other.replace("id = 7", "id = 1"), 200, SECOND);
    let lines = m.packet(PEER, &advert);
    assert!(lines.iter().any(|l| l.ends_with("reason=\"wrong signature\" instance=A")), "{lines:?}");
    assert!(!lines.concat().contains("4567"));
    assert_eq!((m.dropped("unknown_key"), m.dropped("signature"), m.state()), (1, 1, StateName::Master));
}

#[test]
fn the_active_key_signs_unless_only_receiving_was_asked_for() {
    for (mode, signs) in [("enforce", true), ("permissive", true), ("receive_only", false)] {
        let mut m = Machine::master(&signed(&format!("mode = \"{mode}\"")));
        let packet = m.packets(SECOND).pop().unwrap();
        assert_eq!(packet.signer.is_some(), signs, "{mode}");
    }
}

#[test]
fn without_its_key_an_instance_is_in_fault() {
    let text = signed("").replace("text = \"0123456789abcdef0123456789abcdef\"", "file = \"/k\"");
    let mut m = Machine::started(&text);
    m.pass(10 * SECOND);
    assert_eq!(m.state(), StateName::Fault);
    let status = m.router.status(m.now);
    assert_eq!(status.instances[0].faults, ["no key to sign adverts with: /k was not read"]);
    m.reload(&signed(""));
    m.pass(10 * SECOND);
    assert_eq!(m.state(), StateName::Master);
}
