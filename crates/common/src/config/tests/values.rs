use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::*;

#[test]
fn durations_are_read_from_strings_and_numbers_of_seconds() {
    let cases = [
        ("\"1s\"", 1_000_000),
        ("\"100ms\"", 100_000),
        ("\"1m30s\"", 90_000_000),
        ("\"1.5s\"", 1_500_000),
        ("\"1h 1m\"", 3_660_000_000),
        ("\"2d\"", 172_800_000_000),
        ("\"250us\"", 250),
        ("3", 3_000_000),
        ("0.01", 10_000),
        ("0", 0),
    ];
    for (text, micros) in cases {
        assert_eq!(value_of::<Duration>(text), Ok(Duration::from_micros(micros)), "{text}");
    }
}

#[test]
fn a_faulty_duration_is_refused_with_the_reason() {
    let cases = [
        ("\"\"", "`k`: \"\" is not a duration: it is empty"),
        ("\"5\"", "`k`: \"5\" is not a duration: the number 5 has no unit (ms, s, m, h)"),
        ("\"5 s\"", "`k`: \"5 s\" is not a duration: the number 5 has no unit (ms, s, m, h)"),
        ("\"s\"", "`k`: \"s\" is not a duration: there is no number before `s`"),
        ("\"1sec\"", "`k`: \"1sec\" is not a duration: `sec` is not a unit (ms, s, m, h)"),
        ("\"1s1s\"", "`k`: \"1s1s\" is not a duration: units go from long to short, each once"),
        ("\"1s1m\"", "`k`: \"1s1m\" is not a duration: units go from long to short, each once"),
        ("\"1.2.3s\"", "`k`: \"1.2.3s\" is not a duration: `1.2.3` is not a number"),
        ("\"-1s\"", "`k`: \"-1s\" is not a duration: there is no number before `-1s`"),
        ("\"0.1ns\"", "`k`: \"0.1ns\" is not a duration: it is finer than a nanosecond"),
        ("\"99999999999d\"", "`k`: \"99999999999d\" is not a duration: it is far too long"),
        ("\"99999999999999999999s\"", "`k`: \"99999999999999999999s\" is not a duration: it is far too long"),
        ("-1", "`k`: -1 is not a duration: it is negative"),
        ("-0.5", "`k`: -0.5 is not a duration: it is negative or far too long"),
        ("nan", "`k`: NaN is not a duration: it is negative or far too long"),
        ("true", "`k`: expected a duration like \"1s\" or \"100ms\", or a number of seconds, found true"),
    ];
    for (text, message) in cases {
        assert_eq!(value_of::<Duration>(text), Err(message.to_owned()), "{text}");
    }
}

#[test]
fn numbers_out_of_range_say_what_was_found_and_what_is_expected() {
    assert_eq!(value_of::<u8>("255"), Ok(255));
    assert_eq!(value_of::<u16>("0x1F"), Ok(31));
    assert_eq!(value_of::<i32>("-5"), Ok(-5));
    assert_eq!(
        value_of::<u8>("256"),
        Err("`k`: expected a whole number from 0 to 255, found 256".to_owned())
    );
    assert_eq!(
        value_of::<u32>("-1"),
        Err("`k`: expected a whole number from 0 to 4294967295, found -1".to_owned())
    );
    assert_eq!(
        value_of::<i64>("99999999999999999999"),
        Err(format!(
            "`k`: expected a whole number from {} to {}, found a number beyond 64 bits",
            i64::MIN,
            i64::MAX
        ))
    );
    assert_eq!(value_of::<u8>("1.5"), Err("`k`: expected a whole number, found 1.5".to_owned()));
    assert_eq!(value_of::<u8>("\"1\""), Err("`k`: expected a whole number, found \"1\"".to_owned()));
    assert_eq!(value_of::<f64>("2"), Ok(2.0));
    assert_eq!(value_of::<f64>("inf"), Err("`k`: expected a number, found inf".to_owned()));
    assert_eq!(value_of::<Vrid>("51"), Ok(Vrid::new(51).unwrap()));
    assert_eq!(
        value_of::<Vrid>("0"),
        Err("`k`: expected a virtual router id from 1 to 255, found 0".to_owned())
    );
    assert_eq!(
        value_of::<Priority>("256"),
        Err("`k`: expected a priority from 1 to 255, found 256".to_owned())
    );
}

#[test]
fn a_range_is_told_with_its_unit() {
    let range = Duration::from_millis(10)..=Duration::from_secs(40);
    let (value, faults) = read("k = \"1h\"\n", |root, d| root.within("k", &range, d));
    assert_eq!(value, None);
    assert_eq!(
        faults,
        "t.toml:1:5: error: `k`: expected a duration from 10ms to 40s, found 1h\n    1 | k = \"1h\"\n      |     ^^^^\n"
    );
    assert_eq!(read("k = 7\n", |root, d| root.within_or("k", &(1..=9_u8), 3, d)).0, 7);
    assert_eq!(read("\n", |root, d| root.within_or("k", &(1..=9_u8), 3, d)).0, 3);
    let (_, faults) = read("k = 10\n", |root, d| root.within_or("k", &(1..=9_u8), 3, d));
    assert!(faults.contains("expected a whole number from 1 to 9, found 10"), "{faults}");
}

#[test]
fn addresses_are_read_and_what_is_wrong_is_named() {
    assert_eq!(value_of::<IpAddr>("\"192.0.2.1\""), Ok("192.0.2.1".parse().unwrap()));
    assert_eq!(value_of::<IpCidr>("\"192.0.2.1\"").unwrap().to_string(), "192.0.2.1/32");
    assert_eq!(value_of::<IpCidr>("\"2001:db8::1/64\"").unwrap().to_string(), "2001:db8::1/64");
    assert_eq!(value_of::<SocketAddr>("\"[2001:db8::1]:443\"").unwrap().port(), 443);
    let cases = [
        ("\"192.0.2.1/33\"", "the prefix after / is a number from 0 to 32"),
        ("\"192.0.2.1/\"", "the prefix after / is a number from 0 to 32"),
        ("\"192.0.2.1/+8\"", "the prefix after / is a number from 0 to 32"),
        ("\"2001:db8::1/129\"", "the prefix after / is a number from 0 to 128"),
        ("\"192.0.2.256\"", "an IPv4 address is four numbers from 0 to 255 without leading zeros"),
        ("\"192.0.2.01\"", "an IPv4 address is four numbers from 0 to 255 without leading zeros"),
        ("\"lb.example.org\"", "names are not looked up, write the address"),
        ("\"192.0.2.1:80\"", "there is a port, and only an address belongs here"),
        ("\"[2001:db8::1]\"", "an address without a port is written without brackets"),
        ("\"fe80::1%eth0\"", "a zone (%) is not accepted; the interface has its own key"),
        ("\"2001:db8:::1\"", "it is not an IPv6 address"),
        ("\"\"", "an IPv4 address is four numbers from 0 to 255 without leading zeros"),
    ];
    for (text, reason) in cases {
        let fault = value_of::<IpCidr>(text).unwrap_err();
        assert_eq!(
            fault,
            format!("`k`: {text} is not an address like \"192.0.2.1\" or \"192.0.2.1/24\": {reason}")
        );
    }
    assert_eq!(
        value_of::<IpAddr>("\"192.0.2.1/24\""),
        Err("`k`: \"192.0.2.1/24\" is not an IP address: it has no prefix (/) here".to_owned())
    );
    assert_eq!(value_of::<IpAddr>("4"), Err("`k`: expected an IP address, found 4".to_owned()));
}

#[test]
fn socket_addresses_need_their_port_and_brackets() {
    let cases = [
        ("\"192.0.2.1\"", "the port is missing, as in 192.0.2.1:80"),
        ("\"2001:db8::1\"", "IPv6 addresses with a port have brackets, as in [2001:db8::1]:80"),
        ("\"192.0.2.1:http\"", "the port after : is a number from 0 to 65535"),
        ("\"192.0.2.1:65536\"", "the port after : is a number from 0 to 65535"),
        ("\"web1:80\"", "names are not looked up, write the address"),
        ("\"web1\"", "names are not looked up, write the address"),
        ("\"[2001:db8:::1]:80\"", "it is not an IPv6 address"),
        ("\"[fe80::1%2]:80\"", "a zone (%) is not accepted"),
        ("\"1.2.3:80\"", "an IPv4 address is four numbers from 0 to 255 without leading zeros"),
        ("\":80\"", "an IPv4 address is four numbers from 0 to 255 without leading zeros"),
    ];
    for (text, reason) in cases {
        let fault = value_of::<SocketAddr>(text).unwrap_err();
        assert_eq!(fault, format!("`k`: {text} is not an address with a port: {reason}"));
    }
}

#[test]
fn interface_names_are_what_the_kernel_takes() {
    assert_eq!(value_of::<IfName>("\"eth0.100\"").unwrap().as_str(), "eth0.100");
    assert_eq!(value_of::<IfName>("\"abcdefghijklmno\"").unwrap().as_str().len(), 15);
    for (text, reason) in [
        ("\"\"", "an interface name has 1 to 15 bytes, this has 0"),
        ("\"abcdefghijklmnop\"", "an interface name has 1 to 15 bytes, this has 16"),
        ("\"eth 0\"", "an interface name has no slash and no white space"),
        ("\"../x\"", "an interface name has no slash and no white space"),
        ("\"..\"", "an interface name has no slash and no white space"),
        ("\"eth0:1\"", "an interface name has no colon; an alias such as eth0:1 is a label of an address"),
    ] {
        assert_eq!(value_of::<IfName>(text), Err(format!("`k`: {text} is not an interface name: {reason}")));
    }
}

#[test]
fn commands_are_a_list_or_one_string_split_without_a_shell() {
    let command = value_of::<CommandLine>("[\"/bin/echo\", \"a b\", \"$HOME\"]").unwrap();
    assert_eq!(command.argv(), ["/bin/echo", "a b", "$HOME"]);
    assert_eq!(command.to_string(), "/bin/echo 'a b' '$HOME'");
    let command = value_of::<CommandLine>("\"/bin/echo 'a b' c\\\\ d \\\"e\\\"\"").unwrap();
    assert_eq!(command.argv(), ["/bin/echo", "a b", "c d", "e"]);
    assert_eq!((command.program(), command.arguments().len()), ("/bin/echo", 3));
    assert_eq!(
        value_of::<CommandLine>("\"/bin/echo 'a\""),
        Err("`k`: \"/bin/echo 'a\" has a quote or backslash without its end".to_owned())
    );
    for text in ["\"\"", "\"  \"", "[]", "[\"\"]", "[\"a\\u0000b\"]"] {
        assert_eq!(
            value_of::<CommandLine>(text),
            Err("`k`: the command names no program".to_owned()),
            "{text}"
        );
    }
    for text in ["\"bin/check\"", "[\"./check\", \"/a\"]"] {
        assert_eq!(
            value_of::<CommandLine>(text),
            Err("`k`: the program is neither an absolute path nor a bare name".to_owned())
        );
    }
    assert_eq!(
        value_of::<CommandLine>("5"),
        Err("`k`: expected a command (a list of arguments, or one string), found 5".to_owned())
    );
}

#[test]
fn user_names_are_names() {
    assert_eq!(value_of::<UserName>("\"holdfast_script\"").unwrap().as_str(), "holdfast_script");
    for text in ["\"\"", "\"a:b\"", "\"a b\"", "\"-a\"", "\"a/b\""] {
        value_of::<UserName>(text).unwrap_err();
    }
}

#[test]
fn every_faulty_element_of_a_list_is_told() {
    let (value, faults) = read("k = [\"192.0.2.1\", 5, \"192.0.2.2\", \"x\"]\n", |root, d| {
        root.optional::<Vec<IpAddr>>("k", d)
    });
    assert_eq!(value, None);
    let places: Vec<&str> = faults.lines().filter(|l| l.starts_with("t.toml")).collect();
    assert_eq!(
        places,
        [
            "t.toml:1:19: error: `k`: expected an IP address, found 5",
            "t.toml:1:35: error: `k`: \"x\" is not an IP address: names are not looked up, write the address",
        ]
    );
    let (value, faults) = read("k = \"x\"\n", |root, d| root.optional::<Vec<String>>("k", d));
    assert_eq!(value, None);
    assert!(faults.ends_with("  hint: write k = [\"x\"]\n"), "{faults}");
}

#[test]
fn words_are_chosen_from_a_set() {
    let choices = [("master", 1), ("backup", 2)];
    assert_eq!(read("k = \"backup\"", |root, d| root.choice("k", &choices, d)).0.unwrap().value, 2);
    let (_, faults) = read("k = \"backpu\"", |root, d| root.choice("k", &choices, d));
    assert!(faults.contains("`k`: expected one of \"master\", \"backup\", found \"backpu\""), "{faults}");
    assert!(faults.contains("hint: did you mean \"backup\"?"), "{faults}");
    let (_, faults) = read("k = 5", |root, d| root.choice("k", &choices, d));
    assert!(faults.contains("`k`: expected one of \"master\", \"backup\", found 5"), "{faults}");
}

#[test]
fn tables_and_lists_of_tables_are_told_apart() {
    let tables = |root: &mut Table<'_>, d: &mut Diagnostics| {
        let tables = root.tables("k", d);
        let count = tables.len();
        tables.into_iter().for_each(drop);
        count
    };
    assert_eq!(read("[[k]]\n[[k]]\n", tables), (2, String::new()));
    assert_eq!(read("k = [{}, {}, {}]\n", tables), (3, String::new()));
    let (_, faults) = read("[k]\n", tables);
    assert!(faults.contains("`k`: expected a list of tables, found a table"), "{faults}");
    assert!(faults.contains("hint: there can be several: write [[k]] instead of [k]"), "{faults}");
    let table = |root: &mut Table<'_>, d: &mut Diagnostics| root.table("k", d).map(|t| t.finish(d)).is_some();
    assert_eq!(read("[k]\n", table), (true, String::new()));
    let (_, faults) = read("[[k]]\n", table);
    assert!(faults.contains("hint: there can be only one: write [k] instead of [[k]]"), "{faults}");
    let (_, faults) = read("k = 1\n", table);
    assert!(faults.contains("`k`: expected a table, found 1"), "{faults}");
}

#[test]
fn a_value_of_several_shapes_is_looked_at() {
    let shapes = |text: &str| {
        read(text, |root, d| {
            let value = root.value("k", Vec::new, d).unwrap();
            value
                .one_or_list()
                .into_iter()
                .map(|value| match value.shape() {
                    Shape::String(text) => format!("string {text}"),
                    Shape::Table(mut table) => {
                        let name = table.required::<String>("name", d);
                        table.finish(d);
                        format!("table {}", name.unwrap().value)
                    }
                    Shape::Integer(_)
                    | Shape::Float(_)
                    | Shape::Boolean(_)
                    | Shape::Datetime
                    | Shape::List(_) => "other".to_owned(),
                })
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(shapes("k = \"a\"").0, ["string a"]);
    assert_eq!(shapes("k = [\"a\", {name = \"b\"}]").0, ["string a", "table b"]);
    assert_eq!(shapes("k = {name = \"b\"}").0, ["table b"]);
}

#[test]
fn formatted_durations_read_back() {
    for nanos in [0, 1, 999, 1_000_000, 1_500_000_000, 90_000_000_000, 86_400_000_000_001] {
        let duration = Duration::from_nanos(nanos);
        assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
    }
    assert_eq!(format_duration(Duration::from_millis(90_100)), "1m30s100ms");
}

#[test]
fn a_number_that_does_not_fit_its_type_is_told_the_range_of_its_key() {
    for text in ["k = -1\n", "k = 65536\n", "k = 0\n"] {
        let (_, faults) = read(text, |root, d| root.within("k", &(1..=u16::MAX), d));
        assert!(faults.contains("expected a whole number from 1 to 65535, found "), "{faults}");
    }
}
