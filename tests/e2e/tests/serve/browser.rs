//! The status page in a browser, looked at and used as an operator does. `LAB_PICTURES` names a folder to leave pictures in.

use std::path::Path;

use lab::{Behaviour, Browser, HttpServer, Lan, Program, Result, TempDir, wait};
use serde_json::{Value, json};

use crate::orders::{TOKEN, standing, token_file};
use crate::{ADDRESS, CONFIG, LIMIT, Stage};

const PAGE: &str = "http://127.0.0.1:9650/";
/// The server that is up.
const SERVER: &str = "tcp 192.0.2.100:80/127.0.0.1:8081";

/// Names as long as they come, for a narrow screen to break.
const LONG: &str = r#"
[[vrrp.instance]]
name = "AN_INSTANCE_WITH_A_NAME_THAT_GOES_ON_AND_ON_6"
interface = "quite-long-name"
virtual_router_id = 53
virtual_addresses = ["fe80::1/64", "2001:db8:85a3:1234:5678:8a2e:370:7334/64", "2001:db8:85a3:1234:5678:8a2e:370:7335/64"]
[[virtual_server]]
address = "[2001:db8:85a3:1234:5678:8a2e:370:7334]:65535"
scheduler = "wrr"
check = [{ type = "http", path = "/a/path/without/any/end/to/speak/of", interval = "200ms", retries = 0 }, { type = "tcp", interval = "200ms", retries = 0 }]
real_servers = ["[::1]:65535", "[::1]:65534"]
"#;

/// The first row whose first cell begins so.
fn row(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('tr')].find((row) => row.cells[0].textContent.startsWith('{name}'))"
    )
}

fn button(order: &str) -> String {
    format!("button[data-order=\"{order}\"][data-server=\"{SERVER}\"]")
}

/// What changes is shown without anybody's doing, and the page needs nobody but its own server for that.
#[test]
fn the_page_renews_itself_and_asks_nobody_else() -> Result {
    let stage = Stage::new(&["--listen=127.0.0.1:9650"])?;
    stage.wait_verdicts()?;
    let mut page = Browser::open(&stage.host, PAGE)?;
    page.wait("the verdicts", &format!("{}?.className === 'good'", row("127.0.0.1:8081")))?;
    for (name, class) in [("127.0.0.1:1", "bad"), ("VI_1", "good"), ("VI_2", "bad"), ("checker", "good")] {
        assert_eq!(page.evaluate(&format!("{}?.className", row(name)))?, class, "{name}");
    }
    let fault = page.evaluate(&format!("{}?.innerText", row("VI_2")))?;
    assert!(fault.as_str().unwrap_or_default().contains("interface eth7 does not exist"), "{fault}");

    stage.web.behave(Behaviour::Status(503));
    page.wait("a row that turns red", &format!("{}?.className === 'bad'", row("127.0.0.1:8081")))?;
    stage.web.behave(Behaviour::Status(200));
    page.wait("a row that turns green", &format!("{}?.className === 'good'", row("127.0.0.1:8081")))?;
    // A look that was missed leaves the old rows, dimmed.
    page.evaluate("window.real = window.fetch; window.fetch = () => Promise.reject(new Error('cut'))")?;
    page.wait("dimmed rows", "document.getElementById('all').className === 'gone'")?;
    page.evaluate("window.fetch = real")?;
    page.wait("clear rows", "document.getElementById('all').className === ''")?;

    // Nobody has said that orders may be given here.
    assert_eq!(page.evaluate("document.querySelectorAll('button, dialog, input').length")?, 0);
    assert_eq!(page.complaints()?, Vec::<String>::new());
    let asked = page.close()?;
    let own = |path: &str| asked.requests.contains(&format!("{PAGE}{path}"));
    assert!(own("") && own("body") && asked.connections.contains(ADDRESS), "{asked:?}");
    assert_eq!(asked.elsewhere(ADDRESS), Vec::<&str>::new());
    Ok(())
}

/// The witness of the test above does see it when a page asks somebody else.
#[test]
fn a_page_that_asks_somebody_else_is_found_out() -> Result {
    lab::require_privileges()?;
    let lan = Lan::new()?;
    let host = lan.host("a", &["192.0.2.1/24"])?;
    let server = HttpServer::start(&host, ADDRESS, "page")?;
    let body = "<!doctype html><title>x</title><img src=\"http://192.0.2.1:81/x\"><script src=\"http://elsewhere.invalid/y\"></script>";
    let length = body.len();
    server.behave(Behaviour::Raw(
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
            .into_bytes(),
    ));
    let asked = Browser::open(&host, PAGE)?.close()?;
    assert_eq!(
        asked.elsewhere(ADDRESS),
        [
            "http://192.0.2.1:81/x",
            "http://elsewhere.invalid/y",
            "192.0.2.1:81",
            "http://192.0.2.1:81",
            "http://elsewhere.invalid",
        ],
        "{asked:?}"
    );
    Ok(())
}

/// Elements that reach out of a screen of this width, and tables that would have to be pushed to be read.
const OUTSIDE: &str = r#"((width) => [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > width + 1
        || (element.className === "wide" && element.scrollWidth > element.clientWidth))
    .map((element) => element.tagName + ": " + element.textContent.slice(0, 60)))"#;

/// Texts that stand out from their ground by less than WCAG's 4.5 to 1, with what they have.
const PALE: &str = r#"(() => {
    const parse = (text) => text.match(/[\d.]+/g).map(Number);
    const light = (colour) => colour.slice(0, 3).map((part) => part / 255)
        .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
    const ground = parse(getComputedStyle(document.body).backgroundColor);
    const pale = [];
    for (const element of document.querySelectorAll("body *")) {
        const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join("").trim();
        if (!text || element.closest("script, dialog") || element.offsetParent === null) continue;
        let opacity = 1;
        for (let up = element; up; up = up.parentElement) opacity *= Number(getComputedStyle(up).opacity);
        const colour = parse(getComputedStyle(element).color).map((part, index) => part * opacity + (1 - opacity) * ground[index]);
        const [low, high] = [light(colour), light(ground)].sort((a, b) => a - b);
        const contrast = (high + 0.05) / (low + 0.05);
        if (contrast < 4.5) pale.push(`${element.tagName} ${text.slice(0, 30)}: ${contrast.toFixed(1)}`);
    }
    return pale;
})()"#;

#[test]
fn the_page_on_a_desk_and_on_phones_in_light_and_dark() -> Result {
    let folder = TempDir::new()?;
    let config = CONFIG.replace("lb-1", "a-director-with-a-rather-long-name.berlin.example.org") + LONG;
    let stage = Stage::with(&config, &["--listen=127.0.0.1:9650", &token_file(&folder)?])?;
    stage.wait_verdicts()?;
    let reason =
        "the controller of its disks is being replaced, see the ticket in operations/2026/11/21/0042";
    let run = stage.daemon.folder().path().join("run").to_string_lossy().into_owned();
    let program = lab::program(Program::Holdfast)?.to_string_lossy().into_owned();
    stage.host.run(&[&program, "--run-dir", &run, "drain", "--reason", reason, "127.0.0.1:8081"])?;
    let pictures = std::env::var("LAB_PICTURES").unwrap_or_else(|_| folder.path().display().to_string());
    let mut page = Browser::open(&stage.host, PAGE)?;
    // Curves are drawn from the second look on.
    page.wait(
        "an order and a curve",
        "document.querySelector('td small') && document.querySelector('polyline') !== null",
    )?;
    let mut grounds = Vec::new();
    for (name, width, height) in [("desk", 1280, 900), ("phone", 390, 844), ("narrow", 320, 568)] {
        page.resize(width, height)?;
        for scheme in ["light", "dark"] {
            page.prefer(scheme)?;
            let query = format!("matchMedia('(prefers-color-scheme: {scheme})').matches");
            let query = format!("document.documentElement.clientWidth === {width} && {query}");
            page.wait(scheme, &query)?;
            page.picture(&Path::new(&pictures).join(format!("{name}-{scheme}.png")))?;
            // A picture of the whole page may make the screen larger for a moment.
            page.wait(scheme, &query)?;
            let at = format!("{name} {scheme}");
            assert_eq!(page.evaluate(&format!("{OUTSIDE}({width})"))?, json!([]), "{at}");
            let whole = page.evaluate("document.scrollingElement.scrollWidth")?;
            assert!(whole.as_u64().is_some_and(|whole| whole <= u64::from(width)), "{at}: {whole}");
            assert_eq!(page.evaluate(PALE)?, json!([]), "{at}");
            grounds.push(page.evaluate("getComputedStyle(document.body).backgroundColor")?);
        }
    }
    let [light, dark, rest @ ..] = &grounds[..] else { return Err("no grounds".into()) };
    assert_ne!(light, dark);
    assert!(rest.chunks(2).all(|pair| pair == [light.clone(), dark.clone()]), "{grounds:?}");
    // The question fits a phone as well.
    page.click(&button("enable"))?;
    page.wait("the question", "document.getElementById('ask').open")?;
    page.picture(&Path::new(&pictures).join("question.png"))?;
    assert_eq!(page.evaluate(&format!("{OUTSIDE}(320)"))?, json!([]));
    assert_eq!(page.complaints()?, Vec::<String>::new());
    Ok(())
}

/// The weight of the first server, as the daemon itself says.
fn weight(stage: &Stage) -> Result<Value> {
    Ok(stage.daemon.status()?["checker"]["virtual_servers"][0]["real_servers"][0]["effective_weight"].clone())
}

#[test]
fn a_server_is_drained_and_enabled_with_the_buttons() -> Result {
    let folder = TempDir::new()?;
    let stage = Stage::new(&["--listen=127.0.0.1:9650", &token_file(&folder)?])?;
    stage.wait_verdicts()?;
    let mut page = Browser::open(&stage.host, PAGE)?;
    let asked = "document.getElementById('ask').open";
    let asks_for_token = "!document.getElementById('key').hidden";
    let says = |words: &str| format!("{}?.innerText.includes('{words}')", row("127.0.0.1:8081"));
    let is = |class: &str| format!("{}?.className === '{class}'", row("127.0.0.1:8081"));
    page.wait("a server that is up", &is("good"))?;

    // A wrong token: that is said, and nothing happens.
    page.click(&button("drain"))?;
    page.wait("the question", asked)?;
    assert_eq!(page.evaluate("document.getElementById('what').textContent")?, format!("drain {SERVER}"));
    page.write("#reason", "new disk")?;
    page.write("#token", "correct-horse-batterx")?;
    page.click("#form button:not([type])")?;
    page.wait("the refusal", &says("the token is wrong"))?;
    assert_eq!((standing(&stage)?, weight(&stage)?), (json!([]), json!(1)));

    // Left, it is no order.
    page.click(&button("drain"))?;
    page.wait("the question", asked)?;
    page.click("#leave")?;
    page.wait("the end of the question", &format!("!{asked}"))?;

    // It is asked for again, and the right one is taken.
    page.click(&button("drain"))?;
    page.wait("the question with the token", &format!("{asked} && {asks_for_token}"))?;
    page.write("#reason", "new disk")?;
    page.write("#token", TOKEN)?;
    page.enter()?;
    page.wait("the order", &says("drained until released, by serve (token) from 127.0.0.1 (uid 0)"))?;
    page.wait("its reason and the row's state", &format!("{} && {}", says(": new disk"), is("weak")))?;
    assert_eq!((standing(&stage)?, weight(&stage)?), (json!([["drain", "new disk"]]), json!(0)));

    // From now on it is known here, and nowhere else.
    page.click(&button("enable"))?;
    page.wait("the question without the token", &format!("{asked} && !({asks_for_token})"))?;
    assert_eq!(page.evaluate("document.getElementById('token').value")?, "");
    page.click("#form button:not([type])")?;
    page.wait("the row as it was", &is("good"))?;
    assert_eq!((standing(&stage)?, weight(&stage)?), (json!([]), json!(1)));

    // A weight that somebody has ordered is given back.
    let run = stage.daemon.folder().path().join("run").to_string_lossy().into_owned();
    let program = lab::program(Program::Holdfast)?.to_string_lossy().into_owned();
    stage.host.run(&[&program, "--run-dir", &run, "weight", "127.0.0.1:8081", "3"])?;
    page.click(&button("release"))?;
    page.wait("the question", asked)?;
    page.enter()?;
    wait::until("the weight of the configuration", LIMIT, || Ok(weight(&stage)? == json!(1)))?;
    assert_eq!(standing(&stage)?, json!([]));
    assert_eq!(page.evaluate("Object.keys(localStorage).length + document.cookie.length")?, 0);
    let asked = page.close()?;
    assert_eq!(asked.elsewhere(ADDRESS), Vec::<&str>::new());
    assert!(!asked.requests.iter().any(|request| request.contains(TOKEN)), "{asked:?}");
    Ok(())
}

/// The rows are renewed every few seconds, and who is about to click does not notice.
#[test]
fn a_button_that_is_pressed_or_chosen_outlives_the_renewal() -> Result {
    let folder = TempDir::new()?;
    let stage = Stage::new(&["--listen=127.0.0.1:9650", &token_file(&folder)?])?;
    stage.wait_verdicts()?;
    let mut page = Browser::open(&stage.host, PAGE)?;
    let drain = format!("document.querySelector('{}')", button("drain"));
    page.press(&button("drain"))?;
    let renewals = |page: &mut Browser| -> Result<usize> {
        Ok(page.requests()?.iter().filter(|request| request.ends_with("/body")).count())
    };
    let before = renewals(&mut page)?;
    wait::until("two renewals", LIMIT, || Ok(renewals(&mut page)? >= before + 2))?;
    page.release()?;
    page.wait("the question", "document.getElementById('ask').open")?;
    page.click("#leave")?;

    // And with the keyboard: the same button is chosen when its row is another.
    page.evaluate(&format!("window.old = {drain}; old.focus()"))?;
    page.wait("a renewal", "!old.isConnected")?;
    page.wait("the chosen button", &format!("document.activeElement === {drain}"))?;
    page.enter()?;
    page.wait("the question", "document.getElementById('ask').open")?;
    Ok(())
}
