//! When mail cannot be delivered: nothing is lost, nobody waits, and it is told once.

use std::collections::BTreeSet;

use lab::{Holdfast, Result, SECONDS_10, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::post::{Encryption, Post};
use super::{LONG, Site, alerts, mail_status, router, spooled, wait_idle};

#[test]
fn a_mail_that_is_put_off_is_sent_later() -> Result {
    let site = Site::new()?;
    let post = Post::open(&site.lan)?;
    post.behave("put-off")?;
    let a =
        Holdfast::start(&site.a, &format!("{}{}", alerts("retry_delay = \"1s\""), router("VI_1", 51, "")))?;
    let told = a.log().wait("mail is not delivered", LONG)?;
    assert!(told.contains("451") && told.contains("come back later"), "{told}");
    assert!(spooled(&a) > 0);
    post.behave("accept")?;
    post.wait("Entering MASTER state")?;
    wait_idle(&a)?;
    assert_eq!(spooled(&a), 0);
    Ok(())
}

#[test]
fn one_recipient_who_is_unknown_keeps_it_from_nobody_else() -> Result {
    let site = Site::new()?;
    let post = Post::open(&site.lan)?;
    post.behave("refuse boss@example.org")?;
    let a =
        Holdfast::start(&site.a, &format!("{}{}", alerts("retry_delay = \"1s\""), router("VI_1", 51, "")))?;
    assert_eq!(post.wait("Entering MASTER state")?.to, ["ops@example.org"]);
    assert!(a.log().wait("mail is not delivered", LONG)?.contains("boss@example.org"));
    post.behave("accept")?;
    wait_idle(&a)?;
    // To whom it was not delivered before, and to nobody else once more.
    let mails = post.mails()?;
    let masters: Vec<_> = mails.iter().filter(|mail| mail.subject.contains("Entering MASTER")).collect();
    assert_eq!(masters.len(), 2, "{masters:?}");
    assert_eq!(masters[1].to, ["boss@example.org"]);
    Ok(())
}

#[test]
fn while_the_server_is_down_everything_waits_also_over_a_crash_of_everything() -> Result {
    let site = Site::new()?;
    let mut post = Post::new(&site.lan)?;
    let config = format!(
        "{}{}{}",
        alerts("retry_delay = \"1s\"\nburst = 100"),
        router("VI_1", 51, ""),
        router("VI_2", 52, "")
    );
    let a = Holdfast::start(&site.a, &config)?;
    for name in ["VI_1", "VI_2"] {
        a.wait_state(name, "master", SECONDS_10)?;
    }
    a.log().wait("mail is not delivered", LONG)?;
    wait::until("several tries", LONG, || Ok(a.log().count("courier: Failed") >= 3))?;
    assert_eq!(a.log().count("mail is not delivered"), 1, "it is told once");
    wait::until("mails of both", SECONDS_10, || Ok(mail_status(&a, "/waiting")?.as_u64() >= Some(2)))?;
    let waiting = mail_status(&a, "/waiting")?;
    assert!(mail_status(&a, "/last_error/text")?.as_str().is_some_and(|text| text.contains("onnect")));
    let folder = a.kill()?;
    let a = Holdfast::restart(&site.a, folder)?;
    a.log().wait(&format!("mails of an earlier run are waiting waiting={waiting}"), LONG)?;
    // And over an orderly end, which does not wait for mail either.
    a.log().wait("started generation=1", LONG)?;
    let folder = {
        let mut a = a;
        a.process().signal(Signal::SIGTERM)?;
        assert_eq!(a.process().wait_code(SECONDS_10)?, 0);
        assert!(a.log().text().contains("mails are not delivered yet: they are kept for the next start"));
        a.kill()?
    };
    post.listen(Encryption::None, &[])?;
    let a = Holdfast::restart(&site.a, folder)?;
    for name in ["VI_1", "VI_2"] {
        post.wait(&format!("VRRP Instance {name} - Entering MASTER state"))?;
    }
    a.log().wait("mail sent", LONG)?;
    wait_idle(&a)?;
    assert_eq!(spooled(&a), 0);
    Ok(())
}

#[test]
fn a_hanging_server_delays_no_advert_no_reload_and_no_stop() -> Result {
    let site = Site::new()?;
    let post = Post::open(&site.lan)?;
    post.behave("hang")?;
    // Its master down interval is 50 ms: a loop that stalls for longer has a rival.
    let fast = |priority: u8, more: &str| {
        format!(
            "[[vrrp.instance]]\nname = \"VI_1\"\ninterface = \"eth0\"\nvirtual_router_id = 51\n\
             priority = {priority}\nadvert_interval = \"100ms\"\nvirtual_addresses = [\"192.168.152.51\"]\n{more}\n"
        )
    };
    let keys = "timeout = 600\nretry_delay = \"1s\"";
    let a = Holdfast::start(&site.a, &format!("{}{}", alerts(keys), fast(200, "")))?;
    a.wait_state("VI_1", "master", SECONDS_10)?;
    let b = site.lan.host("b", &["192.168.152.12/24"])?;
    let b = Holdfast::start(&b, &fast(100, ""))?;
    b.wait_state("VI_1", "backup", SECONDS_10)?;
    wait::until("somebody to wait for the server", LONG, || Ok(a.running_child("mail").is_some()))?;
    let before = b.instance("VI_1", "/transitions")?;
    let sent = |of: &Holdfast| {
        of.instance("VI_1", "/advertisements/sent").map(|sent| sent.as_u64().unwrap_or_default())
    };
    let first = sent(&a)?;
    // Reloads, with the courier hanging all the while.
    for priority in [201, 202, 203] {
        assert_eq!(a.reload(&format!("{}{}", alerts(keys), fast(priority, "")))?.code, Some(0));
    }
    wait::until("adverts to go on", LONG, || Ok(sent(&a)? > first + 20))?;
    assert!(a.running_child("mail").is_some(), "it still hangs");
    assert_eq!(b.instance("VI_1", "/transitions")?, before, "nobody missed an advert");
    assert_eq!(a.stop()?, 0);
    b.wait_state("VI_1", "master", SECONDS_10)
}

#[test]
fn a_server_that_says_nothing_whole_is_cut_off() -> Result {
    let site = Site::new()?;
    let post = Post::open(&site.lan)?;
    post.behave("drip")?;
    let keys = "timeout = \"1s\"\nretry_delay = \"1s\"";
    let a = Holdfast::start(&site.a, &format!("{}{}", alerts(keys), router("VI_1", 51, "")))?;
    a.log().wait("killing the process that delivers mail", LONG)?;
    post.behave("accept")?;
    post.wait("Entering MASTER state")?;
    wait_idle(&a)
}

#[test]
fn a_courier_that_is_killed_loses_nothing() -> Result {
    let site = Site::new()?;
    let post = Post::open(&site.lan)?;
    post.behave("hang")?;
    let keys = "timeout = 600\nretry_delay = \"1s\"";
    let a = Holdfast::start(&site.a, &format!("{}{}", alerts(keys), router("VI_1", 51, "")))?;
    for _ in 0..3 {
        let pid = wait::value("a courier", LONG, || Ok(a.running_child("mail")))?;
        kill(Pid::from_raw(pid), Signal::SIGKILL)?;
        wait::until("its end", LONG, || Ok(a.running_child("mail") != Some(pid)))?;
    }
    post.behave("accept")?;
    // One that hangs still has been started before.
    if let Some(pid) = a.running_child("mail") {
        let _ended = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    post.wait("Entering MASTER state")?;
    wait_idle(&a)?;
    assert!(a.log().text().contains("the process that delivers mail: signal 9"));
    Ok(())
}

#[test]
fn mails_that_nobody_takes_are_given_up_aloud() -> Result {
    let site = Site::new()?;
    let config = format!("{}{}", alerts("retry_delay = \"1s\"\nexpire = \"10s\""), router("VI_1", 51, ""));
    let a = Holdfast::start(&site.a, &config)?;
    let told = a.log().wait("mail given up: not delivered within 10s", LONG)?;
    assert!(told.contains("subject=\"[lb-1] VRRP Instance VI_1"), "{told}");
    wait_idle(&a)?;
    assert!(mail_status(&a, "/given_up")?.as_u64() > Some(0));
    assert_eq!(spooled(&a), 0);
    Ok(())
}

#[test]
fn without_room_for_files_mail_is_sent_all_the_same() -> Result {
    let site = Site::new()?;
    let post = Post::open(&site.lan)?;
    let config = format!("{}{}", alerts("spool = \"/dev/null/mail\""), router("VI_1", 51, ""));
    let a = Holdfast::start(&site.a, &config)?;
    post.wait("Entering MASTER state")?;
    a.log().wait("cannot keep a mail", LONG)?;
    // Another place, by a reload, is used from then on.
    let spool = post.path("spool");
    let keys = format!("spool = \"{}\"\nretry_delay = \"1s\"", spool.display());
    post.behave("put-off")?;
    let config = format!("{}{}{}", alerts(&keys), router("VI_1", 51, ""), router("VI_2", 52, ""));
    assert_eq!(a.reload(&config)?.code, Some(0));
    wait::until("a mail in its place", LONG, || {
        Ok(std::fs::read_dir(&spool).is_ok_and(|found| found.count() > 0))
    })
}

#[test]
fn a_storm_is_a_few_mails_and_one_for_the_rest() -> Result {
    let site = Site::new()?;
    let post = Post::open(&site.lan)?;
    // Nothing listens there: all of them fail at once.
    let servers: Vec<String> = (1..=40).map(|number| format!("\"127.0.0.1:{}\"", 10_000 + number)).collect();
    let config = format!(
        "{}[checker]\nipvs = false\n[[virtual_server]]\naddress = \"192.168.152.80:80\"\n\
         check = {{ type = \"tcp\", interval = \"1s\", retries = 0 }}\nreal_servers = [{}]\n",
        alerts("burst = 2\nburst_period = \"3s\"\nto_be_replaced"),
        servers.join(", ")
    )
    .replace("to_be_replaced", "");
    let a = Holdfast::start(&site.a, &config)?;
    let told = |post: &Post| -> Result<BTreeSet<String>> {
        let text: String = post.mails()?.into_iter().map(|mail| mail.subject + "\n" + &mail.text).collect();
        let text = text.replace("=\n", "");
        let down = (1..=40).map(|number| format!("Realserver [127.0.0.1]:tcp:{}", 10_000 + number));
        Ok(down.filter(|server| text.contains(server)).collect())
    };
    wait::until("every server to be told of", LONG, || Ok(told(&post)?.len() == 40))
        .map_err(|error| lab::Error::new(format!("{error}: {:?}", post.subjects())))?;
    wait_idle(&a)?;
    let subjects = post.subjects()?;
    assert!(subjects.len() < 20, "{subjects:?}");
    assert!(subjects.iter().any(|subject| subject.contains(" events: ")), "{subjects:?}");
    assert_eq!(subjects.iter().filter(|subject| subject.contains(" - DOWN")).count(), 2, "{subjects:?}");
    Ok(())
}
