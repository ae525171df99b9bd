//! Named pipes that notifications are written to.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use lab::{Holdfast, Result, SECONDS_10, TempDir, wait};

use crate::stage::{Stage, directors, instance};

/// The next line that somebody reads who waits for it.
fn line(reader: &mut BufReader<File>) -> Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

#[test]
fn every_change_is_a_line_in_both_pipes_and_nobody_has_to_read() -> Result {
    let stage = Stage::new()?;
    let (_lan, a, _b) = directors()?;
    let (all, own, drain) = (stage.path("all"), stage.path("own"), stage.path("drain"));
    let pipes = format!(
        "[global]\nnotify_fifo = \"{}\"\n[vrrp]\nnotify_fifo = \"{}\"\n\
         [[vrrp.file]]\nname = \"drain\"\npath = \"{}\"\n",
        all.display(),
        own.display(),
        drain.display()
    );
    let first = instance(100, "track_files = [\"drain\"]\nnotify.priority_changes = true");
    let second = first.replace("VI_1", "VI_2").replace("= 51", "= 52").replace(".200/24", ".201/24");
    let grouped = "[[vrrp.sync_group]]\nname = \"G 1\"\ninstances = [\"VI_1\", \"VI_2\"]\n";
    let holdfast = Holdfast::start(&a, &format!("{pipes}{first}{second}{grouped}"))?;
    holdfast.wait_state("VI_1", "master", SECONDS_10)?;
    holdfast.wait_state("VI_2", "master", SECONDS_10)?;
    assert!(std::fs::metadata(&all)?.file_type().is_fifo(), "it is made where it is missing");
    // Nobody has read so far: what was written is there.
    let mut reader = BufReader::new(File::open(&all)?);
    let mut told: Vec<String> = (0..6).map(|_| line(&mut reader)).collect::<Result<_>>()?;
    told.sort();
    let wanted = [
        "GROUP \"G 1\" BACKUP 0",
        "GROUP \"G 1\" MASTER 0",
        "INSTANCE \"VI_1\" BACKUP 100",
        "INSTANCE \"VI_1\" MASTER 100",
        "INSTANCE \"VI_2\" BACKUP 100",
        "INSTANCE \"VI_2\" MASTER 100",
    ];
    assert_eq!(told, wanted);
    stage.say("drain", "-30")?;
    let mut told = [line(&mut reader)?, line(&mut reader)?];
    told.sort();
    assert_eq!(told, ["INSTANCE \"VI_1\" MASTER_PRIORITY 70", "INSTANCE \"VI_2\" MASTER_PRIORITY 70"]);
    // A reload removes one, and the pipe goes on.
    let done = holdfast.reload(&format!("{pipes}{first}"))?;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(line(&mut reader)?, "INSTANCE \"VI_2\" DELETED 70");
    let status = holdfast.status()?;
    assert_eq!(status["vrrp"]["notify_fifos"][1]["path"], own.to_string_lossy().as_ref());
    assert_eq!(status["vrrp"]["notify_fifos"][1]["dropped"], 0);
    let mut of_its_own = BufReader::new(File::open(&own)?);
    assert_eq!(holdfast.stop()?, 0);
    assert_eq!(line(&mut reader)?, "INSTANCE \"VI_1\" STOP 70");
    assert_eq!(line(&mut reader)?, "", "the end: nobody holds it open any more");
    let lines = std::iter::from_fn(|| line(&mut of_its_own).ok().filter(|line| !line.is_empty()));
    assert_eq!(lines.count(), 10, "the other pipe had all of it too");
    Ok(())
}

#[test]
fn servers_and_quorums_that_turn_are_lines_too() -> Result {
    lab::require_privileges()?;
    let (_lan, a, _b) = directors()?;
    let folder = TempDir::new()?;
    let (all, own) = (folder.path().join("all"), folder.path().join("own"));
    let config = format!(
        "[global]\nnotify_fifo = \"{}\"\n[checker]\nipvs = false\nnotify_fifo = \"{}\"\n\
         [[virtual_server]]\naddress = \"192.168.152.100:80\"\nreal_servers = [\"192.168.152.11:8080\"]\n\
         check = {{ type = \"tcp\", interval = \"200ms\", timeout = \"200ms\", retries = 0 }}\n",
        all.display(),
        own.display()
    );
    let server = a.enter(|| std::net::TcpListener::bind("192.168.152.11:8080"))??;
    let holdfast = Holdfast::start(&a, &config)?;
    wait::until("the server", SECONDS_10, || {
        Ok(holdfast.status()?["checker"]["virtual_servers"][0]["real_servers"][0]["alive"] == true)
    })?;
    let mut events = events(&holdfast.folder().path().join("run/checker.sock"))?;
    drop(server);
    let mut event = String::new();
    // The first line is the answer to the request.
    for _ in 0..2 {
        event.clear();
        events.read_line(&mut event)?;
    }
    let event: serde_json::Value = serde_json::from_str(&event)?;
    assert_eq!((event["event"].as_str(), event["up"].as_bool()), (Some("server_changed"), Some(false)));
    let server = "RS [192.168.152.11]:tcp:8080 [192.168.152.100]:tcp:80";
    for path in [&all, &own] {
        let mut reader = BufReader::new(File::open(path)?);
        let mut last = String::new();
        while last != "VS [192.168.152.100]:tcp:80 DOWN" {
            let next = line(&mut reader)?;
            let known =
                [format!("{server} UP"), format!("{server} DOWN"), "VS [192.168.152.100]:tcp:80 UP".into()];
            assert!(known.contains(&next) || next.ends_with(" DOWN"), "{next}");
            if next.starts_with("VS") {
                last = next;
            } else if next.ends_with("DOWN") {
                assert_eq!(next, known[1]);
            }
        }
    }
    assert_eq!(holdfast.stop()?, 0);
    Ok(())
}

/// Asks a control socket for what happens.
fn events(socket: &Path) -> Result<BufReader<std::os::unix::net::UnixStream>> {
    let mut stream = std::os::unix::net::UnixStream::connect(socket)?;
    std::io::Write::write_all(&mut stream, b"{\"id\":1,\"method\":\"events\",\"params\":null}\n")?;
    stream.set_read_timeout(Some(SECONDS_10))?;
    Ok(BufReader::new(stream))
}
