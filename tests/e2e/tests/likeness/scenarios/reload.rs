//! Reloads: what the new text says is there, and what died stays dead.

use crate::backends::Speaks::Http;
use crate::scenario::Deed::{Dies, Reload, Returns};
use crate::scenario::{Scenario, step};

pub const ALL: &[Scenario] = &[
    Scenario {
        name: "a reload changes weights; a dead server stays out",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo wrr; lb_kind NAT; protocol TCP;
            real_server $1 $P {weight 1; TCP_CHECK {}} real_server $2 $P {weight 2; TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "wrr"
            check = { type = "tcp", $C }
            real_server = [{ address = "$1:$P", weight = 1 }, { address = "$2:$P", weight = 2 }]"#,
        reloaded: Some((
            "virtual_server $VIP $P {$COMMON; lb_algo wrr; lb_kind NAT; protocol TCP;
            real_server $1 $P {weight 5; TCP_CHECK {}} real_server $2 $P {weight 6; TCP_CHECK {}}}",
            r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "wrr"
            check = { type = "tcp", $C }
            real_server = [{ address = "$1:$P", weight = 5 }, { address = "$2:$P", weight = 6 }]"#,
        )),
        steps: &[
            step(&[], &["S -s wrr", "1 -m -w 1", "2 -m -w 2"]),
            step(&[Dies(1)], &["S -s wrr", "2 -m -w 2"]),
            step(&[Reload], &["S -s wrr", "2 -m -w 6"]),
            step(&[Returns(1)], &["S -s wrr", "1 -m -w 5", "2 -m -w 6"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "a reload adds a server and takes another",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $1 $P {TCP_CHECK {}} real_server $2 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            check = { type = "tcp", $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        reloaded: Some((
            "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $2 $P {TCP_CHECK {}} real_server $3 $P {TCP_CHECK {}}}",
            r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            check = { type = "tcp", $C }
            real_servers = ["$2:$P", "$3:$P"]"#,
        )),
        backends: &[Http, Http, Http],
        steps: &[
            step(&[], &["S -s rr", "1 -m -w 1", "2 -m -w 1"]),
            step(&[], &["S -s rr", "1 -m -w 1", "2 -m -w 1"]),
            step(&[Reload], &["S -s rr", "2 -m -w 1", "3 -m -w 1"]),
            step(&[Dies(3)], &["S -s rr", "2 -m -w 1"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "a reload changes the scheduler, its flags and the persistence",
        keepalived:
            "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP; persistence_timeout 60;
            real_server $1 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            persistence = 60
            check = { type = "tcp", $C }
            real_servers = ["$1:$P"]"#,
        reloaded: Some((
            "virtual_server $VIP $P {$COMMON; lb_algo sh; sh-port; lb_kind NAT; protocol TCP;
            real_server $1 $P {TCP_CHECK {}}}",
            r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "sh"
            scheduler_flags = ["sh-port"]
            check = { type = "tcp", $C }
            real_servers = ["$1:$P"]"#,
        )),
        steps: &[
            step(&[], &["S -s rr -p 60", "1 -m -w 1"]),
            step(&[], &["S -s rr -p 60", "1 -m -w 1"]),
            step(&[Reload], &["S -s sh -b sh-port", "1 -m -w 1"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "a reload changes the forwarding method",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $1 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            forward = "nat"
            check = { type = "tcp", $C }
            real_servers = ["$1:$P"]"#,
        reloaded: Some((
            "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind TUN; protocol TCP;
            real_server $1 $P {TCP_CHECK {}}}",
            r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            forward = "tun"
            check = { type = "tcp", $C }
            real_servers = ["$1:$P"]"#,
        )),
        steps: &[
            step(&[], &["S -s rr", "1 -m -w 1"]),
            step(&[], &["S -s rr", "1 -m -w 1"]),
            step(&[Reload], &["S -s rr", "1 -i -w 1 --tun-type ipip"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "a reload takes a service away and makes another",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $1 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            check = { type = "tcp", $C }
            real_servers = ["$1:$P"]"#,
        reloaded: Some((
            "virtual_server $VIP 81 {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $2 $P {TCP_CHECK {}}}",
            r#"[[virtual_server]]
            address = "$VIP:81"
            scheduler = "rr"
            check = { type = "tcp", $C }
            real_servers = ["$2:$P"]"#,
        )),
        services: &["-t $VIP:$P"],
        steps: &[
            step(&[], &["S -s rr", "1 -m -w 1"]),
            step(&[], &["S -s rr", "1 -m -w 1"]),
            step(&[Reload], &[]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "a reload while a quorum is lost leaves the sorry server alone",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP; quorum 2;
            sorry_server $4 $P;
            real_server $1 $P {TCP_CHECK {}} real_server $2 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            quorum = 2
            sorry_server = "$4:$P"
            check = { type = "tcp", $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        reloaded: Some((
            "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP; quorum 1;
            sorry_server $4 $P;
            real_server $1 $P {TCP_CHECK {}} real_server $2 $P {TCP_CHECK {}}}",
            r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            quorum = 1
            sorry_server = "$4:$P"
            check = { type = "tcp", $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        )),
        steps: &[
            step(&[], &["S -s rr", "1 -m -w 1", "2 -m -w 1"]),
            step(&[Dies(1)], &["S -s rr", "4 -m -w 1"]),
            step(&[Reload], &["S -s rr", "2 -m -w 1"]),
            step(&[Returns(1)], &["S -s rr", "1 -m -w 1", "2 -m -w 1"]),
        ],
        ..Scenario::PLAIN
    },
];
