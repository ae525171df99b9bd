//! The site's wiring is right by itself: `ipvsadm` and `ip` by hand make it answer. No Holdfast here.

mod guest {
    use e2e::site::{Forward, SERVICE, Site, VIP};
    use lab::{Result, SECONDS_10};

    fn answers(forward: Forward) -> Result {
        let site = Site::new(forward)?;
        let _web = [site.start_web(0)?, site.start_web(1)?];
        site.a.ip(&format!("addr add {VIP}/32 dev eth0"))?;
        if forward == Forward::Nat {
            site.a.ip("addr add 10.0.0.1/24 dev eth1")?;
        }
        site.a.run(&["ipvsadm", "-A", "-t", SERVICE, "-s", "wrr"])?;
        for (number, weight) in [(0, "3"), (1, "1")] {
            let server = format!("{}:80", site.web_address(number));
            site.a.run(&["ipvsadm", "-a", "-t", SERVICE, "-r", &server, forward.option(), "-w", weight])?;
        }
        lab::wait::until("the site to answer", SECONDS_10, || Ok(site.ask().is_ok()))?;
        assert_eq!(site.ask_often(40)?, [30, 10]);
        Ok(())
    }

    #[test]
    #[ignore = "needs the test kernel: run by in_the_test_kernel_by_hand"]
    fn by_hand_nat() -> Result {
        answers(Forward::Nat)
    }

    #[test]
    #[ignore = "needs the test kernel: run by in_the_test_kernel_by_hand"]
    fn by_hand_direct_routing() -> Result {
        answers(Forward::Dr)
    }

    #[test]
    #[ignore = "needs the test kernel: run by in_the_test_kernel_by_hand"]
    fn by_hand_tunnel() -> Result {
        answers(Forward::Tun)
    }
}
