//! Which events are told by mail, and in what words (pure).
//!
//! The subjects have the form that keepalived gives them, so that filters keep working:
//!
//! ```text
//! [lb-1] VRRP Instance VI_1 - Entering MASTER state
//! [lb-1] VRRP Group G1 - Entering BACKUP state
//! [lb-1] Realserver [192.0.2.11]:tcp:80 of virtual server [192.0.2.1]:tcp:80 - DOWN
//! [lb-1] Virtualserver [192.0.2.1]:tcp:80 - UP
//! ```

use common::alerts::Kinds;
use common::ipvs::{ServiceKey, Transport};
use serde_json::{Map, Value};

use super::digest::Alert;

/// What is told of an event: which object, what happened to it, and whether by default.
struct Told {
    object: String,
    news: String,
    sort: String,
    wanted: bool,
}

/// The alert that an event is, if mail is wanted about it. `alert` in the event is what the object's own
/// configuration says.
pub(crate) fn alert(event: &Map<String, Value>, kinds: Kinds, host: &str, at: u64) -> Option<Alert> {
    let told = told(event, kinds)?;
    let own = event.get("alert").and_then(Value::as_bool);
    if !own.unwrap_or(told.wanted) {
        return None;
    }
    let Told { object, news, sort, .. } = told;
    let host = plain(host);
    Some(Alert {
        at,
        subject: format!("[{host}] {object} - {news}"),
        sort,
        body: body(event, &object, &news, &host),
    })
}

fn text<'a>(event: &'a Map<String, Value>, key: &str) -> &'a str {
    event.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn told(event: &Map<String, Value>, kinds: Kinds) -> Option<Told> {
    let told = |object: String, news: String, sort: String, wanted| Some(Told { object, news, sort, wanted });
    match text(event, "event") {
        "state_changed" => {
            let (object, sort, wanted) = match (text(event, "instance"), text(event, "sync_group")) {
                ("", group) => (format!("VRRP Group {}", plain(group)), "VRRP Group", kinds.sync_groups),
                (name, _) => (format!("VRRP Instance {}", plain(name)), "VRRP Instance", kinds.instances),
            };
            let to = text(event, "to");
            // A child that died and is what it was before has not changed.
            if to == "fault" && !kinds.faults || text(event, "reason") == "restored from checkpoint" {
                return None;
            }
            let news = match to {
                "master" | "backup" | "fault" => format!("Entering {} state", to.to_uppercase()),
                _ => format!("Leaving {} state", plain(text(event, "from")).to_uppercase()),
            };
            let sort = format!("{sort} {}", plain(to).to_uppercase());
            told(object, news, sort, wanted)
        }
        "server_changed" => {
            let word = up_or_down(event);
            let (service, server) = (text(event, "service"), text(event, "server"));
            let object =
                format!("Realserver {} of virtual server {}", server_place(server, service), place(service));
            told(object, word.to_owned(), format!("Realserver {word}"), kinds.real_servers)
        }
        "quorum_changed" => {
            let word = up_or_down(event);
            let object = format!("Virtualserver {}", place(text(event, "service")));
            told(object, word.to_owned(), format!("Virtualserver {word}"), kinds.virtual_servers)
        }
        kind @ ("child_died" | "child_silent" | "child_not_spawned" | "child_unkillable") => {
            let news = match kind {
                "child_died" => "died",
                "child_silent" => "does not answer",
                "child_not_spawned" => "cannot be started",
                _ => "cannot be killed",
            };
            let object = format!("Process {}", plain(text(event, "child")));
            told(object, news.to_owned(), format!("Process {news}"), kinds.processes)
        }
        // What nobody knows must be told to whoever relies on being told.
        "dropped" => {
            let count = event.get("count").and_then(Value::as_u64).unwrap_or_default();
            told(
                format!("Process {}", plain(text(event, "child"))),
                format!("{count} events were too many to be kept"),
                "events lost".to_owned(),
                true,
            )
        }
        _ => None,
    }
}

fn up_or_down(event: &Map<String, Value>) -> &'static str {
    if event.get("up").and_then(Value::as_bool).unwrap_or_default() { "UP" } else { "DOWN" }
}

/// `[192.0.2.1]:tcp:80`, `FWM 10`.
fn place(service: &str) -> String {
    match service.parse() {
        Ok(ServiceKey::Address { transport, address, port }) => {
            format!("[{address}]:{}:{port}", word(transport))
        }
        Ok(ServiceKey::Mark { mark, .. }) => format!("FWM {mark}"),
        Err(_) => plain(service),
    }
}

fn server_place(server: &str, service: &str) -> String {
    let transport = match service.parse() {
        Ok(ServiceKey::Address { transport, .. }) => transport,
        Ok(ServiceKey::Mark { .. }) | Err(_) => Transport::Tcp,
    };
    match server.parse::<std::net::SocketAddr>() {
        Ok(address) => format!("[{}]:{}:{}", address.ip(), word(transport), address.port()),
        Err(_) => plain(server),
    }
}

fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
        Transport::Sctp => "sctp",
    }
}

/// Line by line what is known of it.
fn body(event: &Map<String, Value>, object: &str, news: &str, host: &str) -> String {
    let mut body = format!("{object}\n{news}\n\n");
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            body.push_str(&format!("{:<10}{value}\n", format!("{name}:")));
        }
    };
    let (from, to) = (text(event, "from"), text(event, "to"));
    if !from.is_empty() {
        line("Before", plain(from).to_uppercase());
        line("Now", plain(to).to_uppercase());
    }
    // Of a group: which of its instances brought it about.
    line("Member", plain(text(event, "member")));
    line("Reason", plain(text(event, "reason")));
    line("Status", plain(text(event, "status")));
    line(
        "Priority",
        event.get("priority").and_then(Value::as_u64).map(|number| number.to_string()).unwrap_or_default(),
    );
    line("Time", plain(text(event, "at")));
    line("Host", host.to_owned());
    body
}

/// One line, of bounded length.
fn plain(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ALL: Kinds = Kinds {
        instances: true,
        sync_groups: true,
        virtual_servers: true,
        real_servers: true,
        processes: true,
        faults: true,
    };
    const NONE: Kinds = Kinds {
        instances: false,
        sync_groups: false,
        virtual_servers: false,
        real_servers: false,
        processes: false,
        faults: true,
    };

    fn of(event: Value, kinds: Kinds) -> Option<Alert> {
        let Value::Object(event) = event else { panic!("no object") };
        alert(&event, kinds, "lb-1", 7)
    }

    fn subject(event: Value) -> String {
        of(event, ALL).unwrap().subject
    }

    #[test]
    fn subjects_are_what_mail_filters_look_for() {
        let state =
            |to: &str| json!({ "event": "state_changed", "instance": "VI_1", "from": "backup", "to": to });
        assert_eq!(subject(state("master")), "[lb-1] VRRP Instance VI_1 - Entering MASTER state");
        assert_eq!(subject(state("fault")), "[lb-1] VRRP Instance VI_1 - Entering FAULT state");
        let group = json!({ "event": "state_changed", "sync_group": "G1", "from": "master", "to": "backup" });
        assert_eq!(subject(group), "[lb-1] VRRP Group G1 - Entering BACKUP state");
        let server = json!({
            "event": "server_changed", "service": "tcp 192.0.2.1:80", "server": "192.0.2.11:8080", "up": false,
        });
        let words = "[lb-1] Realserver [192.0.2.11]:tcp:8080 of virtual server [192.0.2.1]:tcp:80 - DOWN";
        assert_eq!(subject(server), words);
        let quorum = json!({ "event": "quorum_changed", "service": "udp [2001:db8::1]:53", "up": true });
        assert_eq!(subject(quorum), "[lb-1] Virtualserver [2001:db8::1]:udp:53 - UP");
        let mark = json!({ "event": "quorum_changed", "service": "fwmark 10 ipv4", "up": true });
        assert_eq!(subject(mark), "[lb-1] Virtualserver FWM 10 - UP");
        let died = json!({ "event": "child_died", "child": "vrrp", "status": "signal 9" });
        assert_eq!(subject(died), "[lb-1] Process vrrp - died");
        let dropped = json!({ "event": "dropped", "child": "checker", "count": 12 });
        assert_eq!(subject(dropped), "[lb-1] Process checker - 12 events were too many to be kept");
    }

    #[test]
    fn the_body_has_what_is_known() {
        let event = json!({
            "at": "2026-11-21T09:00:00.123Z", "event": "state_changed", "instance": "VI_1", "from": "backup",
            "to": "master", "reason": "no advert heard", "priority": 100,
        });
        let lines = "VRRP Instance VI_1\nEntering MASTER state\n\nBefore:   BACKUP\nNow:      MASTER\n\
                     Reason:   no advert heard\nPriority: 100\nTime:     2026-11-21T09:00:00.123Z\nHost:     lb-1\n";
        assert_eq!(of(event, ALL).unwrap().body, lines);
    }

    #[test]
    fn the_objects_own_word_counts_more_than_that_for_its_kind() {
        let events = [
            json!({ "event": "state_changed", "instance": "VI_1", "from": "backup", "to": "master" }),
            json!({ "event": "state_changed", "sync_group": "G1", "from": "backup", "to": "master" }),
            json!({ "event": "server_changed", "service": "tcp 192.0.2.1:80", "server": "192.0.2.11:80", "up": true }),
            json!({ "event": "quorum_changed", "service": "tcp 192.0.2.1:80", "up": true }),
        ];
        for mut event in events {
            assert!(of(event.clone(), ALL).is_some(), "{event}");
            assert!(of(event.clone(), NONE).is_none(), "{event}");
            event["alert"] = json!(true);
            assert!(of(event.clone(), NONE).is_some(), "{event}");
            event["alert"] = json!(false);
            assert!(of(event.clone(), ALL).is_none(), "{event}");
        }
        assert!(of(json!({ "event": "child_died", "child": "vrrp" }), NONE).is_none());
    }

    #[test]
    fn faults_can_be_left_out_and_what_is_no_change_is_not_told() {
        let fault = json!({ "event": "state_changed", "instance": "VI_1", "from": "backup", "to": "fault", "alert": true });
        assert!(of(fault.clone(), ALL).is_some());
        assert!(of(fault, Kinds { faults: false, ..ALL }).is_none());
        let reason = "restored from checkpoint";
        for object in ["instance", "sync_group"] {
            let back = json!({ "event": "state_changed", object: "X", "from": "init", "to": "master", "reason": reason });
            assert!(of(back, ALL).is_none(), "{object}");
        }
        assert!(
            of(json!({ "event": "priority_changed", "instance": "VI_1", "from": 1, "to": 2 }), ALL).is_none()
        );
    }
}
