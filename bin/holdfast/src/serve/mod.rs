//! `holdfast serve`: the status over HTTP, from a process of its own that needs no privileges but the sockets'.
//!
//! It asks the daemon no more than once a second, however many clients there are, and never anything but `status`; with
//! a token it also passes on orders for real servers.

mod history;
mod http;
mod metrics;
mod openmetrics;
mod orders;
mod page;
mod stats_csv;
#[cfg(test)]
mod tests;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::event_loop::clock;
use common::exit::Exit;
use serde_json::Value;

use crate::cli::{Arguments, Serve};
use crate::output::Output;
use crate::status::model::{Checker, Whole};
use crate::status::text::without_nulls;
use history::History;
use http::{Listener, Request, Response};
use orders::{Orders, Token, Told};

/// How old an answer may be.
const FRESH: Duration = Duration::from_secs(1);

/// Serves until it is killed.
pub(crate) fn run(arguments: &Arguments, how: &Serve, output: &mut Output) -> Exit {
    let token = match how.token_file.as_deref().map(|path| Token::read(path).map_err(|why| (path, why))) {
        Some(Err((path, why))) => {
            output.complain(&format!("--token-file: {} {why}\n", path.display()));
            return Exit::Config;
        }
        Some(Ok(token)) => Some(token),
        None => None,
    };
    let listener = match Listener::new(&how.listen) {
        Ok(listener) => listener,
        Err(error) => {
            output.complain(&format!("cannot listen on {}: {error}\n", how.listen));
            return Exit::Failed;
        }
    };
    if token.is_some() && listener.is_public() {
        output.complain(&format!(
            "warning: the token can be read by whoever can listen to the traffic to {}: put a proxy with TLS before it\n",
            how.listen
        ));
    }
    output.complain(&format!("serving on {}\n", how.listen));
    let service = Service::new(arguments.run_dir.clone(), how.compat.is_some(), token);
    listener.serve(&headers(), |request| {
        let (response, log) = service.answer(request);
        if let Some(line) = log {
            let _closed = io::stderr().write_all(format!("{line}\n").as_bytes());
        }
        response
    });
    Exit::Failed
}

/// The status and the orders. Who waits for an order to be taken keeps nobody from looking.
struct Service {
    site: Mutex<Site>,
    orders: Mutex<Orders>,
}

impl Service {
    fn new(run_dir: PathBuf, compatible: bool, token: Option<Token>) -> Self {
        let orders = Orders::new(run_dir.clone(), token);
        let site = Site { steerable: orders.are_taken(), ..Site::new(run_dir, compatible) };
        Self { site: Mutex::new(site), orders: Mutex::new(orders) }
    }

    /// What is said to a request, and to the log.
    fn answer(&self, request: &Request) -> (Response, Option<String>) {
        if !Orders::is_place(&request.target) {
            return (lock(&self.site).answer(request), None);
        }
        let admitted = lock(&self.orders).admit(request, clock::now());
        let Told { answer: (status, kind, content), log } = match admitted {
            Ok(order) => {
                let told = order.give();
                // Whoever has given an order looks at what came of it.
                lock(&self.site).asked = None;
                told
            }
            Err(told) => told,
        };
        (Response { status, kind, content }, log)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is served.
struct Site {
    run_dir: PathBuf,
    compatible: bool,
    /// Whether orders are taken.
    steerable: bool,
    asked: Option<Instant>,
    status: Value,
    /// Why the daemon gave no status.
    fault: Option<String>,
    history: History,
}

/// An answer: its status, the kind of its content, and the content.
type Answer = (u16, &'static str, String);

const HTML: &str = "text/html; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

impl Site {
    fn new(run_dir: PathBuf, compatible: bool) -> Self {
        let history = History::default();
        Self { run_dir, compatible, steerable: false, asked: None, status: Value::Null, fault: None, history }
    }

    fn answer(&mut self, request: &Request) -> Response {
        let (status, kind, content) = if ["GET", "HEAD"].contains(&request.method.as_str()) {
            self.get(&request.target)
        } else {
            (405, PLAIN, "only GET\n".to_owned())
        };
        Response { status, kind, content }
    }

    fn get(&mut self, url: &str) -> Answer {
        let path = url.split('?').next().unwrap_or_default();
        let known = ["/", "/body", "/metrics", "/status.json", "/stats;csv", "/health"];
        if !known.contains(&path) {
            return (404, PLAIN, format!("there are {}\n", known.join(" ")));
        }
        self.refresh(clock::now());
        let whole = self.whole();
        match (path, &self.fault) {
            // What measures must learn that there is nothing to measure.
            ("/metrics", _) => (200, openmetrics::CONTENT_TYPE, metrics::render(&whole, self.compatible)),
            ("/", _) => (200, HTML, page::render(&whole, &self.history, NONCE, self.steerable)),
            ("/body", _) => (200, HTML, page::body(&whole, &self.history, self.steerable)),
            (_, Some(fault)) => (503, PLAIN, format!("{fault}\n")),
            ("/stats;csv", None) => (200, PLAIN, stats_csv::render(&whole.checker())),
            ("/health", None) => (200, PLAIN, "ok\n".to_owned()),
            (_, None) => {
                let text = serde_json::to_string_pretty(&self.status).unwrap_or_default();
                (200, "application/json", text + "\n")
            }
        }
    }

    /// The status as it is read. What is not known is left out, as where a mark has no protocol.
    fn whole(&self) -> Whole {
        serde_json::from_value(without_nulls(&self.status)).unwrap_or_default()
    }

    /// Asks the daemon, unless it was asked a moment ago.
    fn refresh(&mut self, now: Instant) {
        if self.asked.is_some_and(|asked| now.saturating_duration_since(asked) < FRESH) {
            return;
        }
        match crate::status::gather(&self.run_dir, None) {
            Ok((status, faults)) => {
                self.fault = (!faults.is_empty()).then(|| faults.join("\n"));
                self.status = status;
            }
            Err(error) => {
                self.fault = Some(error.to_string());
                self.status = Value::Null;
            }
        }
        let whole = self.whole();
        let checker: Checker = whole.checker();
        self.history.add(&checker);
        self.asked = Some(clock::now());
    }
}

/// The page's own style and script carry this word; nothing that a server says can be run.
const NONCE: &str = "holdfast";
const POLICY: &str = "default-src 'none'; style-src 'nonce-holdfast'; script-src 'nonce-holdfast'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What every answer says besides.
fn headers() -> String {
    [
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Frame-Options", "DENY"),
        ("Content-Security-Policy", POLICY),
    ]
    .map(|(name, value)| format!("{name}: {value}\r\n"))
    .concat()
}
