use super::plan_with_faults;

/// A virtual server without faults but for what `keys` says of it.
fn faults(keys: &str) -> Vec<String> {
    plan_with_faults(&format!("[[virtual_server]]\n{keys}\n")).1
}

/// Exactly this one fault, at that place.
fn fault(keys: &str, expected: &str) {
    assert_eq!(faults(keys), [expected], "{keys}");
}

/// The keys every case has: lines 2 to 4.
const BASE: &str =
    "address = \"192.0.2.1:80\"\ncheck = { type = \"tcp\" }\nreal_servers = [\"10.0.0.1:80\"]\n";

fn also(key: &str, expected: &str) {
    fault(&format!("{BASE}{key}"), expected);
}

fn instead(what: &str, with: &str, expected: &str) {
    let keys = BASE.replace(what, with);
    assert_ne!(keys, BASE);
    fault(&keys, expected);
}

#[test]
fn what_identifies_a_virtual_server() {
    instead("192.0.2.1:80", "192.0.2.1:0", "2:11: error: `address`: 0 is not a port");
    instead("192.0.2.1:80", "0.0.0.0:80", "2:11: error: `address`: 0.0.0.0 is no host's address");
    instead("192.0.2.1:80", "224.0.0.18:80", "2:11: error: `address`: 224.0.0.18 is a multicast address");
    instead(
        "address = \"192.0.2.1:80\"",
        "",
        "1:1: error: `address` is missing in [virtual_server]: an address (or `addresses`, or `fwmark`) is needed",
    );
    also("fwmark = 1", "5:1: error: `address` and `fwmark` exclude each other");
    also("addresses = [\"192.0.2.2:80\"]", "5:1: error: `address` and `addresses` exclude each other");
    also(
        "family = \"ipv4\"",
        "5:10: error: `family` is only for `fwmark`: an address tells its family itself",
    );
    instead("address = \"192.0.2.1:80\"", "addresses = []", "2:13: error: `addresses` is empty");
    instead(
        "address = \"192.0.2.1:80\"",
        "fwmark = 0",
        "2:10: error: `fwmark`: expected a whole number from 1 to 4294967295, found 0",
    );
    instead(
        "address = \"192.0.2.1:80\"",
        "fwmark = 1\nprotocol = \"tcp\"",
        "3:12: error: `protocol` is not for `fwmark`: the mark says which packets are meant",
    );
    fault(
        "fwmark = 1\ncheck = []\nreal_servers = [\"10.0.0.1\", \"2001:db8::1\"]\nforward = \"tun\"",
        "1:1: error: `family` is missing: the servers don't tell the family of the marked packets",
    );
    instead(
        "192.0.2.1:80",
        "192.0.2.1",
        "2:11: error: 192.0.2.1 has no port: a service for all ports needs `persistence`",
    );
}

#[test]
fn what_stands_twice() {
    let twice = format!("[[virtual_server]]\n{BASE}[[virtual_server]]\n{BASE}");
    assert_eq!(plan_with_faults(&twice).1[0], "6:11: error: tcp 192.0.2.1:80 stands twice");
    instead(
        "address = \"192.0.2.1:80\"",
        "addresses = [\"192.0.2.1:80\", \"192.0.2.1:80\"]",
        "2:30: error: tcp 192.0.2.1:80 stands twice",
    );
    instead(
        "[\"10.0.0.1:80\"]",
        "[\"10.0.0.1:80\", \"10.0.0.1\"]",
        "4:32: error: real server 10.0.0.1:80 stands twice in this virtual server",
    );
}

#[test]
fn how_packets_get_there() {
    let dr = BASE.replace("10.0.0.1:80", "10.0.0.1:8080");
    fault(
        &format!("{dr}forward = \"dr\""),
        "4:17: error: forward = \"dr\" does not change the port: tcp 192.0.2.1:80 would reach port 80, not 8080",
    );
    assert!(faults(&dr).is_empty(), "nat changes ports");
    instead(
        "10.0.0.1:80",
        "[2001:db8::1]:80",
        "4:17: error: tcp 192.0.2.1:80 cannot be forwarded to 2001:db8::1 with \"nat\": another family",
    );
    let tunnel = BASE.replace("10.0.0.1:80", "[2001:db8::1]:80");
    assert!(faults(&format!("{tunnel}forward = \"tun\"")).is_empty(), "tunnels change families");
    also("tunnel = { type = \"ipip\" }", "5:1: error: `tunnel` is only for forward = \"tun\"");
    also(
        "forward = \"tun\"\ntunnel = { type = \"gue\" }",
        "6:10: error: `port` is missing in [virtual_server.tunnel]: a whole number is needed",
    );
    also(
        "forward = \"tun\"\ntunnel = { type = \"gre\", checksum = \"remote\" }",
        "6:37: error: a GRE tunnel has no remote checksum",
    );
    also(
        "forward = \"masq\"",
        "5:11: error: `forward`: expected one of \"nat\", \"dr\", \"tun\", found \"masq\"",
    );
}

#[test]
fn how_connections_are_distributed() {
    let unknown = faults(&format!("{BASE}scheduler = \"wlcc\""));
    assert!(unknown[0].starts_with("5:13: error: `scheduler`: expected one of"), "{unknown:?}");
    also(
        "scheduler_flags = [\"sh-port\"]",
        "5:20: error: `sh-port` is a flag of scheduler \"sh\", not of \"wlc\"",
    );
    also("scheduler_flags = [\"fast\"]", "5:20: error: no scheduler has a flag \"fast\"");
    also("one_packet = true", "5:14: error: `one_packet` is only for protocol = \"udp\"");
    also(
        "persistence = \"1500ms\"",
        "5:15: error: `persistence` is in whole seconds: the kernel knows no other",
    );
    also("persistence_granularity = 24", "5:27: error: this means nothing without `persistence`");
    also(
        "persistence = 60\npersistence_granularity = 33",
        "6:27: error: `persistence_granularity`: expected a whole number from 1 to 32, found 33",
    );
    also(
        "persistence = 60\npersistence_engine = \"sip\"",
        "6:22: error: the persistence engine \"sip\" is only for protocol = \"udp\"",
    );
}

#[test]
fn quorum_and_weights() {
    also("hysteresis = 1", "5:14: error: `hysteresis` 1 must be below the `quorum`, 1");
    also("quorum = 3", "5:10: warning: `quorum` 3 is above the weight of all servers together, 1");
    also("weight = -1", "5:10: error: `weight`: expected a whole number from 0 to 2147483647, found -1");
    also(
        "weight = 2147483648",
        "5:10: error: `weight`: expected a whole number from 0 to 2147483647, found 2147483648",
    );
    also(
        "[[virtual_server.real_server]]\naddress = \"10.0.0.2:80\"\nlower_threshold = 5\nupper_threshold = 4",
        "7:19: error: `lower_threshold` 5 is above `upper_threshold` 4",
    );
}

#[test]
fn sorry_servers() {
    also(
        "sorry_server = \"2001:db8::1\"",
        "5:16: error: tcp 192.0.2.1:80 cannot be forwarded to 2001:db8::1 with \"nat\": another family",
    );
    also(
        "sorry_server = { address = \"10.0.0.9:81\", forward = \"dr\" }",
        "5:16: warning: forward = \"dr\" does not change the port: tcp 192.0.2.1:80 would reach port 80, not 81",
    );
}

#[test]
fn checks() {
    let kinds: Vec<String> = crate::checks::KINDS.iter().map(|(name, _)| format!("{name:?}")).collect();
    let kinds = kinds.join(", ");
    instead(
        "{ type = \"tcp\" }",
        "{ type = \"tpc\" }",
        &format!("3:18: error: `type`: expected one of {kinds}, found \"tpc\""),
    );
    instead(
        "{ type = \"tcp\" }",
        "{ interval = 1 }",
        &format!("3:9: error: `type` is missing in [virtual_server.check]: one of {kinds} is needed"),
    );
    instead(
        "{ type = \"tcp\" }",
        "\"tcp\"",
        "3:9: error: `check`: expected a table like { type = \"tcp\" }, found \"tcp\"",
    );
    instead(
        "{ type = \"tcp\" }",
        "{ type = \"tcp\", path = \"/\" }",
        "3:25: error: unknown key \"path\" in [virtual_server.check]",
    );
    instead(
        "{ type = \"tcp\" }",
        "{ type = \"tcp\", interval = 0 }",
        "3:36: error: `interval`: expected a duration from 10ms to 1d, found 0s",
    );
    instead(
        "{ type = \"tcp\" }",
        "{ type = \"tcp\", source = \"2001:db8::5\" }",
        "4:17: error: 10.0.0.1 cannot be reached from 2001:db8::5: they are of different families",
    );
    instead(
        "{ type = \"tcp\" }",
        "{ type = \"script\" }",
        "3:9: error: `command` is missing in [virtual_server.check]: a command (a list of arguments, or one string) is needed",
    );
    instead(
        "{ type = \"tcp\" }",
        "{ type = \"script\", command = \"/x\", port = 3 }",
        "3:44: error: unknown key \"port\" in [virtual_server.check]",
    );
    fault(
        "fwmark = 1\ncheck = { type = \"tcp\" }\nreal_servers = [\"10.0.0.1\"]",
        "4:17: error: no port is known on which 10.0.0.1 can be checked",
    );
    fault(
        "address = \"192.0.2.1:80\"\nreal_servers = [\"10.0.0.1\"]",
        "3:17: warning: no check: this server counts as alive whatever happens",
    );
    fault("address = \"192.0.2.1:80\"", "1:1: warning: a virtual server without real servers");
}

#[test]
fn a_server_that_says_it_has_no_check_means_it() {
    let of = |keys: &str| {
        let text = "[[virtual_server]]\naddress = \"192.0.2.1:80\"\n[[virtual_server.real_server]]\n";
        plan_with_faults(&format!("{text}address = \"10.0.0.1:80\"\n{keys}")).1
    };
    assert_eq!(of("").len(), 1);
    assert!(of("check = []").is_empty());
}

#[test]
fn file_checks() {
    let file = |keys: &str, expected: &str| {
        instead("{ type = \"tcp\" }", &format!("{{ type = \"file\", {keys} }}"), expected);
    };
    file("path = \"load\"", "3:33: error: `path` is not an absolute path");
    file("path = \"/load\", reverse = true", "3:52: error: `reverse` is only for factor = 0");
    file("path = \"/load\", port = 1", "3:42: error: unknown key \"port\" in [virtual_server.check]");
}

#[test]
fn http_checks() {
    let http = |keys: &str, expected: &str| {
        instead("{ type = \"tcp\" }", &format!("{{ type = \"http\", {keys} }}"), expected);
    };
    http("path = \"x\"", "3:33: error: `path` does not begin with /");
    http("path = \"/a b\"", "3:33: error: `path` has white space or characters beyond ASCII");
    http(
        "method = \"PUT\"",
        "3:35: error: `method`: expected one of \"GET\", \"HEAD\", \"OPTIONS\", found \"PUT\"",
    );
    http("version = \"2\"", "3:36: error: `version`: expected one of \"1.0\", \"1.1\", found \"2\"");
    http("host = \"a b\"", "3:33: error: `host` is empty or has white space or characters beyond ASCII");
    http("status = []", "3:35: error: `status`: an empty list: no status would ever be right");
    http("status = 99", "3:35: error: `status`: expected a status from 100 to 999, found 99");
    http("status = [\"300-200\"]", "3:36: error: `status`: \"300-200\" ends before it begins");
    http("headers = { Host = \"x\" }", "3:38: error: the `Host` header has its own key");
    http("headers = { \"a b\" = \"x\" }", "3:38: error: \"a b\" is not the name of a header");
}

#[test]
fn all_faults_are_told_at_once() {
    let all = faults(
        "address = \"192.0.2.1\"\nscheduler = \"x\"\nforward = \"y\"\nhysteresis = 9\nwieght = 1\nreal_servers = [\"10.0.0.1:0\", \"nonsense\"]",
    );
    assert_eq!(all.len(), 7, "{all:#?}");
}
