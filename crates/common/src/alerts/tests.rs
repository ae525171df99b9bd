//! What `[alerts]` may say.

use super::*;
use crate::config::{Document, Sources};

fn planned(text: &str) -> (Option<Alerts>, Diagnostics) {
    let mut d = Diagnostics::new();
    let sources = Sources::from_text("t.toml", text);
    let document = Document::parse(&sources, &mut d);
    let mut root = document.root();
    let alerts = plan(&mut root, &mut d);
    root.finish(&mut d);
    (alerts, d)
}

fn with(keys: &str) -> Alerts {
    let (alerts, d) =
        planned(&format!("[alerts]\nto = \"a@example.org\"\nserver = \"mail.example.org\"\n{keys}\n"));
    assert!(!d.has_errors(), "{}", d.messages());
    alerts.unwrap()
}

fn fault(keys: &str) -> String {
    let (_, d) = planned(&format!("[alerts]\n{keys}\n"));
    assert!(d.has_errors(), "{keys}");
    d.messages()
}

#[test]
fn without_the_section_there_is_no_mail_and_the_smallest_one_is_encrypted() {
    assert_eq!(planned("").0, None);
    let alerts = with("");
    assert_eq!((alerts.host.as_str(), alerts.port), ("mail.example.org", 587));
    assert_eq!(alerts.encryption, Encryption::StartTls);
    assert_eq!(alerts.to, ["a@example.org"]);
    assert_eq!(alerts.timeout, seconds(30));
    assert_eq!(alerts.expire, seconds(86_400));
}

#[test]
fn servers_have_names_or_addresses_and_ports_of_their_kind() {
    let of = |server: &str, tls: &str| {
        let text = format!("[alerts]\nto = [\"a@example.org\"]\nserver = \"{server}\"\ntls = \"{tls}\"\n");
        let (alerts, d) = planned(&text);
        assert!(!d.has_errors(), "{}", d.messages());
        alerts.map(|alerts| (alerts.host, alerts.port)).unwrap()
    };
    assert_eq!(of("mail", "none"), ("mail".to_owned(), 25));
    assert_eq!(of("mail", "tls"), ("mail".to_owned(), 465));
    assert_eq!(of("192.0.2.1:2525", "none"), ("192.0.2.1".to_owned(), 2525));
    assert_eq!(of("2001:db8::1", "starttls"), ("2001:db8::1".to_owned(), 587));
    assert_eq!(of("[2001:db8::1]:2525", "none"), ("2001:db8::1".to_owned(), 2525));
    assert_eq!(of("[2001:db8::1]", "none"), ("2001:db8::1".to_owned(), 25));
    for server in ["", "mail server", "mail:0", "mail:99999", "[mail]:25", "mail/x", "-x", "a:b:25"] {
        assert!(
            fault(&format!("to = \"a@example.org\"\nserver = \"{server}\"")).contains("is not a mail server"),
            "{server}"
        );
    }
}

#[test]
fn recipients_are_plain_addresses_and_there_is_one_at_least() {
    let of = |to: &str| format!("server = \"mail\"\nto = {to}");
    assert!(fault("server = \"mail\"").contains("`to` is missing"));
    assert!(fault(&of("[]")).contains("nobody is to get the mail"));
    assert!(fault(&of("[\"a@b\", \"a@b\"]")).contains("stands here twice"));
    for to in ["ops", "Ops <a@b>", "a@b, c@d", "@b", "a@", "a@b@c d", "a\\r\\nBcc: x@y", "a..b@c", "ä@b"] {
        assert!(fault(&of(&format!("\"{to}\""))).contains("is not an e-mail address"), "{to}");
    }
    assert!(fault("server = \"mail\"\nto = \"a@b\"\nfrom = \"x\"").contains("is not an e-mail address"));
}

#[test]
fn a_login_is_a_name_and_a_file_and_better_encrypted() {
    let alerts = with("user = \"lb\"\npassword_file = \"/etc/holdfast/mail.secret\"");
    assert_eq!(alerts.login, Some(("lb".to_owned(), "/etc/holdfast/mail.secret".into())));
    let of = |keys: &str| format!("to = \"a@b\"\nserver = \"mail\"\n{keys}");
    assert!(fault(&of("user = \"lb\"")).contains("needs `password_file`"));
    assert!(fault(&of("password_file = \"/x\"")).contains("needs `user`"));
    assert!(fault(&of("user = \"lb\"\npassword_file = \"relative\"")).contains("absolute path"));
    assert!(fault(&of("tls = \"none\"\nca_file = \"/x\"")).contains("nothing is encrypted"));
    let clear = format!("[alerts]\n{}", of("tls = \"none\"\nuser = \"lb\"\npassword_file = \"/x\""));
    let (alerts, d) = planned(&clear);
    assert!(alerts.is_some() && !d.has_errors() && d.messages().contains("in the clear"), "{}", d.messages());
}

#[test]
fn a_reload_says_what_is_different() {
    let one = with("");
    assert_eq!(change(None, None), None);
    assert_eq!(change(Some(&one), Some(&one)), None);
    let server = "to a@example.org over mail.example.org:587".to_owned();
    assert_eq!(change(None, Some(&one)), Some(("added", server.clone())));
    assert_eq!(change(Some(&one), None), Some(("removed", server)));
    let other = with("timeout = 5\nfaults = false\nburst = 9");
    assert_eq!(change(Some(&one), Some(&other)), Some(("changed", "times, burst, kinds".to_owned())));
}

#[test]
fn every_other_key_has_its_place_in_the_plan() {
    let keys = "from = \"lb@example.org\"\nca_file = \"/ca.pem\"\nhelo = \"lb-1.example.org\"\ntimeout = 5\n\
                run_as = \"mailer\"\nspool = \"/var/lib/holdfast/mail\"\nretry_delay = \"1s\"\nexpire = \"2d\"\n\
                burst = 0\nburst_period = \"10s\"\ninstances = false\nsync_groups = false\nvirtual_servers = false\n\
                real_servers = false\nprocesses = false\nfaults = false\n";
    let kinds = Kinds {
        instances: false,
        sync_groups: false,
        virtual_servers: false,
        real_servers: false,
        processes: false,
        faults: false,
    };
    let planned = Alerts {
        to: vec!["a@example.org".to_owned()],
        from: Some("lb@example.org".to_owned()),
        host: "mail.example.org".to_owned(),
        port: 587,
        encryption: Encryption::StartTls,
        ca_file: Some("/ca.pem".into()),
        login: None,
        helo: Some("lb-1.example.org".to_owned()),
        timeout: seconds(5),
        run_as: Some("mailer".parse().unwrap()),
        spool: Some("/var/lib/holdfast/mail".into()),
        retry_delay: seconds(1),
        expire: seconds(2 * DAY),
        burst: 0,
        burst_period: seconds(10),
        kinds,
    };
    assert_eq!(with(keys), planned);
    for key in ["timeout", "retry_delay", "expire", "burst_period"] {
        fault(&format!("to = \"a@b\"\nserver = \"mail\"\n{key} = 0"));
    }
    fault("to = \"a@b\"\nserver = \"mail\"\nhelo = \"not a host\"");
}

#[test]
fn a_wish_for_mail_that_nobody_is_to_get_is_a_fault_for_who_knows_the_whole_text() {
    let wished = |text: &str, absent: Option<&'static str>| {
        let mut d = Diagnostics::new();
        d.note_absent(absent.into_iter());
        let sources = Sources::from_text("t.toml", text);
        let document = Document::parse(&sources, &mut d);
        let wish = wish(&mut document.root(), &mut d);
        (wish, d.messages())
    };
    assert_eq!(wished("", Some(SECTION)), (None, String::new()));
    assert_eq!(wished("alert = false", Some(SECTION)), (Some(false), String::new()));
    let (wish, told) = wished("alert = true", Some(SECTION));
    assert_eq!(wish, Some(true));
    assert!(told.contains("no effect"), "{told}");
    // A child sees a share of the text, which never has the section.
    assert_eq!(wished("alert = true", None), (Some(true), String::new()));
}
