//! Servers that die and come back.

use crate::backends::Speaks::Http;
use crate::scenario::Deed::{Answers, Dies, Returns};
use crate::scenario::{Scenario, step};

pub const ALL: &[Scenario] = &[
    Scenario {
        name: "a server leaves when it dies and comes back with its first pass (delay_loop, retry, delay_before_retry)",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $1 $P {TCP_CHECK {}} real_server $2 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            forward = "nat"
            check = { type = "tcp", $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        steps: &[
            step(&[], &["S -s rr", "1 -m -w 1", "2 -m -w 1"]),
            step(&[Dies(1)], &["S -s rr", "2 -m -w 1"]),
            step(&[Returns(1)], &["S -s rr", "1 -m -w 1", "2 -m -w 1"]),
            step(&[Dies(1), Dies(2)], &["S -s rr"]),
            step(&[Returns(2)], &["S -s rr", "2 -m -w 1"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "weights, that of the service for all, and 0",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo wrr; lb_kind DR; protocol TCP; weight 7;
            real_server $1 $P {weight 3; TCP_CHECK {}} real_server $2 $P {TCP_CHECK {}}
            real_server $3 $P {weight 0; TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "wrr"
            forward = "dr"
            weight = 7
            check = { type = "tcp", $C }
            real_server = [{ address = "$1:$P", weight = 3 }, { address = "$2:$P" }, { address = "$3:$P", weight = 0 }]"#,
        backends: &[Http, Http, Http],
        steps: &[
            step(&[], &["S -s wrr", "1 -g -w 3", "2 -g -w 7", "3 -g -w 0"]),
            step(&[Dies(3)], &["S -s wrr", "1 -g -w 3", "2 -g -w 7"]),
            step(&[Dies(1), Returns(3)], &["S -s wrr", "2 -g -w 7", "3 -g -w 0"]),
            step(&[Returns(1)], &["S -s wrr", "1 -g -w 3", "2 -g -w 7", "3 -g -w 0"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "inhibit_on_failure of one server and of a service",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo wlc; lb_kind TUN; protocol TCP;
            real_server $1 $P {weight 2; inhibit_on_failure; TCP_CHECK {}} real_server $2 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            forward = "tun"
            check = { type = "tcp", $C }
            real_server = [{ address = "$1:$P", weight = 2, inhibit_on_failure = true }, { address = "$2:$P" }]"#,
        steps: &[
            step(&[], &["S -s wlc", "1 -i -w 2 --tun-type ipip", "2 -i -w 1 --tun-type ipip"]),
            step(&[Dies(1)], &["S -s wlc", "1 -i -w 0 --tun-type ipip", "2 -i -w 1 --tun-type ipip"]),
            step(&[Dies(2)], &["S -s wlc", "1 -i -w 0 --tun-type ipip"]),
            step(&[Returns(1)], &["S -s wlc", "1 -i -w 2 --tun-type ipip"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "notify_up and notify_down of a server",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $1 $P {notify_up \"$DIR/tell 1 up\"; notify_down \"$DIR/tell 1 down\"; TCP_CHECK {}}
            real_server $2 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            forward = "nat"
            check = { type = "tcp", $C }
            real_server = [
                { address = "$1:$P", notify_up = "$DIR/tell 1 up", notify_down = "$DIR/tell 1 down" },
                { address = "$2:$P" },
            ]"#,
        steps: &[
            step(&[], &["S -s rr", "1 -m -w 1", "2 -m -w 1"]),
            step(&[Dies(1)], &["S -s rr", "2 -m -w 1", "! 1 down"]),
            step(&[Returns(1)], &["S -s rr", "1 -m -w 1", "2 -m -w 1", "! 1 down", "! 1 up"]),
            step(&[Dies(1)], &["S -s rr", "2 -m -w 1", "! 1 down", "! 1 up", "! 1 down"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "alpha: a server serves after its first pass",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP; alpha;
            real_server $1 $P {notify_up \"$DIR/tell 1 up\"; TCP_CHECK {}} real_server $5 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            forward = "nat"
            check = { type = "tcp", initial = "down", $C }
            real_server = [{ address = "$1:$P", notify_up = "$DIR/tell 1 up" }, { address = "$5:$P" }]"#,
        backends: &[Http],
        steps: &[
            step(&[], &["S -s rr", "1 -m -w 1", "! 1 up"]),
            step(&[Dies(1)], &["S -s rr", "! 1 up"]),
            step(&[Returns(1)], &["S -s rr", "1 -m -w 1", "! 1 up", "! 1 up"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "a web server that answers, but not as it should",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $1 $P {HTTP_GET {url {path /; status_code 200}}}
            real_server $2 $P {HTTP_GET {url {path /; status_code 200}}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            forward = "nat"
            check = { type = "http", path = "/", status = [200], $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        steps: &[
            step(&[], &["S -s rr", "1 -m -w 1", "2 -m -w 1"]),
            step(&[Answers(1, 503)], &["S -s rr", "2 -m -w 1"]),
            step(&[Answers(2, 204)], &["S -s rr"]),
            step(&[Answers(1, 200)], &["S -s rr", "1 -m -w 1"]),
            step(&[Answers(2, 200)], &["S -s rr", "1 -m -w 1", "2 -m -w 1"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "a server without a check serves whatever happens",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $1 $P {} real_server $2 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            forward = "nat"
            check = []
            real_server = [{ address = "$1:$P" }, { address = "$2:$P", check = { type = "tcp", $C } }]"#,
        steps: &[
            step(&[], &["S -s rr", "1 -m -w 1", "2 -m -w 1"]),
            step(&[Dies(1), Dies(2)], &["S -s rr", "1 -m -w 1"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "two services with the same servers",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $1 $P {TCP_CHECK {}} real_server $2 $P {TCP_CHECK {}}}
            virtual_server $VIP 81 {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $1 $P {TCP_CHECK {}} real_server $2 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            check = { type = "tcp", $C }
            real_servers = ["$1:$P", "$2:$P"]
            [[virtual_server]]
            address = "$VIP:81"
            scheduler = "rr"
            check = { type = "tcp", $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        services: &["-t $VIP:$P", "-t $VIP:81"],
        steps: &[
            step(&[], &["S -s rr", "1 -m -w 1", "2 -m -w 1"]),
            step(&[Dies(2)], &["S -s rr", "1 -m -w 1"]),
            step(&[Returns(2)], &["S -s rr", "1 -m -w 1", "2 -m -w 1"]),
        ],
        ..Scenario::PLAIN
    },
];
