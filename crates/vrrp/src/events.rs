//! Facts as the JSON lines that a program gets which asked the control socket for `events`. Fields may be added, none
//! renamed.

use serde_json::{Value, json};

use crate::machine::fact::Fact;
use crate::machine::id::Name;
use crate::machine::ledger::ObjectNews;
use crate::plan::Plan;

/// A fact as an object; `event` names its kind.
#[must_use]
pub fn event(fact: &Fact) -> Value {
    match fact {
        Fact::Transition { instance, from, to, reason, priority, vrid, peer } => json!({
            "event": "state_changed",
            "instance": instance.name.as_str(),
            "virtual_router_id": vrid,
            "peer": peer,
            "from": from.word(),
            "to": to.word(),
            "priority": priority,
            "reason": reason.to_string(),
        }),
        Fact::GroupTransition { group, from, to, mover } => json!({
            "event": "state_changed",
            "sync_group": group.as_str(),
            "from": from.word(),
            "to": to.word(),
            "member": mover.as_ref().map(|mover| mover.member.as_str()),
            "peer": mover.as_ref().and_then(|mover| mover.peer),
            "priority": mover.as_ref().map(|mover| mover.priority),
            "reason": mover.as_ref().map(|mover| mover.reason.to_string()),
        }),
        Fact::HandingOver { instance, at_most_ms } => json!({
            "event": "handing_over", "instance": instance.name.as_str(), "at_most_ms": at_most_ms,
        }),
        Fact::CauseArose { instance, cause } => json!({
            "event": "fault", "instance": instance.name.as_str(), "cause": cause.to_string(),
        }),
        Fact::CauseGone { instance, cause } => json!({
            "event": "fault_gone", "instance": instance.name.as_str(), "cause": cause.to_string(),
        }),
        Fact::Priority { instance, from, to } => json!({
            "event": "priority_changed", "instance": instance.name.as_str(), "from": from, "to": to,
        }),
        Fact::MasterHeard { instance, master, priority } => json!({
            "event": "master_heard",
            "instance": instance.name.as_str(),
            "master": master,
            "priority": priority,
        }),
        Fact::InferiorHeard { instance, sender, priority, suppressed } => json!({
            "event": "inferior_advert",
            "instance": instance.name.as_str(),
            "sender": sender,
            "priority": priority,
            "suppressed": suppressed,
        }),
        Fact::PathLost { instance, path, why } => json!({
            "event": "path_lost", "instance": instance.name.as_str(), "path": path, "reason": why,
        }),
        Fact::PathBack { instance, path } => json!({
            "event": "path_back", "instance": instance.name.as_str(), "path": path,
        }),
        Fact::Script { script, up, outcome } => json!({
            "event": "script_changed", "script": script.as_str(), "up": up, "outcome": outcome,
        }),
        Fact::Process { process, up, count, wanted } => json!({
            "event": "process_changed", "process": process.as_str(), "up": up, "count": count, "wanted": wanted,
        }),
        Fact::Rejected { instance, link, source, reason, suppressed } => json!({
            "event": "packet_dropped",
            "instance": instance.as_ref().map(|tag| tag.name.as_str()),
            "interface": link.as_str(),
            "source": source,
            "reason": reason.code(),
            "suppressed": suppressed,
        }),
        Fact::IncompatiblePeer { instance, peer, difference } => json!({
            "event": "incompatible_peer",
            "instance": instance.name.as_str(),
            "peer": peer,
            "field": difference.field.key(),
            "mine": difference.mine,
            "theirs": difference.theirs,
            "hint": difference.hint,
        }),
        Fact::Repaired { instance, address } => json!({
            "event": "address_repaired",
            "instance": instance.name.as_str(),
            "address": address.address,
            "interface": address.link.as_str(),
        }),
        Fact::LeaseRanOut { instance, address } => json!({
            "event": "lease_ran_out",
            "instance": instance.name.as_str(),
            "address": address.address,
            "interface": address.link.as_str(),
        }),
        Fact::ForeignAddress { instance, address } => json!({
            "event": "foreign_address",
            "instance": instance.name.as_str(),
            "address": address.address,
            "interface": address.link.as_str(),
        }),
        Fact::LinkRepaired { instance, link } => json!({
            "event": "interface_repaired",
            "instance": instance.name.as_str(),
            "interface": link.as_str(),
        }),
        Fact::Object { owner, object, news } => {
            let (event, error) = match news {
                ObjectNews::PutBack => ("object_repaired", None),
                ObjectNews::Failed(error) => ("object_failed", Some(error)),
                ObjectNews::NotRemoved(error) => ("object_not_removed", Some(error)),
                ObjectNews::Healed => ("object_installed", None),
                ObjectNews::LeftBehind => ("object_left_behind", None),
            };
            json!({
                "event": event,
                "instance": owner.as_ref().map(Name::as_str),
                "object": object.to_string(),
                "error": error,
            })
        }
        Fact::EffectFailed { instance, error, suppressed } => json!({
            "event": "effect_failed",
            "instance": instance.name.as_str(),
            "error": error,
            "suppressed": suppressed,
        }),
        Fact::Unserved { instance } => json!({ "event": "unserved", "instance": instance.name.as_str() }),
        Fact::Order { order, instance, turned, origin } => json!({
            "event": turned.kind(),
            "instance": instance.as_ref().map(|tag| tag.name.as_str()),
            "override": order.word(),
            "now": turned.word(),
            "user": origin.user,
            "uid": origin.uid,
            "sudo_user": origin.sudo_user,
            "reason": origin.reason,
        }),
        Fact::Stalled { instance, late_ms } => json!({
            "event": "stalled", "instance": instance.name.as_str(), "late_ms": late_ms,
        }),
    }
}

/// Adds to changes of state what the configuration says of mail about that instance or group.
pub fn mark(event: &mut Value, plan: &Plan) {
    let text = |key: &str| event.get(key).and_then(Value::as_str);
    if text("event") != Some("state_changed") {
        return;
    }
    let notify = match (text("instance"), text("sync_group")) {
        (Some(name), _) => {
            plan.instances.iter().find(|plan| plan.name.as_str() == name).map(|plan| &plan.notify)
        }
        (None, Some(name)) => {
            plan.groups.iter().find(|plan| plan.name.as_str() == name).map(|plan| &plan.notify)
        }
        (None, None) => None,
    };
    if let Some(alert) = notify.and_then(|notify| notify.alert)
        && let Some(fields) = event.as_object_mut()
    {
        fields.insert("alert".to_owned(), alert.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fact::{Mover, Reason, StateName};
    use crate::machine::id::{InstanceId, LinkName, Tag};
    use crate::wire::admit::Reject;

    fn tag() -> Tag {
        Tag { id: InstanceId(3), name: "VI_1".into() }
    }

    #[test]
    fn a_change_of_state_says_what_a_notify_command_gets_told() {
        let fact = Fact::Transition {
            instance: tag(),
            from: StateName::Backup,
            to: StateName::Master,
            reason: Reason::Stopping,
            priority: 80,
            vrid: 51,
            peer: Some("10.0.0.1".parse().unwrap()),
        };
        let told = json!({
            "event": "state_changed", "instance": "VI_1", "from": "backup", "to": "master", "priority": 80,
            "virtual_router_id": 51, "peer": "10.0.0.1",
            "reason": Reason::Stopping.to_string(),
        });
        assert_eq!(event(&fact), told);
    }

    #[test]
    fn a_group_s_change_names_the_member_that_brought_it_about() {
        let better = Reason::BetterMaster { master: "10.0.0.9".parse().unwrap(), priority: 200 };
        let mover =
            Mover { member: "VI_1".into(), reason: better, priority: 80, peer: "10.0.0.9".parse().ok() };
        let of = |mover| Fact::GroupTransition {
            group: "G1".into(),
            from: StateName::Master,
            to: StateName::Backup,
            mover,
        };
        let (moved, not) = (of(Some(Box::new(mover))), of(None));
        let told = json!({
            "event": "state_changed", "sync_group": "G1", "from": "master", "to": "backup", "member": "VI_1",
            "priority": 80, "peer": "10.0.0.9", "reason": "better advert from 10.0.0.9 priority 200",
        });
        assert_eq!(event(&moved), told);
        assert_eq!(
            moved.to_string(),
            "state changed group=G1 from=master to=backup member=VI_1 priority=80 \
             reason=\"better advert from 10.0.0.9 priority 200\" peer=10.0.0.9"
        );
        assert_eq!(event(&not)["reason"], Value::Null);
        assert_eq!(not.to_string(), "state changed group=G1 from=master to=backup");
    }

    #[test]
    fn addresses_are_text_and_what_is_not_known_is_null() {
        let fact = Fact::Rejected {
            instance: None,
            link: LinkName::new("eth0").unwrap(),
            source: "fe80::1".parse().unwrap(),
            reason: Reject::Checksum,
            suppressed: 4,
        };
        let told = json!({
            "event": "packet_dropped", "instance": null, "interface": "eth0", "source": "fe80::1",
            "reason": Reject::Checksum.code(), "suppressed": 4,
        });
        assert_eq!(event(&fact), told);
    }

    #[test]
    fn a_change_of_state_says_whether_mail_is_wanted_about_it() {
        let plan = crate::plan::tests::parse(
            "[[vrrp.instance]]\nname = \"loud\"\ninterface = \"eth0\"\nvirtual_router_id = 1\n\
             virtual_addresses = [\"192.0.2.1\"]\nalert = true\n\
             [[vrrp.instance]]\nname = \"usual\"\ninterface = \"eth0\"\nvirtual_router_id = 2\n\
             virtual_addresses = [\"192.0.2.2\"]\n\
             [[vrrp.sync_group]]\nname = \"quiet\"\ninstances = [\"loud\", \"usual\"]\nalert = false\n",
        );
        let marked = |mut event: Value| {
            mark(&mut event, &plan);
            event.get("alert").cloned()
        };
        assert_eq!(marked(json!({ "event": "state_changed", "instance": "loud" })), Some(json!(true)));
        assert_eq!(marked(json!({ "event": "state_changed", "instance": "usual" })), None);
        assert_eq!(marked(json!({ "event": "state_changed", "sync_group": "quiet" })), Some(json!(false)));
        assert_eq!(marked(json!({ "event": "state_changed", "instance": "gone" })), None);
        assert_eq!(marked(json!({ "event": "priority_changed", "instance": "loud" })), None);
    }
}
