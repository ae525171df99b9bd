//! The status page in a browser. It takes Chromium, which is larger than everything else together, so that it is not
//! among the packages of the tests: `LAB_BROWSER=chromium cargo test -p e2e --test serve browser -- --ignored`; the
//! pictures are left in `LAB_PICTURES`.

use std::process::Command;

use lab::{Error, Result, wait};

use crate::{LIMIT, Stage};

/// Runs it in the host, without a window, and returns the page after some time, and what it complained of.
fn visit(stage: &Stage, options: &[String]) -> Result<(String, String)> {
    let program = std::env::var("LAB_BROWSER").map_err(|_| Error::new("LAB_BROWSER names no browser"))?;
    let profile = format!("--user-data-dir={}", stage.folder.path().join("profile").display());
    let done = Command::new("ip")
        .args(["netns", "exec", stage.host.name(), &program, "--headless", "--no-sandbox", "--disable-gpu"])
        .args(["--disable-dev-shm-usage", "--hide-scrollbars", "--enable-logging=stderr", "--v=0", &profile])
        .args(options)
        .arg("http://127.0.0.1:9650/")
        .env("HOME", stage.folder.path())
        .output()?;
    Ok((
        String::from_utf8_lossy(&done.stdout).into_owned(),
        String::from_utf8_lossy(&done.stderr).into_owned(),
    ))
}

#[test]
#[ignore = "needs Chromium in LAB_BROWSER"]
fn the_page_in_light_and_dark_on_a_desk_and_a_phone() -> Result {
    let stage = Stage::new(&["--listen=127.0.0.1:9650"])?;
    stage.wait_verdicts()?;
    // Curves are drawn from the second look on.
    wait::until("a curve", LIMIT, || {
        Ok(lab::get(&stage.host, crate::ADDRESS, "/body", LIMIT)?.body.contains("<polyline"))
    })?;
    let pictures =
        std::env::var("LAB_PICTURES").unwrap_or_else(|_| stage.folder.path().display().to_string());
    for (name, size) in [("desk", "1280,900"), ("phone", "390,1200")] {
        for (scheme, number) in [("dark", 0), ("light", 1)] {
            let picture = format!("{pictures}/{name}-{scheme}.png");
            let (_, said) = visit(
                &stage,
                &[
                    format!("--window-size={size}"),
                    format!("--screenshot={picture}"),
                    format!("--blink-settings=preferredColorScheme={number}"),
                ],
            )?;
            assert!(std::fs::metadata(&picture)?.len() > 5000, "{picture}: {said}");
            assert!(!said.contains("CONSOLE"), "{said}");
        }
    }
    Ok(())
}

/// Four seconds of the page's own time: what has changed meanwhile is shown, and nobody else was asked for anything.
#[test]
#[ignore = "needs Chromium in LAB_BROWSER"]
fn the_page_renews_itself_and_asks_nobody_else() -> Result {
    let stage = Stage::new(&["--listen=127.0.0.1:9650"])?;
    stage.wait_verdicts()?;
    let log = stage.folder.path().join("net.json");
    let (page, said) = visit(
        &stage,
        &[
            "--dump-dom".to_owned(),
            "--virtual-time-budget=10000".to_owned(),
            format!("--log-net-log={}", log.display()),
        ],
    )?;
    assert!(!said.contains("CONSOLE"), "{said}");
    for part in ["class=\"good\"", "class=\"bad\"", "VI_1", "interface eth7 does not exist"] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    let asked = std::fs::read_to_string(&log)?;
    let renewed = asked.matches("http://127.0.0.1:9650/body").count();
    assert!(renewed > 0, "it did not renew itself");
    Ok(())
}
