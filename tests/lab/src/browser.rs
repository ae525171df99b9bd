//! A browser in a host, used as somebody at a screen would: Chromium without a window, driven by its DevTools protocol.
//!
//! The protocol goes through two pipes (`--remote-debugging-pipe`: the browser reads descriptor 3 and writes 4, a JSON
//! object and a zero byte at a time), so that nothing listens anywhere. Whom the browser has asked for anything is told
//! at its end by its own record of the network ([`Browser::close`]).

mod asked;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};

pub use asked::Asked;

use crate::{Error, Netns, Process, Result, TempDir, command, run, wait};

const PROGRAM: &str = "chromium-headless-shell";
/// How long one answer, or something on the page, may take: a browser on a busy machine is slow.
const LIMIT: Duration = Duration::from_secs(60);
/// No window, nothing of its own that it would ask others for, and no sandbox: it is root in a namespace, and sees our page.
const OPTIONS: [&str; 17] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--remote-debugging-pipe",
];
/// The pipes are given as standard input and output, and belong elsewhere.
const MOVE_PIPES: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >&2";

/// A browser with one page.
#[derive(Debug)]
pub struct Browser {
    to: ChildStdin,
    from: Receiver<Value>,
    process: Process,
    /// Of the page.
    session: Option<String>,
    /// The number of the last request.
    last: u64,
    /// What it told without having been asked.
    events: Vec<Value>,
    /// Where a button of the mouse is down.
    pointer: (f64, f64),
    folder: TempDir,
}

impl Browser {
    /// Starts it and waits until the page is there.
    #[track_caller]
    pub fn open(host: &Netns, address: &str) -> Result<Self> {
        command::find(PROGRAM)?;
        let folder = TempDir::new()?;
        let at = folder.path().display();
        let own =
            [format!("--user-data-dir={at}/profile"), format!("--log-net-log={}", record(&folder).display())];
        let places = [format!("HOME={at}"), format!("TMPDIR={at}")];
        let mut argv = vec!["env"];
        argv.extend(places.iter().map(String::as_str));
        argv.extend(["sh", "-c", MOVE_PIPES, PROGRAM]);
        argv.extend(OPTIONS);
        argv.extend(own.iter().map(String::as_str));
        let (process, (to, from)) = Process::start_talking(host, &argv, &folder.path().join("log"))?;
        let mut browser = Self {
            to,
            from: messages(from),
            process,
            session: None,
            last: 0,
            events: Vec::new(),
            pointer: (0.0, 0.0),
            folder,
        };
        browser.go(address)?;
        Ok(browser)
    }

    fn go(&mut self, address: &str) -> Result {
        let target = self.ask("Target.createTarget", json!({ "url": "about:blank" }))?;
        let target = target.get("targetId").cloned().unwrap_or_default();
        let session = self.ask("Target.attachToTarget", json!({ "targetId": target, "flatten": true }))?;
        self.session = session.get("sessionId").and_then(Value::as_str).map(str::to_owned);
        for part in ["Page", "Runtime", "Log", "Network"] {
            self.ask(&format!("{part}.enable"), json!({}))?;
        }
        // A page without a window has the keyboard's focus only if it is told so.
        self.ask("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }))?;
        let gone = self.ask("Page.navigate", json!({ "url": address }))?;
        if let Some(why) = gone.get("errorText").and_then(Value::as_str) {
            return Err(Error::new(format!("{address}: {why}")));
        }
        self.wait("the page", "document.readyState === 'complete'")
    }

    /// One request of the protocol, to the page if there is one yet.
    #[track_caller]
    fn ask(&mut self, method: &str, parameters: Value) -> Result<Value> {
        self.last += 1;
        let id = self.last;
        let mut message = serde_json::Map::new();
        message.insert("id".to_owned(), id.into());
        message.insert("method".to_owned(), method.into());
        message.insert("params".to_owned(), parameters);
        if let Some(session) = &self.session {
            message.insert("sessionId".to_owned(), session.as_str().into());
        }
        let mut bytes = serde_json::to_vec(&message)?;
        bytes.push(0);
        self.to.write_all(&bytes).map_err(|error| self.broken(method, &error.to_string()))?;
        loop {
            let message = self.from.recv_timeout(LIMIT).map_err(|error| {
                let why = match error {
                    RecvTimeoutError::Timeout => "no answer",
                    RecvTimeoutError::Disconnected => "the browser has ended",
                };
                self.broken(method, why)
            })?;
            if message.get("id").and_then(Value::as_u64) != Some(id) {
                self.events.push(message);
                continue;
            }
            if let Some(error) = message.get("error") {
                return Err(Error::new(format!("{method}: {error}")));
            }
            return Ok(message.get("result").cloned().unwrap_or_default());
        }
    }

    #[track_caller]
    fn broken(&self, method: &str, why: &str) -> Error {
        Error::new(format!("{method}: {why}; its log ends:\n{}", self.process.log().tail(20)))
    }

    /// What an expression of JavaScript is on the page.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let done = self.ask("Runtime.evaluate", asked)?;
        if let Some(thrown) = done.get("exceptionDetails") {
            return Err(Error::new(format!("{expression}: {thrown}")));
        }
        Ok(done.pointer("/result/value").cloned().unwrap_or_default())
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait(&mut self, what: &str, expression: &str) -> Result {
        wait::until(what, LIMIT, || Ok(self.evaluate(expression)? == true)).map_err(|error| {
            let page = self.evaluate("document.body.innerText").unwrap_or_default();
            Error::new(format!("{error}; the page says: {}", page.as_str().unwrap_or_default()))
        })
    }

    /// Clicks on the middle of an element, when it is there and nothing lies over it.
    #[track_caller]
    pub fn click(&mut self, selector: &str) -> Result {
        self.press(selector)?;
        self.release()
    }

    /// Presses the button of the mouse over an element, and holds it.
    #[track_caller]
    pub fn press(&mut self, selector: &str) -> Result {
        let middle = format!(
            "(() => {{ const element = document.querySelector({}); if (!element) return null; \
             element.scrollIntoView({{ block: 'center' }}); const box = element.getBoundingClientRect(); \
             const x = box.x + box.width / 2, y = box.y + box.height / 2; \
             const there = document.elementFromPoint(x, y); \
             return there && element.contains(there) ? [x, y] : null; }})()",
            json!(selector)
        );
        self.pointer = wait::value(&format!("{selector} to be there to be clicked"), LIMIT, || {
            let place = self.evaluate(&middle)?;
            let number = |index: usize| place.get(index).and_then(Value::as_f64);
            Ok(number(0).zip(number(1)))
        })?;
        self.mouse("mouseMoved", 0)?;
        self.mouse("mousePressed", 1)
    }

    /// Lets the button of the mouse go.
    #[track_caller]
    pub fn release(&mut self) -> Result {
        self.mouse("mouseReleased", 0)
    }

    fn mouse(&mut self, kind: &str, buttons: u8) -> Result {
        let (x, y) = self.pointer;
        let button = if kind == "mouseMoved" { "none" } else { "left" };
        let event =
            json!({ "type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": 1 });
        self.ask("Input.dispatchMouseEvent", event).map(drop)
    }

    /// Clicks into a field and writes.
    #[track_caller]
    pub fn write(&mut self, selector: &str, text: &str) -> Result {
        self.click(selector)?;
        self.ask("Input.insertText", json!({ "text": text })).map(drop)
    }

    /// The key that ends a line.
    #[track_caller]
    pub fn enter(&mut self) -> Result {
        for (kind, text) in [("keyDown", "\r"), ("keyUp", "")] {
            let event = json!({
                "type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": text,
            });
            self.ask("Input.dispatchKeyEvent", event)?;
        }
        Ok(())
    }

    /// Another screen: its width and height in pixels of the page, a phone's if it is narrow.
    #[track_caller]
    pub fn resize(&mut self, width: u32, height: u32) -> Result {
        let screen =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.ask("Emulation.setDeviceMetricsOverride", screen).map(drop)
    }

    /// What its user prefers: `light` or `dark`.
    #[track_caller]
    pub fn prefer(&mut self, scheme: &str) -> Result {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.ask("Emulation.setEmulatedMedia", json!({ "features": features })).map(drop)
    }

    /// A picture of the whole page (PNG).
    #[track_caller]
    pub fn picture(&mut self, path: &Path) -> Result {
        let size = self.ask("Page.getLayoutMetrics", json!({}))?;
        let size = |key: &str| size.pointer(&format!("/cssContentSize/{key}")).cloned().unwrap_or_default();
        let clip = json!({ "x": 0, "y": 0, "width": size("width"), "height": size("height"), "scale": 1 });
        let taken =
            self.ask("Page.captureScreenshot", json!({ "clip": clip, "captureBeyondViewport": true }))?;
        let text = taken.get("data").and_then(Value::as_str).unwrap_or_default();
        let text = self.folder.write("picture", text)?;
        let decode = "base64 -d \"$0\" >\"$1\"";
        run(&["sh", "-c", decode, &text.to_string_lossy(), &path.to_string_lossy()]).map(drop)
    }

    /// Everything it has told so far.
    #[track_caller]
    fn told(&mut self) -> Result<&[Value]> {
        // What has happened is told before what is asked is answered.
        self.evaluate("0")?;
        Ok(&self.events)
    }

    /// Faults of the page: exceptions, what was refused, whatever it wrote to the console.
    #[track_caller]
    pub fn complaints(&mut self) -> Result<Vec<String>> {
        let bad = ["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"];
        let told = self.told()?.iter().filter(|event| bad.iter().any(|bad| is(event, bad)));
        Ok(told.map(ToString::to_string).collect())
    }

    /// The addresses that were asked for, in order.
    #[track_caller]
    pub fn requests(&mut self) -> Result<Vec<String>> {
        let sent = self.told()?.iter().filter(|event| is(event, "Network.requestWillBeSent"));
        let address = |event: &Value| Some(event.pointer("/params/request/url")?.as_str()?.to_owned());
        Ok(sent.filter_map(address).collect())
    }

    /// Ends it, and says whom it has asked for anything.
    #[track_caller]
    pub fn close(mut self) -> Result<Asked> {
        self.session = None;
        // It may be gone before it has answered.
        let _ = self.ask("Browser.close", json!({}));
        self.process.wait_exit(LIMIT)?;
        Asked::read(&std::fs::read_to_string(record(&self.folder))?)
    }
}

/// Where it records what it does on the network.
fn record(folder: &TempDir) -> PathBuf {
    folder.path().join("net.json")
}

fn is(event: &Value, method: &str) -> bool {
    event.get("method").and_then(Value::as_str) == Some(method)
}

/// What comes out of the pipe, read by a thread that ends with the browser.
fn messages(from: ChildStdout) -> Receiver<Value> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for message in BufReader::new(from).split(0) {
            let message = message.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            if message.is_none_or(|message| sender.send(message).is_err()) {
                return;
            }
        }
    });
    receiver
}
