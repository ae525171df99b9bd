//! The demo: the site of two directors and two web servers, told while it happens. Every line that states something
//! was observed by a witness the moment before; what does not come true ends the demo with exit code 1.

use std::process::ExitCode;
use std::time::Duration;

use e2e::site::{Forward, NAME, SERVICE, Site, VIP};
use lab::{Holdfast, Netns, Nginx, Result, SECONDS_10, Stopwatch, Traffic, arping, wait};
use nix::sys::signal::Signal;

fn main() -> ExitCode {
    let story = Story { start: Stopwatch::start() };
    match tell(&story) {
        Ok(()) => {
            println!("\nDone in {:.0} s: everything above was observed.", story.start.seconds());
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("\nThe demo failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what happens with the time since the start.
struct Story {
    start: Stopwatch,
}

impl Story {
    fn chapter(&self, title: &str) {
        println!("\n== {title}");
    }

    fn say(&self, line: &str) {
        println!("{:5.1} s  {line}", self.start.seconds());
    }

    fn show(&self, text: &str) {
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            println!("       | {line}");
        }
    }
}

fn tell(story: &Story) -> Result {
    lab::require_privileges()?;
    story.chapter("A site: two directors share an address, two nginx stand behind it, one client asks");
    story.show(PICTURE);
    let site = Site::new(Forward::Dr)?;
    let web1 = site.start_web(0)?;
    let web2 = site.start_web(1)?;
    story.say("web1 and web2 answer, and hold the shared address without a word about it (direct routing)");

    let a = site.start_director(&site.a, 100)?;
    story.say("holdfastd started on director a, priority 100");
    let b = site.start_director(&site.b, 90)?;
    story.say("holdfastd started on director b, priority 90");
    a.wait_state(NAME, "master", SECONDS_10)?;
    b.wait_state(NAME, "backup", SECONDS_10)?;
    holder(&site, &site.a, &site.b)?;
    story.say(&format!(
        "director a is master: {VIP} is on its eth0, and it answers the client's ARP; b is backup"
    ));
    wait::until("both web servers in service", SECONDS_10, || {
        Ok(table(&site.a)?.matches("Route").count() == 2)
    })?;
    let [one, two] = site.ask_often(40)?;
    story.say(&format!("40 requests: web1 answered {one}, web2 {two} (weights 3:1)"));
    story.show(&table(&site.a)?);
    ensure((one, two) == (30, 10), "weights 3:1 make 30 and 10 answers")?;

    let traffic =
        Traffic::start(&site.client, SERVICE, Duration::from_millis(50), Duration::from_millis(300))?;
    let web2 = web_server_dies(story, &site, &traffic, web2)?;
    child_dies(story, &site, &traffic, &a)?;
    let a = master_dies(story, &site, &traffic, a, &b)?;
    clean_stop(story, &site, &traffic, a, &b)?;
    drop(traffic);
    ensure(b.stop()? == 0, "director b stops in order")?;
    ensure(!site.b.has_address(VIP)?, "the address goes with the last director")?;
    ensure(!table(&site.b)?.contains("Route"), "the services go with the last director")?;
    story.say("director b stopped in order too: no address and no IPVS entry is left");
    drop((web1, web2));
    Ok(())
}

const PICTURE: &str = "
   client .10          192.168.152.0/24, VRRP version 2, password, VRID 51
      |                shared address 192.168.152.200, port 80
  ----+----+--------------+--------------+--------------+----
       director a     director b       web1           web2
          .11            .12       .21 weight 3   .22 weight 1
";

fn web_server_dies(story: &Story, site: &Site, traffic: &Traffic, web2: Nginx) -> Result<Nginx> {
    story.chapter("A web server dies");
    let server = format!("{}:80", site.web_address(1));
    web2.kill()?;
    let killed = Stopwatch::start();
    story.say("killed nginx on web2 (SIGKILL)");
    wait::until("web2 out of service", SECONDS_10, || Ok(!table(&site.a)?.contains(&server)))?;
    story.say(&format!("the checker took web2 out of service after {:.1} s", killed.seconds()));
    let mark = traffic.mark();
    wait::until("answers", SECONDS_10, || Ok(traffic.answered_by(mark, "web1") >= 20))?;
    ensure(traffic.failed(mark) == 0, "no request fails while web2 is out of service")?;
    story.say(&format!("{} requests since, all answered by web1", traffic.answered_by(mark, "web1")));
    let web2 = site.start_web(1)?;
    let started = Stopwatch::start();
    story.say("started nginx on web2 again");
    wait::until("web2 back in service", SECONDS_10, || Ok(table(&site.a)?.contains(&server)))?;
    let mark = traffic.mark();
    wait::until("an answer of web2", SECONDS_10, || Ok(traffic.answered_by(mark, "web2") > 0))?;
    story.say(&format!("web2 is back in service and answers after {:.1} s", started.seconds()));
    Ok(web2)
}

fn child_dies(story: &Story, site: &Site, traffic: &Traffic, a: &Holdfast) -> Result {
    story.chapter("The VRRP process of the master dies");
    let (before, mark) = (a.child("vrrp")?, traffic.mark());
    a.signal_child("vrrp", Signal::SIGKILL)?;
    story.say(&format!("killed process {before}, holdfastd: vrrp, on director a (SIGKILL)"));
    let line = a.log().wait("child restarted", SECONDS_10)?;
    story.show(line.trim());
    a.wait_state(NAME, "master", SECONDS_10)?;
    let after = a.child("vrrp")?;
    ensure(after != before, "another process runs")?;
    wait::until("answers", SECONDS_10, || Ok(traffic.mark() >= mark + 20))?;
    holder(site, &site.a, &site.b)?;
    ensure(traffic.failed(mark) == 0, "no request fails while the child is restarted")?;
    story.say(&format!(
        "the watchdog restarted it as {after}: still master, the address never left, {} requests and none failed",
        traffic.mark() - mark
    ));
    Ok(())
}

fn master_dies(story: &Story, site: &Site, traffic: &Traffic, a: Holdfast, b: &Holdfast) -> Result<Holdfast> {
    story.chapter("The master dies wholly");
    let mark = traffic.mark();
    let folder = a.kill()?;
    let killed = Stopwatch::start();
    story.say("killed every process of holdfastd on director a at once (SIGKILL): nobody says goodbye");
    b.wait_state(NAME, "master", SECONDS_10)?;
    site.b.wait_address(VIP, SECONDS_10)?;
    story.say(&format!(
        "director b is master after {:.1} s (three intervals and its skew after the last advert)",
        killed.seconds()
    ));
    site.a.wait_no_address(VIP, SECONDS_10)?;
    story.say(&format!(
        "the kernel of director a dropped the address by itself after {:.1} s: its lease ran out",
        killed.seconds()
    ));
    holder(site, &site.b, &site.a)?;
    let after = traffic.mark();
    wait::until("answers", SECONDS_10, || Ok(traffic.answered_by(after, "web1") >= 10))?;
    story.say(&format!(
        "the client is answered by way of director b; longest time without an answer: {:.1} s",
        traffic.longest_gap(mark).as_secs_f64()
    ));
    let a = Holdfast::restart(&site.a, folder)?;
    story.say("started holdfastd on director a again: it found what it left behind");
    a.wait_state(NAME, "master", SECONDS_10)?;
    b.wait_state(NAME, "backup", SECONDS_10)?;
    holder(site, &site.a, &site.b)?;
    story.say("director a has the higher priority and is master again");
    Ok(a)
}

fn clean_stop(story: &Story, site: &Site, traffic: &Traffic, a: Holdfast, b: &Holdfast) -> Result {
    story.chapter("The master is stopped in order");
    wait::until("an answer", SECONDS_10, || {
        Ok(traffic.answered_by(traffic.mark().saturating_sub(5), "web1") > 0)
    })?;
    let mark = traffic.mark();
    ensure(a.stop()? == 0, "director a stops in order")?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    holder(site, &site.b, &site.a)?;
    wait::until("answers", SECONDS_10, || Ok(traffic.mark() >= mark + 20))?;
    story.say(&format!(
        "director a handed over to b; longest time without an answer: {:.2} s",
        traffic.longest_gap(mark).as_secs_f64()
    ));
    story.show(&b.command(&["status"])?.stdout);
    Ok(())
}

/// Waits until one director has the address and the other has not, and the client's ARP finds the right one.
fn holder(site: &Site, holder: &Netns, other: &Netns) -> Result {
    holder.wait_address(VIP, SECONDS_10)?;
    other.wait_no_address(VIP, SECONDS_10)?;
    let expected = [holder.mac("eth0")?];
    wait::until("the holder alone to answer ARP", SECONDS_10, || {
        Ok(arping(&site.client, "eth0", VIP)? == expected)
    })
}

/// The kernel's own view of the services.
fn table(director: &Netns) -> Result<String> {
    director.run(&["ipvsadm", "-Ln"])
}

fn ensure(truth: bool, claim: &str) -> Result {
    if truth { Ok(()) } else { Err(format!("it is not true that {claim}").into()) }
}
