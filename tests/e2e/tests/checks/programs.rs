//! Scripts and files, and what a request looks like to the server it is sent to.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use lab::{HttpServer, Result, wait};

use crate::{Bench, LIMIT, Watched};

/// A folder and a script that any user may use.
fn script(bench: &Bench, body: &str) -> Result<String> {
    fs::set_permissions(bench.folder.path(), Permissions::from_mode(0o755))?;
    let path = bench.write("script", &format!("#!/bin/sh\n{body}\n"))?;
    fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    Ok(path)
}

fn weighs(watched: &Watched, wanted: u32) -> Result {
    wait::until(&format!("the weight {wanted}"), LIMIT, || {
        Ok(watched.server()?.pointer("/effective_weight") == Some(&wanted.into()))
    })
}

#[test]
fn a_script_judges_as_the_user_it_is_given() -> Result {
    let bench = Bench::new("script")?;
    let path = script(&bench, "[ \"$(id -un)\" = daemon ] || exit 3")?;
    let check = format!("type = \"script\", command = [\"{path}\"]");
    bench.checked("192.0.2.1:80", &check)?.dead("exit status 3")?;
    bench.checked("192.0.2.1:80", &format!("{check}, user = \"daemon\""))?.alive("exit status 0")
}

#[test]
fn a_dynamic_script_sets_the_weight() -> Result {
    let bench = Bench::new("dynamic")?;
    let code = bench.write("code", "12")?;
    let path = script(&bench, &format!("exit $(cat {code})"))?;
    let watched =
        bench.checked("192.0.2.1:80", &format!("type = \"script\", command = \"{path}\", dynamic = true"))?;
    weighs(&watched, 10)?;
    bench.write("code", "255")?;
    weighs(&watched, 253)?;
    bench.write("code", "1")?;
    watched.dead("exit status 1")?;
    bench.write("code", "2")?;
    wait::until("life without weight", LIMIT, || {
        let server = watched.server()?;
        Ok(server.pointer("/alive") == Some(&true.into())
            && server.pointer("/effective_weight") == Some(&0.into()))
    })
}

#[test]
fn a_number_in_a_file_weighs_or_judges() -> Result {
    let bench = Bench::new("file")?;
    let path = bench.write("number", "3")?;
    let watched =
        bench.checked("192.0.2.1:80", &format!("type = \"file\", path = \"{path}\", factor = 4"))?;
    weighs(&watched, 13)?;
    bench.write("number", "0")?;
    weighs(&watched, 1)?;
    drop(watched);
    let judge = format!("type = \"file\", path = \"{path}\", factor = 0");
    bench.checked("192.0.2.1:80", &judge)?.alive("")?;
    bench.checked("192.0.2.1:80", &format!("{judge}, reverse = true"))?.dead("0")?;
    bench.write("number", "1")?;
    bench.checked("192.0.2.1:80", &judge)?.dead("1")
}

#[test]
fn a_request_is_as_the_settings_say() -> Result {
    let bench = Bench::new("request")?;
    let server = HttpServer::start(&bench.host, "127.0.0.1:80", "only")?;
    for (keys, lines) in [
        ("", &["GET / HTTP/1.1", "Host: 127.0.0.1"][..]),
        (
            "path = \"/deep?x=1\", method = \"HEAD\", host = \"www.example\"",
            &["HEAD /deep?x=1 HTTP/1.1", "Host: www.example"],
        ),
        (
            "version = \"1.0\", method = \"OPTIONS\", headers = { \"X-Check\" = \"yes\" }",
            &["OPTIONS / HTTP/1.0", "X-Check: yes"],
        ),
    ] {
        let watched = bench.checked("127.0.0.1:80", &format!("type = \"http\", {keys}"))?;
        watched.alive("status 200")?;
        let requests = server.requests();
        let last = requests.last().ok_or("no request")?;
        for line in lines {
            assert!(last.lines().any(|have| have == *line), "{line}: {last}");
        }
    }
    Ok(())
}
