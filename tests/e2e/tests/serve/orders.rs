//! Orders for servers over HTTP: what they change in a daemon that runs, and that nobody else changes anything.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use lab::{Result, TempDir, wait};
use serde_json::{Value, json};

use crate::{ADDRESS, LIMIT, Stage};

pub(crate) const TOKEN: &str = "correct-horse-battery";

/// The option that names a file with the token.
pub(crate) fn token_file(folder: &TempDir) -> Result<String> {
    let file = folder.write("token", &format!("{TOKEN}\n"))?;
    fs::set_permissions(&file, Permissions::from_mode(0o600))?;
    Ok(format!("--token-file={}", file.display()))
}

/// Who stands in the status of the first server's orders, by kind and reason.
pub(crate) fn standing(stage: &Stage) -> Result<Value> {
    let status = stage.daemon.status()?;
    let orders = &status["checker"]["virtual_servers"][0]["real_servers"][0]["overrides"];
    let shown = |order: &Value| json!([order["kind"], order["reason"]]);
    Ok(orders.as_array().into_iter().flatten().map(shown).collect())
}

/// Sends an order; the body of the answer, and behind it the status.
fn post(stage: &Stage, order: &str, token: &str, body: &str) -> Result<String> {
    let bearer = format!("Authorization: Bearer {token}");
    let place = format!("http://{ADDRESS}/servers/{order}");
    stage.host.run(&["curl", "-s", "-w", "%{http_code}", "-H", &bearer, "-d", body, &place])
}

#[test]
fn a_server_is_drained_and_enabled_by_who_has_the_token() -> Result {
    let folder = TempDir::new()?;
    let stage = Stage::new(&["--listen=127.0.0.1:9650", &token_file(&folder)?])?;
    stage.wait_verdicts()?;
    let body = r#"{"server": "192.0.2.100:80/127.0.0.1:8081", "reason": "new disk"}"#;

    assert!(post(&stage, "drain", "correct-horse-batterx", body)?.ends_with("\n401"));
    let asked = format!("/servers/drain?server=127.0.0.1:8081&token={TOKEN}");
    assert_eq!(stage.get(&asked)?.status, 404);
    assert_eq!(stage.get("/servers/drain")?.status, 405);
    assert!(post(&stage, "drain", TOKEN, &"x".repeat(5000))?.ends_with("\n413"));
    assert_eq!(standing(&stage)?, json!([]));

    let said = post(&stage, "drain", TOKEN, body)?;
    assert!(
        said.starts_with("127.0.0.1:8081 in tcp 192.0.2.100:80: drained until released, weight 1 -> 0\n"),
        "{said}"
    );
    assert!(said.ends_with("\n200"), "{said}");
    assert_eq!(standing(&stage)?, json!([["drain", "new disk"]]));
    // Who has given an order looks at once.
    let page = stage.get("/body")?.body;
    assert!(
        page.contains("drained until released, by serve (token) from 127.0.0.1 (uid 0)")
            && page.contains(": new disk"),
        "{page}"
    );
    let order = "by=\"serve (token) from 127.0.0.1\" uid=0 reason=\"new disk\"";
    stage.daemon.log().wait(order, LIMIT)?;
    let metric =
        "holdfast_rs_override{vs=\"192.0.2.100:80\",protocol=\"tcp\",rs=\"127.0.0.1:8081\",kind=\"drain\"} 1";
    assert!(stage.get("/metrics")?.body.contains(metric));

    // A later order has its own end.
    let timed = r#"{"server": "127.0.0.1:8081", "for": "1h"}"#;
    let said = post(&stage, "drain", TOKEN, timed)?;
    assert!(said.contains("drained until 2") && said.contains("(for ") && said.ends_with("\n200"), "{said}");
    assert!(!said.contains("released"), "{said}");
    let said = post(&stage, "drain", TOKEN, r#"{"server": "127.0.0.1:8081", "for": "soon"}"#)?;
    assert!(said.starts_with("`for` is not a duration") && said.ends_with("\n400"), "{said}");

    // As the page's button names it.
    let body = r#"{"server": "tcp 192.0.2.100:80/127.0.0.1:8081"}"#;
    let said = post(&stage, "enable", TOKEN, body)?;
    assert!(said.contains("as configured again, weight 0 -> 1") && said.ends_with("\n200"), "{said}");
    assert_eq!(standing(&stage)?, json!([]));
    let said = post(&stage, "drain", TOKEN, r#"{"server": "127.0.0.9:1"}"#)?;
    assert!(said.starts_with("no real server \"127.0.0.9:1\"") && said.ends_with("\n422"), "{said}");
    let log = stage.serve.log();
    wait::until("the log of the order", LIMIT, || Ok(log.text().contains("ordered from 127.0.0.1")))?;
    assert!(!log.text().contains(TOKEN));
    Ok(())
}
