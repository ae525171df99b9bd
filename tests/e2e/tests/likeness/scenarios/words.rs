//! Keywords that the other scenarios have no use for.

use crate::backends::Speaks::{Echo, Http, Http6, Https};
use crate::scenario::{Deed::Dies, Deed::Returns, Scenario, step};

pub const ALL: &[Scenario] = &[
    Scenario {
        name: "a server says for itself what services say for all",
        keepalived: "virtual_server $VIP $P {delay_loop 60; lvs_sched mh; mh-fallback; flag-2; lvs_method NAT; protocol TCP;
            real_server $1 $P {uthreshold 100; lthreshold 50; delay_loop 8; retry 1; delay_before_retry 1;
                connect_timeout 20; warmup 0; alpha; virtualhost www.example; log_all_failures;
                HTTP_GET {url {path /; status_code 200}}}
            real_server $2 $P {TCP_CHECK {delay_loop 8; retry 1; delay_before_retry 1; connect_timeout 20; warmup 0;
                alpha; log_all_failures; bind_if eth0; fwmark 5}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "mh"
            scheduler_flags = ["mh-fallback", "mh-port"]
            [[virtual_server.real_server]]
            address = "$1:$P"
            upper_threshold = 100
            lower_threshold = 50
            check = { type = "http", version = "1.0", host = "www.example", status = [200], initial = "down", log_all_failures = true, $C }
            [[virtual_server.real_server]]
            address = "$2:$P"
            check = { type = "tcp", initial = "down", log_all_failures = true, interface = "eth0", fwmark = 5, $C }"#,
        steps: &[
            step(&[], &["S -s mh -b mh-fallback,mh-port", "1 -m -w 1", "2 -m -w 1"]),
            step(&[Dies(1)], &["S -s mh -b mh-fallback,mh-port", "2 -m -w 1"]),
            step(&[Returns(1)], &["S -s mh -b mh-fallback,mh-port", "1 -m -w 1", "2 -m -w 1"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "marked packets of IPv6",
        keepalived: "virtual_server fwmark 2$N {$COMMON; ip_family inet6; lb_algo rr; lb_kind DR;
            real_server 2001:db8::21 $P {TCP_CHECK {}} real_server 2001:db8::22 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            fwmark = 2$N
            family = "ipv6"
            scheduler = "rr"
            forward = "dr"
            check = { type = "tcp", port = $P, $C }
            real_servers = ["2001:db8::21", "2001:db8::22"]"#,
        services: &["-f 2$N -6"],
        server: "[2001:db8::2#]:0",
        backends: &[Http6, Http6],
        steps: &[step(&[], &["S -s rr", "1 -g -w 1", "2 -g -w 1"]), step(&[Dies(1)], &["S -s rr", "2 -g -w 1"])],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "a sorry server with a way of its own, that stays with weight 0",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            sorry_server $3 $P; sorry_server_lvs_method DR; sorry_server_inhibit;
            real_server $1 $P {TCP_CHECK {}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            sorry_server = { address = "$3:$P", forward = "dr", inhibit_on_failure = true }
            check = { type = "tcp", $C }
            real_servers = ["$1:$P"]"#,
        backends: &[Http],
        steps: &[
            step(&[], &["S -s rr", "1 -m -w 1", "3 -g -w 0"]),
            step(&[Dies(1)], &["S -s rr", "3 -g -w 1"]),
            step(&[Returns(1)], &["S -s rr", "1 -m -w 1", "3 -g -w 0"]),
        ],
        ..Scenario::PLAIN
    },
    Scenario {
        name: "further words of checks",
        keepalived: "virtual_server $VIP $P {$COMMON; lb_algo rr; lb_kind NAT; protocol TCP;
            real_server $1 $P {HTTP_GET {nb_get_retry 1; virtualhost b.example;
                url {path /; virtualhost a.example; regex OK; regex_options caseless}}}
            real_server $2 $P {UDP_CHECK {payload 0102; require_reply; min_reply_length 1; max_reply_length 20}}
            real_server $3 $P {SSL_GET {enable_sni; sni_name server.example; url {path /; status_code 200}}}
            real_server $4 $P {MISC_CHECK {misc_path \"$DIR/judge\"; user root}}}",
        holdfast: r#"[[virtual_server]]
            address = "$VIP:$P"
            scheduler = "rr"
            real_server = [
                { address = "$1:$P", check = { type = "http", version = "1.0", host = "a.example", status = "100-599", body_match = "(?i)OK", $C } },
                { address = "$2:$P", check = { type = "udp", payload = "hex:0102", require_reply = true, min_reply_length = 1, max_reply_length = 20, $C } },
                { address = "$3:$P", check = { type = "https", version = "1.0", server_name = "server.example", status = [200], $C } },
                { address = "$4:$P", check = { type = "script", command = "$DIR/judge", user = "root", $C } },
            ]"#,
        backends: &[Http, Echo, Https, Http],
        steps: &[
            step(&[], &["S -s rr", "1 -m -w 1", "2 -m -w 1", "3 -m -w 1", "4 -m -w 1"]),
            step(&[Dies(1), Dies(2), Dies(3)], &["S -s rr", "4 -m -w 1"]),
        ],
        ..Scenario::PLAIN
    },
];
