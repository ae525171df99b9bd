//! The site under Holdfast: balanced by weight, a dead web server taken out, a dead director replaced, a dead local
//! service noticed; and the client is answered.

use std::time::Duration;

use e2e::site::{Forward, NAME, SERVICE, Site, VIP};
use lab::{Holdfast, Netns, Nginx, Result, SECONDS_10, Traffic, wait};

fn table(director: &Netns) -> Result<String> {
    director.run(&["ipvsadm", "-Ln"])
}

/// How many servers a director has in service. `ipvsadm` shows one line for each.
fn in_service(director: &Netns) -> Result<usize> {
    Ok(table(director)?.lines().filter(|line| line.trim_start().starts_with("-> 1")).count())
}

/// Both directors run, a is master, and both know both web servers.
fn start(site: &Site) -> Result<(Holdfast, Holdfast, [Nginx; 2])> {
    let web = [site.start_web(0)?, site.start_web(1)?];
    let a = site.start_director(&site.a, 100)?;
    let b = site.start_director(&site.b, 90)?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    b.wait_state(NAME, "backup", SECONDS_10)?;
    for director in [&site.a, &site.b] {
        wait::until("both web servers in service", SECONDS_10, || Ok(in_service(director)? == 2))?;
    }
    Ok((a, b, web))
}

/// The whole life of a site, for one way of forwarding.
fn lives(forward: Forward) -> Result {
    let site = Site::new(forward)?;
    let (a, b, [web1, web2]) = start(&site)?;
    assert_eq!(site.ask_often(40)?, [30, 10]);

    // A web server dies and comes back.
    web2.kill()?;
    wait::until("web2 out of service", SECONDS_10, || Ok(in_service(&site.a)? == 1))?;
    assert_eq!(site.ask_often(20)?, [20, 0]);
    let web2 = site.start_web(1)?;
    wait::until("web2 back in service", SECONDS_10, || Ok(in_service(&site.a)? == 2))?;
    assert_eq!(site.ask_often(40)?, [30, 10]);

    // The master dies; what it leaves behind does no harm and is taken up again.
    let traffic =
        Traffic::start(&site.client, SERVICE, Duration::from_millis(50), Duration::from_millis(500))?;
    let folder = a.kill()?;
    b.wait_state(NAME, "master", SECONDS_10)?;
    site.b.wait_address(VIP, SECONDS_10)?;
    site.a.wait_no_address(VIP, SECONDS_10)?;
    let mark = traffic.mark();
    wait::until("answers by way of b", SECONDS_10, || {
        Ok(traffic.answered_by(mark, "web1") > 0 && traffic.answered_by(mark, "web2") > 0)
    })?;
    drop(traffic);
    let a = Holdfast::restart(&site.a, folder)?;
    a.wait_state(NAME, "master", SECONDS_10)?;
    site.b.wait_no_address(VIP, SECONDS_10)?;
    wait::until("both web servers in service", SECONDS_10, || Ok(in_service(&site.a)? == 2))?;
    wait::until("answers by way of a", SECONDS_10, || Ok(site.ask().is_ok()))?;
    assert_eq!(site.ask_often(40)?, [30, 10]);

    // An orderly stop leaves nothing.
    assert_eq!((a.stop()?, b.stop()?), (0, 0));
    for director in [&site.a, &site.b] {
        assert!(!director.has_address(VIP)?);
        assert!(!table(director)?.contains(VIP));
    }
    drop((web1, web2));
    Ok(())
}

mod nat {
    #[test]
    #[ignore = "needs the test kernel: run by in_the_test_kernel_nat"]
    fn a_site_lives() -> lab::Result {
        super::lives(e2e::site::Forward::Nat)
    }
}

mod dr {
    use super::*;

    #[test]
    #[ignore = "needs the test kernel: run by in_the_test_kernel_dr"]
    fn a_site_lives() -> Result {
        lives(Forward::Dr)
    }
}

mod tun {
    #[test]
    #[ignore = "needs the test kernel: run by in_the_test_kernel_tun"]
    fn a_site_lives() -> lab::Result {
        super::lives(e2e::site::Forward::Tun)
    }
}

mod more {
    use super::*;

    #[test]
    #[ignore = "needs the test kernel: run by in_the_test_kernel_more"]
    fn every_scheduler_of_the_scenario_balances() -> Result {
        let site = Site::new(Forward::Dr)?;
        let _web = [site.start_web(0)?, site.start_web(1)?];
        let a = Holdfast::start(&site.a, &site.config(100, "rr", "", ""))?;
        a.wait_state(NAME, "master", SECONDS_10)?;
        wait::until("both web servers in service", SECONDS_10, || Ok(in_service(&site.a)? == 2))?;
        assert_eq!(site.ask_often(40)?, [20, 20]);
        let done = a.reload(&site.config(100, "lc", "", ""))?;
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert!(table(&site.a)?.contains(&format!("{SERVICE} lc")));
        let [one, two] = site.ask_often(40)?;
        assert!(one > 0 && two > 0, "least connections: {one} and {two}");
        Ok(())
    }

    #[test]
    #[ignore = "needs the test kernel: run by in_the_test_kernel_more"]
    fn the_address_moves_when_the_local_service_dies() -> Result {
        let site = Site::new(Forward::Dr)?;
        let _web = [site.start_web(0)?, site.start_web(1)?];
        // All hosts of the lab share one list of processes, hence the names.
        let local = Nginx::start(&site.a, "a", "nginx-a")?;
        let track = "track_scripts = [\"chk_nginx\"]";
        let script = "[[vrrp.script]]\nname = \"chk_nginx\"\ncommand = [\"/usr/bin/pidof\", \"nginx-a\"]\n\
                      interval = \"1s\"\nweight = -20\n";
        let a = Holdfast::start(&site.a, &site.config(100, "wrr", track, script))?;
        let b = site.start_director(&site.b, 90)?;
        a.wait_state(NAME, "master", SECONDS_10)?;
        b.wait_state(NAME, "backup", SECONDS_10)?;
        assert_eq!(a.instance(NAME, "/effective_priority")?, 100);
        local.kill()?;
        b.wait_state(NAME, "master", SECONDS_10)?;
        site.a.wait_no_address(VIP, SECONDS_10)?;
        assert_eq!(a.instance(NAME, "/effective_priority")?, 80);
        wait::until("answers by way of b", SECONDS_10, || Ok(site.ask().is_ok()))?;
        let _local = Nginx::start(&site.a, "a", "nginx-a")?;
        a.wait_state(NAME, "master", SECONDS_10)?;
        site.b.wait_no_address(VIP, SECONDS_10)
    }
}
