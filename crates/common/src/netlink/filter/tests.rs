use super::*;
use proptest::prelude::*;

fn report(message: &Message, kind: Kind) -> Vec<u8> {
    let mut bytes = Vec::new();
    let payload = message.payload();
    bytes.extend(u32::try_from(16 + payload.len()).unwrap().to_ne_bytes());
    bytes.extend((SUBSYSTEM | kind as u16).to_ne_bytes());
    bytes.extend([0; 10]);
    bytes.extend(payload);
    bytes
}

#[test]
fn the_end_of_a_table_is_seen_among_others_and_of_this_one_only() {
    let gone = report(&named(Kind::DelTable, "ours"), Kind::DelTable);
    let made = report(&named(Kind::NewTable, "ours"), Kind::NewTable);
    let other = report(&named(Kind::DelTable, "ours-too"), Kind::DelTable);
    assert!(deletes(&gone, "ours"));
    assert!(deletes(&[made.clone(), other.clone(), gone.clone()].concat(), "ours"));
    assert!(!deletes(&[made, other].concat(), "ours"));
    // The same name in another family is another table.
    let mut ipv4 = gone;
    ipv4[16] = 2;
    assert!(!deletes(&ipv4, "ours"));
}

#[test]
fn the_elements_of_each_family_go_into_its_set() {
    let list: Vec<IpAddr> = ["192.0.2.1", "2001:db8::1", "192.0.2.2"].map(|a| a.parse().unwrap()).into();
    let mut messages = Vec::new();
    elements("ours", Kind::NewElement, &list, &mut messages);
    let told: Vec<(String, Vec<IpAddr>)> = messages
        .iter()
        .map(|message| {
            let reply = Reply { kind: 0, payload: message.payload() };
            let (_, attributes) = reply.split::<HEADER>().unwrap();
            let set = attributes.find(2).unwrap().text().unwrap().to_owned();
            let list = attributes.find(3).unwrap().nested();
            (set, list.map(|e| e.nested().find(1).unwrap().nested().find(1).unwrap().ip().unwrap()).collect())
        })
        .collect();
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let ipv4 = ("refused4".to_owned(), vec![ip("192.0.2.1"), ip("192.0.2.2")]);
    assert_eq!(told, [ipv4, ("refused6".to_owned(), vec![ip("2001:db8::1")])]);
}

#[test]
fn a_thousand_addresses_fit_one_message() {
    let list: Vec<IpAddr> = (0..CHUNK as u128).map(|n| std::net::Ipv6Addr::from(n).into()).collect();
    let mut messages = Vec::new();
    elements("ours", Kind::NewElement, &list, &mut messages);
    let mut bytes = Vec::new();
    assert!(messages[0].stamped(1, true, &mut bytes).is_some());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = deletes(&bytes, "ours");
    }
}
