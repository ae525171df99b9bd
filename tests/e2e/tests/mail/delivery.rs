//! How a mail gets to the server: what it says, as whom it is sent, encrypted and with a login.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use lab::{Holdfast, Keepalived, Lan, Result, SECONDS_10, keepalived::Instance, wait};

use super::post::{Encryption, Post, SERVER};
use super::{LONG, Site, alerts, mail_status, router, spooled, wait_idle};

#[test]
fn a_change_of_state_is_a_mail_and_nothing_is_left_of_it() -> Result {
    let site = Site::new()?;
    let post = Post::open(&site.lan)?;
    let a = Holdfast::start(&site.a, &format!("{}{}", alerts(""), router("VI_1", 51, "")))?;
    let mail = post.wait("VRRP Instance VI_1 - Entering MASTER state")?;
    assert_eq!(mail.subject, "[lb-1] VRRP Instance VI_1 - Entering MASTER state");
    assert_eq!(mail.from, "holdfast@lb-1.example.org");
    assert_eq!(mail.to, ["ops@example.org", "boss@example.org"]);
    assert_eq!(mail.helo, "lb-1.example.org");
    assert!(!mail.encrypted);
    for line in [
        "\nAuto-Submitted: auto-generated\n",
        "\nBefore:   BACKUP\n",
        "\nReason:   no advert heard\n",
        "\nHost:     lb-1\n",
    ] {
        assert!(mail.text.contains(line), "{line:?} is not in\n{}", mail.text);
    }
    wait_idle(&a)?;
    assert_eq!(spooled(&a), 0);
    assert!(mail_status(&a, "/sent")?.as_u64() >= Some(1));
    assert!(mail_status(&a, "/last_sent")?.is_string());
    assert_eq!(mail_status(&a, "/last_error")?, serde_json::Value::Null);
    assert!(a.command(&["status", "watchdog"])?.stdout.contains("mail"), "people see it too");
    Ok(())
}

/// Who has filters for keepalived's mails keeps them.
#[test]
fn the_subjects_are_those_of_keepalived() -> Result {
    let site = Site::new()?;
    let post = Post::open(&site.lan)?;
    let ka = site.lan.host("k", &["192.168.152.12/24"])?;
    let config = format!(
        "global_defs {{\n router_id lb-1\n notification_email {{\n ops@example.org\n }}\n\
         notification_email_from k@example.org\n smtp_server {SERVER} 25\n smtp_alert on\n script_user root\n}}\n{}\
         vrrp_sync_group G1 {{\n group {{\n VI_1\n }}\n smtp_alert\n}}\n",
        Instance::v2(77, 200, "192.168.152.77").block()
    );
    let theirs = Keepalived::start(&ka, &config)?;
    post.wait("VRRP Group G1 - Entering MASTER state")?;
    post.wait("VRRP Instance VI_1 - Entering MASTER state")?;
    theirs.stop()?;
    let subjects = post.subjects()?;
    let states = |subjects: &[String]| {
        let mut wanted: Vec<String> =
            subjects.iter().filter(|subject| subject.contains("MASTER")).cloned().collect();
        wanted.sort();
        wanted
    };
    drop(post);
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.168.152.11/24"])?;
    let post = Post::open(&lan)?;
    let group = "[[vrrp.sync_group]]\nname = \"G1\"\ninstances = [\"VI_1\"]\n";
    let _ours = Holdfast::start(&host, &format!("{}{}{group}", alerts(""), router("VI_1", 77, "")))?;
    post.wait("VRRP Group G1 - Entering MASTER state")?;
    post.wait("VRRP Instance VI_1 - Entering MASTER state")?;
    assert_eq!(states(&post.subjects()?), states(&subjects));
    Ok(())
}

#[test]
fn a_server_with_starttls_and_a_login_is_believed_only_with_the_right_authority() -> Result {
    let site = Site::new()?;
    let mut post = Post::new(&site.lan)?;
    let authority = post.certify()?;
    post.listen(Encryption::StartTls, &["lb", "secret"])?;
    let secret = post.path("secret");
    fs::write(&secret, "secret\n")?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
    let config = |ca: &str, password: &str| {
        let keys = format!("user = \"lb\"\npassword_file = \"{password}\"\nretry_delay = \"1s\"\n{ca}");
        alerts(&keys).replace("tls = \"none\"", "tls = \"starttls\"") + &router("VI_1", 51, "")
    };
    let secret = secret.display().to_string();
    // The authorities of the system know nothing of ours.
    let a = Holdfast::start(&site.a, &config("", &secret))?;
    let told = a.log().wait("mail is not delivered", LONG)?;
    assert!(told.contains("certificate") || told.contains("Issuer"), "{told}");
    assert_eq!(post.mails()?.len(), 0);
    let ca = format!("ca_file = \"{}\"", authority.display());
    // A password that the server does not like.
    let wrong = post.path("wrong");
    fs::write(&wrong, "guess\n")?;
    assert_eq!(a.reload(&config(&ca, &wrong.display().to_string()))?.code, Some(0));
    wait::until("the login to fail", LONG, || {
        Ok(mail_status(&a, "/last_error/text")?
            .as_str()
            .is_some_and(|text| text.contains("logging in as lb")))
    })?;
    assert_eq!(post.mails()?.len(), 0);
    assert_eq!(a.reload(&config(&ca, &secret))?.code, Some(0));
    let mail = post.wait("Entering MASTER state")?;
    assert!(mail.encrypted);
    assert_eq!(mail.user.as_deref(), Some("lb"));
    wait_idle(&a)?;
    assert!(!a.log().text().contains("secret\""), "a password is never told");
    Ok(())
}

#[test]
fn a_server_that_is_encrypted_from_the_first_byte_on() -> Result {
    let site = Site::new()?;
    let mut post = Post::new(&site.lan)?;
    let authority = post.certify()?;
    post.listen(Encryption::Tls, &[])?;
    let keys = format!("ca_file = \"{}\"", authority.display());
    let config = alerts(&keys).replace("tls = \"none\"", "tls = \"tls\"") + &router("VI_1", 51, "");
    let _a = Holdfast::start(&site.a, &config)?;
    assert!(post.wait("Entering MASTER state")?.encrypted);
    Ok(())
}

#[test]
fn who_talks_to_the_server_is_an_ordinary_user() -> Result {
    let site = Site::new()?;
    let post = Post::open(&site.lan)?;
    post.behave("hang")?;
    for (run_as, uid) in [("", None), ("run_as = \"daemon\"", Some(1))] {
        let config = format!("{}{}", alerts(&format!("timeout = 600\n{run_as}")), router("VI_1", 51, ""));
        let a = Holdfast::start(&site.a, &config)?;
        let of = |pid: i32, field: &str| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line =
                status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default().to_owned();
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        wait::until("an ordinary user's process", LONG, || {
            let Some(pid) = a.running_child("mail") else { return Ok(false) };
            let uids = of(pid, "Uid:");
            let ordinary = uids.iter().all(|uid| uid != "0") && !uids.is_empty();
            Ok(ordinary && uid.is_none_or(|uid: u32| uids.iter().all(|have| *have == uid.to_string())))
        })?;
        let pid = a.running_child("mail").expect("it hangs for long");
        for field in ["CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(of(pid, field), ["0000000000000000"], "{field}");
        }
        assert_eq!(of(pid, "NoNewPrivs:"), ["1"]);
        // It does not outlive the watchdog.
        let _folder = a.kill()?;
        wait::until("its end", SECONDS_10, || Ok(!std::path::Path::new(&format!("/proc/{pid}")).exists()))?;
    }
    Ok(())
}

#[test]
fn it_is_sent_from_the_namespace_that_the_processes_are_in() -> Result {
    let site = Site::new()?;
    let post = Post::open(&site.lan)?;
    let elsewhere = lab::Netns::new("elsewhere")?;
    let config = alerts("").replace(
        "router_id = \"lb-1\"\n",
        &format!("router_id = \"lb-1\"\nnetwork_namespace = \"{}\"\n", site.a.name()),
    ) + &router("VI_1", 51, "");
    let _a = Holdfast::start(&elsewhere, &config)?;
    post.wait("Entering MASTER state")?;
    Ok(())
}
