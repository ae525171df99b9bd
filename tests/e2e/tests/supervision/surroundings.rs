//! What a process lives in: its share of the processor and of memory, and its network namespace.

use std::path::Path;

use lab::{Error, Holdfast, Lan, Result, SECONDS_10, run, wait};

use super::{VIP, router};

/// What the kernel says of a process: scheduler, priority, processors, nice, out-of-memory score, descriptors, and
/// whether memory is locked.
fn favour(pid: i32) -> Result<[String; 7]> {
    let proc = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}"));
    let pid = pid.to_string();
    let lines = |argv: &[&str]| -> Result<Vec<String>> {
        let text = run(argv)?;
        Ok(text.lines().map(|line| line.rsplit(": ").next().unwrap_or_default().to_owned()).collect())
    };
    let line = |lines: &[String], index: usize| lines.get(index).cloned().unwrap_or_default();
    let scheduler = lines(&["chrt", "-p", &pid])?;
    let (policy, priority) = (line(&scheduler, 0), line(&scheduler, 1));
    let processors = line(&lines(&["taskset", "-pc", &pid])?, 0);
    // Behind the name in parentheses, nice is the seventeenth.
    let stat = proc("stat")?;
    let nice = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(16)).unwrap_or_default();
    let nice = nice.to_owned();
    let limits = proc("limits")?;
    let files =
        limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
    let status = proc("status")?;
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")?.split_whitespace().next());
    let locked = locked.ok_or_else(|| Error::new("no VmLck"))? != "0";
    let score = proc("oom_score_adj")?.trim().to_owned();
    let files = files.unwrap_or_default().to_owned();
    Ok([policy, priority, processors, nice, score, files, locked.to_string()])
}

/// A router with a script that writes its number to this file and goes on.
fn with_script(file: &Path) -> String {
    format!(
        "{}track_scripts = [\"s\"]\n[[vrrp.script]]\nname = \"s\"\nuser = \"root\"\ninterval = \"10s\"\n\
         command = [\"/bin/sh\", \"-c\", \"echo $$ > {}; sleep 1000\"]\ntimeout = \"1h\"\n",
        router(200),
        file.display()
    )
}

#[test]
fn each_process_has_what_it_asked_for_and_its_scripts_have_none_of_it() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.168.152.11/24"])?;
    let folder = lab::TempDir::new()?;
    let script = folder.path().join("script.pid");
    std::fs::write(&script, "")?;
    let own = favour(std::process::id().cast_signed())?;
    let plain = with_script(&script);
    let asked = format!(
        "{plain}[global.resources]\nnice = 3\noom_score_adjust = 100\nopen_files = 333\n\
         [vrrp.resources]\nscheduler = \"rr\"\nrealtime_priority = 7\nrealtime_limit = \"300ms\"\n\
         processors = [0]\nlock_memory = true\nopen_files = 444\n\
         [watchdog.resources]\nscheduler = \"fifo\"\noom_score_adjust = 200\n"
    );
    let mut holdfast = Holdfast::start(&host, &asked)?;
    let (watchdog, vrrp) = (holdfast.process().pid(), holdfast.child("vrrp")?);
    let rest = |from: usize| own.get(from).cloned().unwrap_or_default();
    let wanted = ["SCHED_RR|SCHED_RESET_ON_FORK", "7", "0", "3", "100", "444", "true"];
    assert_eq!(favour(vrrp)?, wanted);
    let limit = std::fs::read_to_string(format!("/proc/{vrrp}/limits"))?;
    assert!(limit.lines().any(|line| line.starts_with("Max realtime timeout      300000 ")), "{limit}");
    let wanted = ["SCHED_FIFO|SCHED_RESET_ON_FORK", "10", &*rest(2), "3", "200", "333", "false"];
    assert_eq!(favour(watchdog)?, wanted);
    let script = wait::value("the script", SECONDS_10, || {
        Ok(std::fs::read_to_string(&script)?.trim().parse::<i32>().ok())
    })?;
    assert_eq!(favour(script)?, own, "a script has something of ours");
    // All of it goes with the words that asked for it, and nobody is started anew.
    let done = holdfast.reload(&plain)?;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("scheduler rr 7 within 300ms -> default"), "{done:?}");
    assert_eq!((favour(vrrp)?, favour(watchdog)?), (own.clone(), own));
    assert_eq!(holdfast.child("vrrp")?, vrrp);
    assert_eq!(holdfast.stop()?, 0);
    Ok(())
}

/// How long a turn of the processor is for a process, in nanoseconds, where the kernel tells.
fn turn(pid: i32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/sched")).ok()?;
    let line = text.lines().find(|line| line.starts_with("se.slice "))?;
    line.rsplit(':').next().map(|nanos| nanos.trim().to_owned())
}

/// Whether this kernel lets an ordinary process choose the length of its turns.
fn turns_are_chosen() -> Result<bool> {
    let release = run(&["uname", "-r"])?;
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    Ok((numbers.next(), numbers.next()) >= (Some(6), Some(12)))
}

#[test]
fn the_vrrp_process_does_not_wait_for_the_end_of_anothers_turn() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.168.152.11/24"])?;
    let folder = lab::TempDir::new()?;
    let script = folder.path().join("script.pid");
    std::fs::write(&script, "")?;
    let plain = with_script(&script);
    let usual = turn(std::process::id().cast_signed());
    let short = if turns_are_chosen()? { usual.as_ref().map(|_| "100000".to_owned()) } else { usual.clone() };
    let mut holdfast = Holdfast::start(&host, &plain)?;
    let (watchdog, vrrp) = (holdfast.process().pid(), holdfast.child("vrrp")?);
    assert_eq!((turn(vrrp), turn(watchdog)), (short.clone(), usual.clone()));
    let script = wait::value("the script", SECONDS_10, || {
        Ok(std::fs::read_to_string(&script)?.trim().parse::<i32>().ok())
    })?;
    assert_eq!(turn(script), usual, "a script has the turns of the vrrp process");
    // What is said goes before it, and nice does not take it away.
    for (resources, wanted) in [("scheduler = \"other\"", &usual), ("nice = 3", &short), ("", &short)] {
        let done = holdfast.reload(&format!("{plain}[vrrp.resources]\n{resources}\n"))?;
        assert_eq!(done.code, Some(0), "{done:?}");
        assert_eq!(&turn(vrrp), wanted, "{resources}");
    }
    assert_eq!(holdfast.child("vrrp")?, vrrp);
    assert_eq!(holdfast.stop()?, 0);
    Ok(())
}

#[test]
fn what_the_kernel_refuses_is_told_and_gone_without() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.168.152.11/24"])?;
    let config = format!("{}[vrrp.resources]\nprocessors = [1023]\nnice = 4\n", router(200));
    let holdfast = Holdfast::start(&host, &config)?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    let refused = "resources: the kernel refuses processors [1023]: ";
    holdfast.log().wait(refused, SECONDS_10)?;
    let status = holdfast.command(&["status"])?;
    assert!(status.stdout.contains(&format!("! the vrrp process: {refused}")), "{status:?}");
    assert_eq!(favour(holdfast.child("vrrp")?)?[3], "4", "what is not refused is done");
    Ok(())
}

#[test]
fn the_virtual_routers_are_in_the_namespace_that_the_configuration_names() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let (home, away) = (lan.host("home", &["192.168.152.11/24"])?, lan.host("away", &["192.168.152.12/24"])?);
    let in_away = format!("{}[global]\nnetwork_namespace = \"{}\"\n", router(200), away.name());
    let holdfast = Holdfast::start(&home, &in_away)?;
    away.wait_address(VIP, SECONDS_10)?;
    assert!(!home.has_address(VIP)?, "the address is at home too");
    // The operator's command does not care where it runs.
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    // A killed process comes back to the same place.
    let old = holdfast.child("vrrp")?;
    holdfast.signal_child("vrrp", nix::sys::signal::Signal::SIGKILL)?;
    wait::until("the next one", SECONDS_10, || Ok(holdfast.child("vrrp").is_ok_and(|pid| pid != old)))?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    assert!(away.has_address(VIP)? && !home.has_address(VIP)?);
    // It cannot move while it runs, and says so.
    let refused = holdfast.reload(&router(200))?;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let why = format!("vrrp: network_namespace {} -> none: a process cannot move while it runs", away.name());
    assert!(refused.stderr.contains(&why), "{refused:?}");
    holdfast.log().wait(&why, SECONDS_10)?;
    // Another way to say the same is no other place for the process's own table, by its path.
    let path = format!("/run/netns/{}", away.name());
    let own = format!("{}[vrrp]\nnetwork_namespace = \"{path}\"\n", router(200));
    assert_eq!(holdfast.stop()?, 0);
    away.wait_no_address(VIP, SECONDS_10)?;
    let holdfast = Holdfast::start(&home, &own)?;
    away.wait_address(VIP, SECONDS_10)?;
    assert_eq!(holdfast.stop()?, 0);
    Ok(())
}

#[test]
fn a_namespace_that_is_not_there_is_named() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.168.152.11/24"])?;
    let config = format!("{}[vrrp]\nnetwork_namespace = \"hf-nowhere\"\n", router(200));
    let mut holdfast = Holdfast::launch(&host, &config, &[])?;
    assert_eq!(holdfast.process().wait_code(SECONDS_10)?, 2);
    holdfast.log().wait("there is no network namespace /run/netns/hf-nowhere", SECONDS_10)?;
    Ok(())
}

#[test]
fn the_checks_are_in_the_namespace_that_the_configuration_names() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let (home, away) = (lan.host("home", &["192.168.152.11/24"])?, lan.host("away", &["192.168.152.12/24"])?);
    // Each machine's own loop: only who is there gets an answer.
    let _server = away.enter(|| std::net::TcpListener::bind("127.0.0.1:8080"))??;
    let config = |of_checker: &str| {
        format!(
            "[checker]\nipvs = false\nresources = {{ nice = 6 }}\n{of_checker}\n\
             [[virtual_server]]\naddress = \"192.168.152.100:80\"\nreal_servers = [\"127.0.0.1:8080\"]\n\
             check = {{ type = \"tcp\", interval = \"200ms\", timeout = \"200ms\", retries = 0 }}\n"
        )
    };
    let alive = |holdfast: &Holdfast| -> Result<bool> {
        Ok(holdfast.status()?["checker"]["virtual_servers"][0]["real_servers"][0]["alive"] == true)
    };
    let there = format!("network_namespace = \"{}\"", away.name());
    let holdfast = Holdfast::start(&home, &config(&there))?;
    wait::until("the server to be alive", SECONDS_10, || alive(&holdfast))?;
    assert_eq!(favour(holdfast.child("checker")?)?[3], "6");
    assert_eq!(holdfast.stop()?, 0);
    let holdfast = Holdfast::start(&home, &config(""))?;
    wait::until("the server to be missed at home", SECONDS_10, || Ok(!alive(&holdfast)?))?;
    Ok(())
}
