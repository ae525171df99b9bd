//! Terms of orders, and how they are kept.

use super::*;
use proptest::prelude::*;

fn read(params: &Value) -> Result<Terms, String> {
    Terms::read(params, Some(0), SystemTime::UNIX_EPOCH + Duration::from_secs(1000))
}

#[test]
fn terms_are_read_with_their_bounds() {
    let terms = read(&json!({ "for_s": 1.5, "reason": " new\nkernel " })).unwrap();
    assert_eq!(terms.lasting, Some(Duration::from_millis(1500)));
    assert_eq!(
        (terms.origin.reason.as_str(), terms.origin.at, terms.origin.uid),
        ("new kernel", 1000, Some(0))
    );
    assert_eq!(read(&json!({})).unwrap().lasting, None);
    for wrong in [json!(0), json!(-1), json!("1m"), json!(1e12), json!(f64::MAX)] {
        let error = read(&json!({ "for_s": wrong })).unwrap_err();
        assert!(error.contains("for that long"), "{error}");
    }
    read(&json!({ "reason": "x".repeat(MAX_REASON) })).unwrap();
    assert!(read(&json!({ "reason": "x".repeat(MAX_REASON + 1) })).unwrap_err().contains("201 bytes"));
}

#[test]
fn what_a_client_claims_is_no_more_than_a_name_beside_who_it_is() {
    let claimed = |name: Value| read(&json!({ "sudo_user": name })).unwrap().origin;
    assert_eq!(claimed(json!("alice")).sudo_user.as_deref(), Some("alice"));
    assert_eq!(claimed(json!("alice")).uid, Some(0), "that is verified");
    assert_eq!(claimed(json!("DOMAIN\\a.b-c_d@e+f$")).sudo_user.as_deref(), Some("DOMAIN\\a.b-c_d@e+f$"));
    assert_eq!(claimed(json!("root")).sudo_user, None, "that is who it is anyway");
    for wrong in [
        json!(null),
        json!(7),
        json!(""),
        json!("a b"),
        json!("a\nb"),
        json!("a\" uid=0"),
        json!("x".repeat(65)),
    ] {
        assert_eq!(claimed(wrong.clone()).sudo_user, None, "{wrong}");
    }
}

#[test]
fn an_origin_of_an_earlier_version_is_read() {
    let origin =
        Origin { uid: Some(7), user: Some("op".into()), sudo_user: None, at: 9, reason: "why".into() };
    let mut bytes = Vec::new();
    origin.encode(&mut bytes);
    let earlier = [&[3, 7, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 2, 0][..], b"op", &[3, 0], b"why"].concat();
    assert_eq!(bytes, earlier);
    assert_eq!(Origin::decode(&mut earlier.as_slice()), Some(origin));
}

#[test]
fn a_user_has_the_name_that_the_file_of_users_gives() {
    let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nalice:x:1000:1000::/home/alice:/bin/sh\n";
    assert_eq!(named(users, 1000).as_deref(), Some("alice"));
    assert_eq!(named(users, 1001), None);
}

#[test]
fn an_origin_is_one_piece_of_a_log_line() {
    let origin = Origin {
        uid: Some(1000),
        user: Some("alice".into()),
        sudo_user: None,
        at: 0,
        reason: "a \"b\"".into(),
    };
    assert_eq!(origin.to_string(), r#"by=alice uid=1000 reason="a \"b\"""#);
    let origin = Origin { sudo_user: Some("bob".into()), ..origin };
    assert_eq!(origin.to_string(), r#"by=alice uid=1000 claims_sudo_by=bob reason="a \"b\"""#);
    assert_eq!(Origin::default().to_string(), "by=unknown uid=unknown");
}

#[test]
fn an_order_that_serve_passes_on_is_its_clients() {
    for client in ["192.0.2.7", "2001:db8::7", "this machine"] {
        let origin = read(&json!({ "serve_client": client, "reason": "x" })).unwrap().origin;
        assert_eq!(origin.uid, Some(0), "the socket's peer is known whatever is said");
        assert_eq!(origin.to_string(), format!("by=\"serve (token) from {client}\" uid=0 reason=\"x\""));
    }
    // Nobody gets himself another name by this.
    for client in [json!("root"), json!(""), json!("192.0.2.7 uid=0"), json!(7), json!(["192.0.2.7"])] {
        assert_eq!(read(&json!({ "serve_client": client })).unwrap_err(), "serve_client is no address");
    }
    assert_ne!(read(&json!({ "serve_client": null })).unwrap().origin.user.as_deref(), Some("serve"));
}

#[test]
fn the_nearest_names_are_offered_and_all_where_they_are_few() {
    let many = (1..=30).map(|number| format!("10.0.0.{number}:80"));
    let offered = nearest("10.0.0.22:81", many);
    assert!(offered.starts_with("the nearest are 10.0.0.22:80"), "{offered}");
    assert_eq!(offered.matches(":80").count(), OFFERED);
    assert_eq!(nearest("x", ["b".to_owned(), "a".to_owned(), "b".to_owned()]), "there is a, b");
    assert_eq!(nearest("x", []), "there is none");
}

proptest! {
    #[test]
    fn an_origin_is_read_back_as_it_was_saved(
        uid in any::<Option<u32>>(), user in any::<Option<String>>(), sudo_user in any::<Option<String>>(),
        at in any::<u64>(), reason in any::<String>(),
    ) {
        let origin = Origin { uid, user, sudo_user, at, reason };
        let mut bytes = Vec::new();
        origin.encode(&mut bytes);
        bytes.push(7);
        let mut rest = bytes.as_slice();
        prop_assert_eq!(Origin::decode(&mut rest), Some(origin));
        prop_assert_eq!(rest, [7]);
        prop_assert_eq!(Origin::decode(&mut &bytes[..bytes.len() - 2]), None);
    }

    #[test]
    fn anything_else_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _any = Origin::decode(&mut bytes.as_slice());
    }
}
