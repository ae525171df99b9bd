use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// Text that is often nearly a configuration.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "[global]\n", "[[vrrp.instance]]\n", "[watchdog]\r\n", "router_id", " = ", "\"a\"", "'b'", "\n", "\t",
            "{", "}", "[", "]", "[[", "]]", ",", ".", "#", "1", "-0.5", "true", "1979-05-27", "\"\"\"", "\\", "include",
            "hello_interval", "\"1s\"", "\u{feff}", "ä", "\r", "nan", "0x", "_", "\u{0}",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_parsed_planned_and_rendered_without_panic(text in text()) {
        let sources = Sources::from_text("t.toml", text.clone());
        let mut d = Diagnostics::new();
        let document = Document::parse(&sources, &mut d);
        let mut root = document.root();
        global::plan(&mut root, &mut d);
        root.finish(&mut d);
        for diagnostic in d.sorted() {
            let places = diagnostic.notes().iter().map(|(span, _)| *span).chain([diagnostic.span()]);
            for span in places {
                prop_assert!(span.start <= span.end && span.end <= text.len(), "{span:?} of {}", text.len());
                prop_assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end), "{span:?}");
            }
        }
        let rendered = d.render(&sources);
        prop_assert_eq!(rendered.is_empty(), d.is_empty());
        prop_assert_eq!(d.render(&sources), rendered);
    }

    #[test]
    fn the_place_printed_is_the_place_of_the_key(before in "[ \t]{0,10}", lines in 0_usize..20, key in "zz[a-z]{1,20}") {
        let text = format!("{}{before}{key} = 1\n", "\n".repeat(lines));
        let (_, faults) = read(&text, |_, _| ());
        let place = format!("t.toml:{}:{}: error: unknown key \"{key}\"", lines + 1, before.len() + 1);
        prop_assert!(faults.starts_with(&place), "{}", faults);
        let lines: Vec<&str> = faults.lines().collect();
        let caret = lines[2].find('^').unwrap();
        prop_assert_eq!(&lines[1][caret..caret + key.len()], key.as_str());
        prop_assert_eq!(lines[2].matches('^').count(), key.len());
    }

    #[test]
    fn durations_round_trip(nanos in any::<u64>()) {
        let duration = Duration::from_nanos(nanos);
        prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
    }

    #[test]
    fn socket_addresses_round_trip(address in any::<SocketAddr>()) {
        let plain = SocketAddr::new(address.ip(), address.port());
        prop_assert_eq!(value_of::<SocketAddr>(&format!("\"{plain}\"")), Ok(plain));
    }

    #[test]
    fn prefixes_round_trip(addr in any::<std::net::IpAddr>(), prefix in 0_u8..=128) {
        if let Some(cidr) = IpCidr::new(addr, prefix) {
            prop_assert_eq!(cidr.to_string().parse::<IpCidr>(), Ok(cidr));
        }
    }

    #[test]
    fn arbitrary_strings_never_panic_a_value_parser(text in any::<String>()) {
        let _ = parse_duration(&text);
        let quoted = toml::Value::String(text).to_string();
        let _ = value_of::<SocketAddr>(&quoted);
        let _ = value_of::<IpCidr>(&quoted);
        let _ = value_of::<CommandLine>(&quoted);
        let _ = value_of::<IfName>(&quoted);
    }

}
