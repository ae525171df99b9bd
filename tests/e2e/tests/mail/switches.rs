//! What mail is sent about, and what not.

use lab::{Holdfast, Result, wait};
use nix::sys::signal::Signal;

use super::post::Post;
use super::{LONG, Site, alerts, mail_status, router, wait_idle};

/// Nothing listens at one of the servers, and without it the quorum is lost.
fn service(port: u16, more: &str, of_server: &str) -> String {
    format!(
        "[[virtual_server]]\naddress = \"192.168.152.80:{port}\"\nquorum = 2\n\
         check = {{ type = \"tcp\", interval = \"1s\", retries = 0 }}\n{more}\n\
         [[virtual_server.real_server]]\naddress = \"127.0.0.1:{port}\"\n{of_server}\n\
         [[virtual_server.real_server]]\naddress = \"127.0.0.2:{port}\"\ncheck = []\n"
    )
}

const CHECKER: &str = "[checker]\nipvs = false\n";

#[test]
fn objects_say_for_themselves_and_their_kinds_for_the_rest() -> Result {
    let site = Site::new()?;
    let post = Post::open(&site.lan)?;
    let group = |name: &str, of: &str, more: &str| {
        format!("[[vrrp.sync_group]]\nname = \"{name}\"\ninstances = [\"{of}\"]\n{more}\n")
    };
    let kinds =
        "instances = false\nsync_groups = false\nvirtual_servers = false\nreal_servers = false\nburst = 100";
    let config = [
        alerts(kinds),
        router("quiet", 51, ""),
        router("loud", 52, "alert = true"),
        group("quiet_group", "quiet", ""),
        group("loud_group", "loud", "alert = true"),
        CHECKER.to_owned(),
        // A server does as its service does, unless it says otherwise.
        service(81, "", ""),
        service(82, "alert = true", ""),
        service(83, "alert = true", "alert = false"),
        service(84, "", "alert = true"),
    ]
    .concat();
    let a = Holdfast::start(&site.a, &config)?;
    let wanted = [
        "VRRP Instance loud - Entering MASTER state",
        "VRRP Group loud_group - Entering MASTER state",
        "Realserver [127.0.0.1]:tcp:82 of virtual server [192.168.152.80]:tcp:82 - DOWN",
        "Virtualserver [192.168.152.80]:tcp:82 - DOWN",
        "Virtualserver [192.168.152.80]:tcp:83 - DOWN",
        "Realserver [127.0.0.1]:tcp:84 of virtual server [192.168.152.80]:tcp:84 - DOWN",
    ];
    for subject in wanted {
        post.wait(subject)?;
    }
    a.wait_state("quiet", "master", LONG)?;
    wait_idle(&a)?;
    for subject in post.subjects()? {
        let about = ["loud", "tcp:82", "tcp:83", "tcp:84"].iter().any(|name| subject.contains(name));
        let not = subject.contains("Realserver [127.0.0.1]:tcp:83")
            || subject.contains("Virtualserver [192.168.152.80]:tcp:84");
        assert!(about && !not, "{subject}");
    }
    Ok(())
}

#[test]
fn whole_kinds_and_faults_can_be_left_out() -> Result {
    let site = Site::new()?;
    let post = Post::open(&site.lan)?;
    let config = [
        alerts("faults = false\nreal_servers = false\nburst = 100"),
        router("VI_1", 51, ""),
        CHECKER.to_owned(),
        service(81, "", ""),
    ]
    .concat();
    let a = Holdfast::start(&site.a, &config)?;
    post.wait("VRRP Instance VI_1 - Entering MASTER state")?;
    post.wait("Virtualserver [192.168.152.80]:tcp:81 - DOWN")?;
    site.a.ip("link set eth0 down")?;
    a.wait_state("VI_1", "fault", LONG)?;
    site.a.ip("link set eth0 up")?;
    wait::until("it to be master again and told of", LONG, || {
        let masters = post.subjects()?.iter().filter(|subject| subject.contains("Entering MASTER")).count();
        Ok(masters == 2)
    })?;
    wait_idle(&a)?;
    let subjects = post.subjects()?;
    assert!(
        !subjects.iter().any(|subject| subject.contains("FAULT") || subject.contains("Realserver")),
        "{subjects:?}"
    );
    // The same with faults.
    let config = config.replace("faults = false", "faults = true");
    assert_eq!(a.reload(&config)?.code, Some(0));
    site.a.ip("link set eth0 down")?;
    a.wait_state("VI_1", "fault", LONG)?;
    site.a.ip("link set eth0 up")?;
    post.wait("VRRP Instance VI_1 - Entering FAULT state")?;
    Ok(())
}

#[test]
fn a_process_that_dies_is_told_of_and_what_it_goes_on_with_is_not() -> Result {
    let site = Site::new()?;
    let post = Post::open(&site.lan)?;
    let a = Holdfast::start(&site.a, &format!("{}{}", alerts("burst = 100"), router("VI_1", 51, "")))?;
    post.wait("VRRP Instance VI_1 - Entering MASTER state")?;
    wait_idle(&a)?;
    let before = post.subjects()?.len();
    a.signal_child("vrrp", Signal::SIGKILL)?;
    post.wait("[lb-1] Process vrrp - died")?;
    a.wait_state("VI_1", "master", LONG)?;
    wait_idle(&a)?;
    assert_eq!(post.subjects()?.len(), before + 1, "{:?}", post.subjects());
    // Where that is not wanted, it is not told.
    let quiet = format!("{}{}", alerts("burst = 100\nprocesses = false"), router("VI_1", 51, ""));
    assert_eq!(a.reload(&quiet)?.code, Some(0));
    a.signal_child("vrrp", Signal::SIGKILL)?;
    wait::until("its restart", LONG, || Ok(a.log().count("child restarted") == 2))?;
    a.wait_state("VI_1", "master", LONG)?;
    wait_idle(&a)?;
    assert_eq!(post.subjects()?.len(), before + 1, "{:?}", post.subjects());
    Ok(())
}

#[test]
fn a_reload_of_the_section_touches_no_child() -> Result {
    let site = Site::new()?;
    let post = Post::open(&site.lan)?;
    let a = Holdfast::start(&site.a, &router("VI_1", 51, ""))?;
    a.wait_state("VI_1", "master", LONG)?;
    assert_eq!(mail_status(&a, "")?, serde_json::Value::Null);
    let done = a.reload(&format!("{}{}", alerts(""), router("VI_1", 51, "")))?;
    assert_eq!(done.code, Some(0));
    assert!(done.stdout.contains("alerts"), "{}", done.stdout);
    assert!(!done.stdout.contains("changed vrrp"), "{}", done.stdout);
    // What happens from now on is told.
    a.signal_child("vrrp", Signal::SIGKILL)?;
    post.wait("Process vrrp - died")?;
    // And of an instance alone.
    let done = a.reload(&format!("{}{}", alerts(""), router("VI_1", 51, "alert = false")))?;
    assert!(done.stdout.contains("alert"), "{}", done.stdout);
    assert_eq!(a.instance("VI_1", "/state")?, "master");
    Ok(())
}

#[test]
fn a_wish_for_mail_that_nobody_is_to_get_is_refused_at_the_start_and_by_a_reload() -> Result {
    let site = Site::new()?;
    let wish = router("VI_1", 51, "alert = true");
    let told = "`alert = true` has no effect: there is no section [alerts]";
    let mut refused = Holdfast::launch(&site.a, &wish, &[])?;
    assert_eq!(refused.process().wait_code(LONG)?, 2);
    assert!(refused.log().text().contains(told), "{}", refused.log().text());
    let a = Holdfast::start(&site.a, &format!("{}{wish}", alerts("")))?;
    a.wait_state("VI_1", "master", LONG)?;
    let done = a.reload(&wish)?;
    assert_eq!(done.code, Some(2), "{done:?}");
    // The line with `alert`, and the value in it.
    assert!(done.stderr.contains("holdfast.toml:8:9: ") && done.stderr.contains(told), "{}", done.stderr);
    assert!(mail_status(&a, "")?.is_object(), "what was in force goes on");
    // Without the wish there is nothing to refuse.
    assert_eq!(a.reload(&router("VI_1", 51, "alert = false"))?.code, Some(0));
    assert_eq!(mail_status(&a, "")?, serde_json::Value::Null);
    Ok(())
}
