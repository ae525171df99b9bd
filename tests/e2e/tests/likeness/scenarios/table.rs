//! What reaches the kernel: schedulers and their flags, forwarding, persistence, marks, groups.

use crate::backends::Speaks::{Echo, Http, Http6};
use crate::scenario::Deed::{Dies, Returns};
use crate::scenario::{Scenario, step};

pub const ALL: &[Scenario] = &[
    Scenario {
        name: "persistence with its granularity",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo wlc; lb_kind DR; protocol TCP;
            persistence_timeout 50; persistence_granularity 255.255.255.0;
            real_server $1 $P {TCP_CHECK {}} real_server $2 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            forward = "dr"
            persistence = "50s"
            persistence_granularity = 24
            check = { type = "tcp", $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        steps: &[
            step(&[], &["S -s wlc -p 50 -M 255.255.255.0", "1 -g -w 1", "2 -g -w 1"]),
            step(&[Dies(1)], &["S -s wlc -p 50 -M 255.255.255.0", "2 -g -w 1"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "all ports of an address, with persistence",
        keepalived:
            "virtual_server $VIP 0 {$COMMON; lb_algo rr; lb_kind DR; protocol TCP; persistence_timeout 360;
            real_server $1 0 {TCP_CHECK {connect_port $P}} real_server $2 0 {TCP_CHECK {connect_port $P}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP"
            scheduler = "rr"
            forward = "dr"
            persistence = "6m"
            check = { type = "tcp", port = $P, $C }
            real_servers = ["$1", "$2"]"#,
        services: &["-t $VIP:0"],
        server: "10.0.0.2#:0",
        steps: &[
            step(&[], &["S -s rr -p 360", "1 -g -w 1", "2 -g -w 1"]),
            step(&[Dies(2)], &["S -s rr -p 360", "1 -g -w 1"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "persistence_engine sip over UDP",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind DR; protocol UDP;
            persistence_timeout 300; persistence_engine sip;
            real_server $1 $P {UDP_CHECK {}} real_server $2 $P {UDP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            protocol = "udp"
            scheduler = "rr"
            forward = "dr"
            persistence = "5m"
            persistence_engine = "sip"
            check = { type = "udp", $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        services: &["-u $VIP:$P"],
        backends: &[Echo, Echo],
        steps: &[
            step(&[], &["S -s rr -p 300 --pe sip", "1 -g -w 1", "2 -g -w 1"]),
            step(&[Dies(2)], &["S -s rr -p 300 --pe sip", "1 -g -w 1"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "ops: every datagram by itself",
        keepalived: "virtual_server $VIP 53 {$COMMON; lb_algo rr; lb_kind NAT; protocol UDP; ops;
            real_server $1 $P {UDP_CHECK {}} real_server $2 $P {UDP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:53"
            protocol = "udp"
            one_packet = true
            scheduler = "rr"
            check = { type = "udp", $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        services: &["-u $VIP:53"],
        backends: &[Echo, Echo],
        steps: &[
            step(&[], &["S -s rr -o", "1 -m -w 1", "2 -m -w 1"]),
            step(&[Dies(1)], &["S -s rr -o", "2 -m -w 1"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "scheduler sh with its flags",
        keepalived:
            "virtual_server $VIP $P {$COMMON; lb_algo sh; sh-port; sh-fallback; lb_kind NAT; protocol TCP;
            real_server $1 $P {TCP_CHECK {}} real_server $2 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "sh"
            scheduler_flags = ["sh-port", "sh-fallback"]
            check = { type = "tcp", $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        steps: &[
            step(&[], &["S -s sh -b sh-fallback,sh-port", "1 -m -w 1", "2 -m -w 1"]),
            step(&[Dies(1)], &["S -s sh -b sh-fallback,sh-port", "2 -m -w 1"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "scheduler mh with its flags",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo mh; mh-port; lb_kind NAT; protocol TCP;
            real_server $1 $P {TCP_CHECK {}} real_server $2 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "mh"
            scheduler_flags = ["mh-port"]
            check = { type = "tcp", $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        steps: &[step(&[], &["S -s mh -b mh-port", "1 -m -w 1", "2 -m -w 1"])],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "flags by their numbers",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo lc; flag-1; flag-3; lb_kind NAT; protocol TCP;
            real_server $1 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "lc"
            scheduler_flags = ["flag-1", "flag-3"]
            check = { type = "tcp", $C }
            real_servers = ["$1:$P"]"#,
        steps: &[step(&[], &["S -s lc -b flag-1,flag-3", "1 -m -w 1"])],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "another way to each server; tunnels of every kind",
        keepalived:
            "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind TUN type gue port 6080 csum; protocol TCP;
            real_server $1 $P {TCP_CHECK {}}
            real_server $2 $P {lvs_method DR; TCP_CHECK {}}
            real_server $3 $P {lvs_method TUN type gre csum; TCP_CHECK {}}
            real_server $4 $P {lvs_method NAT; TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            forward = "tun"
            tunnel = { type = "gue", port = 6080, checksum = "plain" }
            check = { type = "tcp", $C }
            real_server = [
                { address = "$1:$P" },
                { address = "$2:$P", forward = "dr" },
                { address = "$3:$P", forward = "tun", tunnel = { type = "gre", checksum = "plain" } },
                { address = "$4:$P", forward = "nat" },
            ]"#,
        backends: &[Http, Http, Http, Http],
        steps: &[
            step(
                &[],
                &[
                    "S -s rr",
                    "1 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum",
                    "2 -g -w 1",
                    "3 -i -w 1 --tun-type gre --tun-csum",
                    "4 -m -w 1",
                ],
            ),
            step(
                &[Dies(2), Dies(3)],
                &["S -s rr", "1 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum", "4 -m -w 1"],
            ),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "marked packets",
        keepalived: "virtual_server fwmark 1$N {$COMMON; lb_algo rr; lb_kind DR;
            real_server $1 {TCP_CHECK {connect_port $P}} real_server $2 {TCP_CHECK {connect_port $P}}}",
        holdfast: r#"[[virtual_server]]
            fwmark = 1$N
            scheduler = "rr"
            forward = "dr"
            check = { type = "tcp", port = $P, $C }
            real_servers = ["$1", "$2"]"#,
        services: &["-f 1$N"],
        server: "10.0.0.2#:0",
        steps: &[
            step(&[], &["S -s rr", "1 -g -w 1", "2 -g -w 1"]),
            step(&[Dies(1)], &["S -s rr", "2 -g -w 1"]),
            step(&[Returns(1)], &["S -s rr", "1 -g -w 1", "2 -g -w 1"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "virtual_server_group: several services with the same servers",
        keepalived: "virtual_server_group g$N {$VIP $P; $VIP 443}
            virtual_server group g$N {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $1 $P {TCP_CHECK {}} real_server $2 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            addresses = ["$VIP:$P", "$VIP:443"]
            scheduler = "rr"
            check = { type = "tcp", $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        services: &["-t $VIP:$P", "-t $VIP:443"],
        steps: &[
            step(&[], &["S -s rr", "1 -m -w 1", "2 -m -w 1"]),
            step(&[Dies(1)], &["S -s rr", "2 -m -w 1"]),
            step(&[Returns(1)], &["S -s rr", "1 -m -w 1", "2 -m -w 1"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "IPv6",
        keepalived: "virtual_server 2001:db8:1::$N $P {$COMMON; lb_algo rr; lb_kind DR; protocol TCP;
            persistence_timeout 60; persistence_granularity 64;
            real_server 2001:db8::21 $P {TCP_CHECK {}} real_server 2001:db8::22 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "[2001:db8:1::$N]:$P"
            scheduler = "rr"
            forward = "dr"
            persistence = "1m"
            persistence_granularity = 64
            check = { type = "tcp", $C }
            real_servers = ["[2001:db8::21]:$P", "[2001:db8::22]:$P"]"#,
        services: &["-t [2001:db8:1::$N]:$P"],
        server: "[2001:db8::2#]:$P",
        backends: &[Http6, Http6],
        steps: &[
            step(&[], &["S -s rr -p 60 -M 64", "1 -g -w 1", "2 -g -w 1"]),
            step(&[Dies(1)], &["S -s rr -p 60 -M 64", "2 -g -w 1"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "SCTP",
        keepalived: "virtual_server $VIP 36412 {$COMMON; lb_algo sed; lb_kind NAT; protocol SCTP;
            real_server $1 $P {TCP_CHECK {}} real_server $2 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:36412"
            protocol = "sctp"
            scheduler = "sed"
            check = { type = "tcp", $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        services: &["--sctp-service $VIP:36412"],
        steps: &[
            step(&[], &["S -s sed", "1 -m -w 1", "2 -m -w 1"]),
            step(&[Dies(1)], &["S -s sed", "2 -m -w 1"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "the other schedulers",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo lblcr; lb_kind NAT; protocol TCP;
            real_server $1 $P {TCP_CHECK {}}}
            virtual_server $VIP 81 {$COMMON; lb_algo lblcr; lb_kind NAT; protocol TCP;
            real_server $1 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            addresses = ["$VIP:$P", "$VIP:81"]
            scheduler = "lblcr"
            check = { type = "tcp", $C }
            real_servers = ["$1:$P"]"#,
        services: &["-t $VIP:$P", "-t $VIP:81"],
        steps: &[step(&[], &["S -s lblcr", "1 -m -w 1"]), step(&[Dies(1)], &["S -s lblcr"])],
        ..Scenario::PLAIN
    },
];
