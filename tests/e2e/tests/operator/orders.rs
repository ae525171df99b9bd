//! Orders for real servers that are not carried out, and who may give them.

use lab::{Holdfast, Lan, Netns, Result, output};

const CONFIG: &str = "\
[checker]
ipvs = false
[[virtual_server]]
address = \"192.0.2.100:80\"
forward = \"nat\"
check = []
real_servers = [\"127.0.0.1:1\", \"127.0.0.1:2\", \"127.0.0.2:1\"]
";

fn start() -> Result<(Lan, Netns, Holdfast)> {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.0.2.1/24"])?;
    let ours = Holdfast::start(&host, CONFIG)?;
    Ok((lan, host, ours))
}

#[test]
fn what_cannot_be_done_is_refused_in_words_that_help() -> Result {
    let (_lan, _host, ours) = start()?;
    let cases: [(&[&str], i32, &str); 6] = [
        (
            &["drain", "127.0.0.3:1"],
            1,
            "no real server \"127.0.0.3:1\": there is 127.0.0.1:1, 127.0.0.1:2, 127.0.0.2:1",
        ),
        (
            &["weight", "127.0.0.1", "3"],
            1,
            "\"127.0.0.1\" may be any of 127.0.0.1:1, 127.0.0.1:2: name one of them, or all of them as 127.0.0.1:*",
        ),
        (
            &["disable", "192.0.2.7/127.0.0.1:1"],
            1,
            "no virtual server \"192.0.2.7\": there is tcp 192.0.2.100:80",
        ),
        (&["drain", "127.0.0.2", "--for", "soon"], 2, "invalid value 'soon'"),
        (&["weight", "127.0.0.2", "much"], 2, "invalid value 'much'"),
        (&["release"], 2, "<TARGET>"),
    ];
    for (arguments, code, words) in cases {
        let done = ours.command(arguments)?;
        assert_eq!((done.code, done.stdout.as_str()), (Some(code), ""), "{arguments:?}");
        assert!(done.stderr.contains(words), "{arguments:?}: {}", done.stderr);
    }
    // Nothing came of any of them.
    assert_eq!(ours.command(&["release", "--all"])?.stdout, "nothing was in force\n");
    let all = ours.command(&["drain", "127.0.0.1:*"])?;
    assert_eq!(all.stdout.lines().count(), 2, "{}", all.stdout);
    Ok(())
}

#[test]
fn whoever_may_open_the_socket_may_give_orders_and_is_named() -> Result {
    let (_lan, _host, ours) = start()?;
    let run = ours.folder().path().join("run");
    // Whoever may not enter the folders could not even try.
    let command = ours.folder().path().join("holdfast");
    std::fs::copy(lab::program(lab::Program::Holdfast)?, &command)?;
    let parents = [ours.folder().path(), &run];
    let as_nobody = |groups: &str| {
        let (command, run) = (command.to_string_lossy(), run.to_string_lossy());
        let user = ["setpriv", "--reuid=65534", "--regid=65534"];
        output(&[&user[..], &[groups, &command, "drain", "127.0.0.2:1", "--run-dir", &run]].concat())
    };
    for folder in parents {
        std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    }
    let refused = as_nobody("--clear-groups")?;
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    assert!(refused.stderr.contains("no permission"), "{}", refused.stderr);
    // The group of the socket may.
    nix::unistd::chown(&run.join("checker.sock"), None, Some(nix::unistd::Gid::from_raw(4242)))?;
    let done = as_nobody("--groups=4242")?;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let status = ours.status()?;
    let uid = status.pointer("/checker/virtual_servers/0/real_servers/2/overrides/0/uid");
    assert_eq!(uid, Some(&65534.into()), "{status}");
    let log = ours.log().text();
    assert!(log.contains("server=127.0.0.2:1 for=\"until it is released\" by=nobody uid=65534"), "{log}");
    Ok(())
}

/// As sudo starts it: what is verified is that it is root.
#[test]
fn under_sudo_the_status_says_who_is_claimed_to_have_given_an_order() -> Result {
    let (_lan, _host, ours) = start()?;
    let command = lab::program(lab::Program::Holdfast)?;
    let run = ours.folder().path().join("run");
    let (command, run) = (command.to_string_lossy(), run.to_string_lossy());
    let order = ["drain", "127.0.0.2:1", "--reason", "new disk", "--run-dir", &run];
    let done = output(&[&["env", "SUDO_USER=alice", "SUDO_UID=1000", &*command][..], &order[..]].concat())?;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let text = ours.command(&["status", "servers"])?.stdout;
    assert!(text.contains("by root (uid 0, claims sudo by alice) at "), "{text}");
    let status = ours.status()?;
    let standing = status.pointer("/checker/virtual_servers/0/real_servers/2/overrides/0").cloned();
    let standing = standing.unwrap_or_default();
    assert_eq!((&standing["uid"], &standing["user"]), (&0.into(), &"root".into()), "{standing}");
    assert_eq!(standing["sudo_user"], "alice");
    let log = ours.log().text();
    assert!(log.contains(" by=root uid=0 claims_sudo_by=alice reason=\"new disk\""), "{log}");
    // It is kept over a crash of the process like all the rest.
    ours.signal_child("checker", nix::sys::signal::Signal::SIGKILL)?;
    lab::wait::until("the order in the next process", lab::SECONDS_10, || {
        Ok(ours.command(&["status", "servers"])?.stdout.contains("claims sudo by alice"))
    })?;
    let told = ours.command(&["events", "--json", "override_set"])?.stdout;
    assert!(told.contains("\"sudo_user\":\"alice\""), "{told}");
    Ok(())
}
