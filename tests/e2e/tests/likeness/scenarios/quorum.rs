//! Quorum, hysteresis, sorry servers.

use crate::backends::Speaks::Http;
use crate::scenario::Deed::{Dies, Returns};
use crate::scenario::{Scenario, step};

const UP: &str = "! quorum up";
const DOWN: &str = "! quorum down";

pub const ALL: &[Scenario] = &[
    Scenario {
        name: "a sorry server serves while all are dead",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            sorry_server $3 $P;
            real_server $1 $P {TCP_CHECK {}} real_server $2 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            sorry_server = "$3:$P"
            check = { type = "tcp", $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        steps: &[
            step(&[], &["S -s rr", "1 -m -w 1", "2 -m -w 1"]),
            step(&[Dies(1)], &["S -s rr", "2 -m -w 1"]),
            step(&[Dies(2)], &["S -s rr", "3 -m -w 1"]),
            step(&[Returns(1)], &["S -s rr", "1 -m -w 1"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "below the quorum the sorry server serves alone",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            quorum 2; quorum_up \"$DIR/tell quorum up\"; quorum_down \"$DIR/tell quorum down\"; sorry_server $4 $P;
            real_server $1 $P {TCP_CHECK {}} real_server $2 $P {TCP_CHECK {}} real_server $3 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            quorum = 2
            quorum_up = "$DIR/tell quorum up"
            quorum_down = "$DIR/tell quorum down"
            sorry_server = "$4:$P"
            check = { type = "tcp", $C }
            real_servers = ["$1:$P", "$2:$P", "$3:$P"]"#,
        backends: &[Http, Http, Http],
        steps: &[
            step(&[], &["S -s rr", "1 -m -w 1", "2 -m -w 1", "3 -m -w 1", UP]),
            step(&[Dies(1)], &["S -s rr", "2 -m -w 1", "3 -m -w 1", UP]),
            step(&[Dies(2)], &["S -s rr", "4 -m -w 1", UP, DOWN]),
            step(&[Dies(3)], &["S -s rr", "4 -m -w 1", UP, DOWN]),
            step(&[Returns(1)], &["S -s rr", "4 -m -w 1", UP, DOWN]),
            step(&[Returns(2)], &["S -s rr", "1 -m -w 1", "2 -m -w 1", UP, DOWN, UP]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "without a sorry server those that live serve on, and scripts are told",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            quorum 2; quorum_up \"$DIR/tell quorum up\"; quorum_down \"$DIR/tell quorum down\";
            real_server $1 $P {TCP_CHECK {}} real_server $2 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            quorum = 2
            quorum_up = "$DIR/tell quorum up"
            quorum_down = "$DIR/tell quorum down"
            check = { type = "tcp", $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        steps: &[
            step(&[], &["S -s rr", "1 -m -w 1", "2 -m -w 1", UP]),
            step(&[Dies(1)], &["S -s rr", "2 -m -w 1", UP, DOWN]),
            step(&[Returns(1)], &["S -s rr", "1 -m -w 1", "2 -m -w 1", UP, DOWN, UP]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "a quorum that is not there at the start is no news",
        keepalived: "virtual_server $VIP $P {$COMMON; alpha; lb_algo rr; lb_kind NAT; protocol TCP;
            quorum 2; quorum_up \"$DIR/tell quorum up\"; quorum_down \"$DIR/tell quorum down\";
            real_server $1 $P {TCP_CHECK {}} real_server $5 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            quorum = 2
            quorum_up = "$DIR/tell quorum up"
            quorum_down = "$DIR/tell quorum down"
            check = { type = "tcp", initial = "down", $C }
            real_servers = ["$1:$P", "$5:$P"]"#,
        backends: &[Http],
        steps: &[step(&[], &["S -s rr", "1 -m -w 1"]), step(&[Dies(1)], &["S -s rr"])],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "hysteresis: lost below quorum less hysteresis, won at quorum plus hysteresis",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo wrr; lb_kind NAT; protocol TCP;
            quorum 4; hysteresis 2; sorry_server $4 $P;
            real_server $1 $P {weight 3; TCP_CHECK {}} real_server $2 $P {weight 2; TCP_CHECK {}}
            real_server $3 $P {weight 1; TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "wrr"
            quorum = 4
            hysteresis = 2
            sorry_server = "$4:$P"
            check = { type = "tcp", $C }
            real_server = [{ address = "$1:$P", weight = 3 }, { address = "$2:$P", weight = 2 }, { address = "$3:$P" }]"#,
        backends: &[Http, Http, Http],
        steps: &[
            step(&[], &["S -s wrr", "1 -m -w 3", "2 -m -w 2", "3 -m -w 1"]),
            step(&[Dies(1)], &["S -s wrr", "2 -m -w 2", "3 -m -w 1"]),
            step(&[Dies(2)], &["S -s wrr", "4 -m -w 1"]),
            step(&[Returns(1)], &["S -s wrr", "4 -m -w 1"]),
            step(&[Returns(2)], &["S -s wrr", "1 -m -w 3", "2 -m -w 2", "3 -m -w 1"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "a quorum above all weights together is met when all live",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            quorum 9; sorry_server $3 $P;
            real_server $1 $P {TCP_CHECK {}} real_server $2 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            quorum = 9
            sorry_server = "$3:$P"
            check = { type = "tcp", $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        steps: &[
            step(&[], &["S -s rr", "1 -m -w 1", "2 -m -w 1"]),
            step(&[Dies(1)], &["S -s rr", "3 -m -w 1"]),
            step(&[Returns(1)], &["S -s rr", "1 -m -w 1", "2 -m -w 1"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "a quorum lost while failed servers are inhibited",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            sorry_server $3 $P; inhibit_on_failure;
            real_server $1 $P {TCP_CHECK {}} real_server $2 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            inhibit_on_failure = true
            sorry_server = "$3:$P"
            check = { type = "tcp", $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        steps: &[
            step(&[], &["S -s rr", "1 -m -w 1", "2 -m -w 1"]),
            step(&[Dies(1)], &["S -s rr", "1 -m -w 0", "2 -m -w 1"]),
            step(&[Dies(2)], &["S -s rr", "1 -m -w 0", "2 -m -w 0", "3 -m -w 1"]),
            step(&[Returns(1)], &["S -s rr", "1 -m -w 1", "2 -m -w 0"]),
        ],
        ..Scenario::PLAIN
    },
];
