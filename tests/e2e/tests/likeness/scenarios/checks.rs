//! Kinds of checks.

use crate::backends::Speaks::{Dns, Echo, Http, Https, Nothing, Smtp};
use crate::scenario::Deed::{Answers, Dies, Plugs, Returns, Unplugs, Writes};
use crate::scenario::{Scenario, step};

const BOTH: &[&str] = &["S -s rr", "1 -m -w 1", "2 -m -w 1"];
const SECOND: &[&str] = &["S -s rr", "2 -m -w 1"];

pub const ALL: &[Scenario] = &[
    Scenario {
        name: "HTTP_GET with a digest, version and virtual host",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            virtualhost www.example;
            real_server $1 $P {HTTP_GET {http_protocol 1.1; url {path /; digest 444bcb3a3fcf8389296c49467f27e1d6}}}
            real_server $2 $P {HTTP_GET {url {path /; digest 444bcb3a3fcf8389296c49467f27e1d6}}}
            real_server $3 $P {HTTP_GET {url {path /; digest 00000000000000000000000000000000}}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            check = { type = "http", host = "www.example", digest = "md5:444bcb3a3fcf8389296c49467f27e1d6", $C }
            real_servers = ["$1:$P", "$2:$P"]
            [[virtual_server.real_server]]
            address = "$3:$P"
            check = { type = "http", digest = "md5:00000000000000000000000000000000", $C }"#,
        backends: &[Http, Http, Http],
        steps: &[step(&[], BOTH), step(&[Dies(1)], SECOND), step(&[Returns(1)], BOTH)],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "HTTP_GET with two urls and ranges of status codes",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $1 $P {HTTP_GET {url {path /a; status_code 200-299 404} url {path /b; status_code 200-299 404}}}
            real_server $2 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            check = { type = "tcp", $C }
            real_server = [
                { address = "$1:$P", check = { type = "http", status = ["200-299", 404], urls = [{ path = "/a" }, { path = "/b" }], $C } },
                { address = "$2:$P" },
            ]"#,
        steps: &[
            step(&[], BOTH),
            step(&[Answers(1, 404)], BOTH),
            step(&[Answers(1, 403)], SECOND),
            step(&[Answers(1, 299)], BOTH),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "HTTP_GET with a regular expression, and with one that must not match",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $1 $P {HTTP_GET {url {path /; regex ok}}}
            real_server $2 $P {HTTP_GET {url {path /; regex sick; regex_no_match}}}
            real_server $3 $P {HTTP_GET {url {path /; regex sick}}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            real_server = [
                { address = "$1:$P", check = { type = "http", body_match = "ok", $C } },
                { address = "$2:$P", check = { type = "http", body_no_match = "sick", $C } },
                { address = "$3:$P", check = { type = "http", body_match = "sick", $C } },
            ]"#,
        backends: &[Http, Http, Http],
        steps: &[step(&[], BOTH), step(&[Dies(1)], SECOND)],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "SSL_GET: a certificate that nobody knows will do",
        keepalived: "virtual_server $VIP 443 {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $1 $P {SSL_GET {url {path /; status_code 200}}}
            real_server $2 $P {SSL_GET {url {path /; status_code 200}}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:443"
            scheduler = "rr"
            check = { type = "https", status = [200], $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        services: &["-t $VIP:443"],
        backends: &[Https, Https],
        steps: &[step(&[], BOTH), step(&[Dies(1)], SECOND), step(&[Returns(1)], BOTH)],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "SMTP_CHECK",
        keepalived: "virtual_server $VIP 25 {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $1 $P {SMTP_CHECK {helo_name lb.example}} real_server $2 $P {SMTP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:25"
            scheduler = "rr"
            check = { type = "smtp", helo_name = "lb.example", $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        services: &["-t $VIP:25"],
        backends: &[Smtp, Smtp],
        steps: &[step(&[], BOTH), step(&[Dies(1)], SECOND), step(&[Returns(1)], BOTH)],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "DNS_CHECK",
        keepalived: "virtual_server $VIP 53 {$COMMON; lb_algo rr; lb_kind NAT; protocol UDP;
            real_server $1 $P {DNS_CHECK {type A; name www.example}}
            real_server $2 $P {DNS_CHECK {type SOA}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:53"
            protocol = "udp"
            scheduler = "rr"
            check = { type = "dns", name = "www.example", record = "A", allow_empty = true, $C }
            real_servers = ["$1:$P", "$2:$P"]"#,
        services: &["-u $VIP:53"],
        backends: &[Dns, Dns],
        steps: &[step(&[], BOTH), step(&[Dies(1)], SECOND), step(&[Returns(1)], BOTH)],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "UDP_CHECK: silence is a pass, a refusal is not; a reply that is required must be as told",
        keepalived: "virtual_server $VIP 53 {$COMMON; lb_algo rr; lb_kind NAT; protocol UDP;
            real_server $1 $P {UDP_CHECK {payload 68656c6c6f; require_reply 6865xx6c}}
            real_server $2 $P {UDP_CHECK {}}
            real_server $3 $P {UDP_CHECK {payload 68656c6c6f; require_reply 00}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:53"
            protocol = "udp"
            scheduler = "rr"
            real_server = [
                { address = "$1:$P", check = { type = "udp", payload = "hello", reply = "hex:6865xx6c", $C } },
                { address = "$2:$P", check = { type = "udp", $C } },
                { address = "$3:$P", check = { type = "udp", payload = "hello", reply = "hex:00", $C } },
            ]"#,
        services: &["-u $VIP:53"],
        backends: &[Echo, Echo, Echo],
        steps: &[
            step(&[], BOTH),
            step(&[Dies(1)], SECOND),
            step(&[Returns(1), Dies(2)], &["S -s rr", "1 -m -w 1"]),
            step(&[Returns(2)], BOTH),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "PING_CHECK",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind DR; protocol TCP;
            real_server $5 $P {PING_CHECK {}} real_server $2 $P {PING_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            forward = "dr"
            check = { type = "ping", $C }
            real_servers = ["$5:$P", "$2:$P"]"#,
        backends: &[Nothing, Nothing],
        steps: &[
            step(&[], &["S -s rr", "5 -g -w 1", "2 -g -w 1"]),
            step(&[Unplugs(5)], &["S -s rr", "2 -g -w 1"]),
            step(&[Plugs(5)], &["S -s rr", "5 -g -w 1", "2 -g -w 1"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "MISC_CHECK: 0 is a pass, 1 a failure",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $1 $P {MISC_CHECK {misc_path \"$DIR/judge\"; misc_timeout 20}}
            real_server $2 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            check = { type = "tcp", $C }
            real_server = [
                { address = "$1:$P", check = { type = "script", command = "$DIR/judge", interval = "8s", timeout = "20s", warm_up = 0 } },
                { address = "$2:$P" },
            ]"#,
        steps: &[
            step(&[], BOTH),
            step(&[Writes("status", "1\n")], SECOND),
            step(&[Writes("status", "0\n")], BOTH),
            step(&[Writes("status", "7\n")], SECOND),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "misc_dynamic: the status less two is the weight",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo wrr; lb_kind NAT; protocol TCP;
            real_server $1 $P {weight 5; MISC_CHECK {misc_timeout 20; misc_path \"$DIR/judge\"; misc_dynamic}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "wrr"
            [[virtual_server.real_server]]
            address = "$1:$P"
            weight = 5
            check = { type = "script", command = "$DIR/judge", dynamic = true, interval = "8s", timeout = "20s", warm_up = 0 }"#,
        backends: &[Nothing],
        steps: &[
            step(&[], &["S -s wrr", "1 -m -w 5"]),
            step(&[Writes("status", "12\n")], &["S -s wrr", "1 -m -w 10"]),
            step(&[Writes("status", "2\n")], &["S -s wrr", "1 -m -w 0"]),
            step(&[Writes("status", "1\n")], &["S -s wrr"]),
            step(&[Writes("status", "255\n")], &["S -s wrr", "1 -m -w 253"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "FILE_CHECK: the number times the weight is added",
        keepalived: "track_file f$N {file \"$DIR/number\"; weight 1}
            virtual_server $VIP $P {$COMMON; lb_algo wrr; lb_kind NAT; protocol TCP;
            real_server $1 $P {weight 10; FILE_CHECK {track_file f$N; weight 2}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "wrr"
            [[virtual_server.real_server]]
            address = "$1:$P"
            weight = 10
            check = { type = "file", path = "$DIR/number", factor = 2, interval = "8s", warm_up = 0 }"#,
        backends: &[Nothing],
        steps: &[
            step(&[], &["S -s wrr", "1 -m -w 10"]),
            step(&[Writes("number", "3\n")], &["S -s wrr", "1 -m -w 16"]),
            step(&[Writes("number", "-4\n")], &["S -s wrr", "1 -m -w 2"]),
            step(&[Writes("number", "-100\n")], &["S -s wrr", "1 -m -w 0"]),
            step(&[Writes("number", "0\n")], &["S -s wrr", "1 -m -w 10"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "several checks of a server: all must pass",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $1 $P {TCP_CHECK {} MISC_CHECK {misc_timeout 20; misc_path \"$DIR/judge\"}}
            real_server $2 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            check = { type = "tcp", $C }
            real_server = [
                { address = "$1:$P", check = [{ type = "tcp", $C }, { type = "script", command = "$DIR/judge", interval = "8s", timeout = "20s", warm_up = 0 }] },
                { address = "$2:$P" },
            ]"#,
        steps: &[
            step(&[], BOTH),
            step(&[Writes("status", "1\n")], SECOND),
            step(&[Dies(1), Writes("status", "0\n")], SECOND),
            step(&[Returns(1)], BOTH),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "connect_ip, connect_port and bindto: another place is asked",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $1 80 {TCP_CHECK {connect_port $P}}
            real_server $2 80 {TCP_CHECK {connect_ip $1; connect_port $P; bindto $ME}}
            real_server $3 80 {TCP_CHECK {connect_port $P}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            check = { type = "tcp", port = $P, $C }
            real_server = [
                { address = "$1:80" },
                { address = "$2:80", check = { type = "tcp", address = "$1", port = $P, source = "$ME", $C } },
                { address = "$3:80" },
            ]"#,
        server: "10.0.0.2#:80",
        steps: &[step(&[], BOTH), step(&[Dies(1)], &["S -s rr"]), step(&[Returns(1)], BOTH)],
        backends: &[Http],
        ..Scenario::PLAIN
    },
];
