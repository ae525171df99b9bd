use super::*;

fn read(text: &str) -> (bool, String, u16, String, Option<String>) {
    let url = Url::read(text).unwrap();
    let name = url.name();
    (url.tls, url.host, url.port, url.path, name)
}

#[test]
fn urls_are_read_as_browsers_do() {
    let www = || ("www.example.org".to_owned(), Some("www.example.org".to_owned()));
    assert_eq!(read("http://www.example.org"), (false, www().0, 80, "/".into(), www().1));
    assert_eq!(read("HTTPS://www.example.org?q=1#top"), (true, www().0, 443, "/?q=1".into(), www().1));
    let with_port = Some("www.example.org:8443".to_owned());
    assert_eq!(read("https://www.example.org:8443/a/b"), (true, www().0, 8443, "/a/b".into(), with_port));
    assert_eq!(read("http://192.0.2.1/x"), (false, "192.0.2.1".into(), 80, "/x".into(), None));
    assert_eq!(read("http://[2001:db8::1]:81/"), (false, "2001:db8::1".into(), 81, "/".into(), None));
}

#[test]
fn what_is_no_url_is_refused_with_the_reason() {
    for (text, why) in [
        ("www.example.org", "http://"),
        ("ftp://www.example.org", "http://"),
        ("http:///path", "no host"),
        ("http://a:b@c/", "log in"),
        ("http://a:99999/", "port"),
        ("http://[::1]x/", "port"),
        ("http://a/ b", "percent"),
    ] {
        let refusal = Url::read(text).unwrap_err();
        assert!(refusal.contains(why), "{text}: {refusal}");
    }
}

#[test]
fn the_server_may_be_another_than_the_host() {
    let url = Url::read("http://www.example.invalid:81/").unwrap();
    let target = |server: &str| target(&url, Some(server)).unwrap().to_string();
    assert_eq!(target("192.0.2.1"), "192.0.2.1:81");
    assert_eq!(target("192.0.2.1:82"), "192.0.2.1:82");
    assert_eq!(target("2001:db8::1"), "[2001:db8::1]:81");
    assert_eq!(target("[2001:db8::1]"), "[2001:db8::1]:81");
    assert_eq!(target("[2001:db8::1]:82"), "[2001:db8::1]:82");
}

#[test]
fn the_line_for_the_configuration_is_one_that_the_checker_takes() {
    let zeroes = "0".repeat(64);
    for (text, host, old, status, length, expected) in [
        ("http://192.0.2.1/", None, false, 200, 5, "type = \"http\"".to_owned()),
        (
            "https://www.example.org/a\"b",
            None,
            true,
            404,
            2 * MAX_BODY,
            "type = \"https\", path = \"/a\\\"b\", host = \"www.example.org\", version = \"1.0\", status = 404, max_body = 2097152".to_owned(),
        ),
        ("http://192.0.2.1/", Some("shop"), false, 204, 5, "type = \"http\", host = \"shop\"".to_owned()),
    ] {
        let md5 = checker::checks::http::Digest::Md5([0; 16]);
        let sha256 = checker::checks::http::Digest::Sha256([0; 32]);
        let text = told(&Url::read(text).unwrap(), host, old, &Answer { status, length, md5, sha256 });
        let line = text.lines().last().unwrap();
        assert_eq!(line, format!("check = {{ {expected}, digest = \"sha256:{zeroes}\" }}"));
        let config = format!("[[virtual_server]]\naddress = \"192.0.2.9:80\"\nreal_servers = [\"10.0.0.1\"]\n{line}\n");
        let sources = common::config::Sources::from_text("t.toml", config);
        let mut d = common::config::Diagnostics::new();
        common::role::check(crate::roles::ROLES, &sources, &mut d);
        assert_eq!(d.render(&sources), "");
    }
}
