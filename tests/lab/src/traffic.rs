//! A client that never stops asking: who answered when, and how long nobody did.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{Netns, Result, http};

/// One request of the client.
#[derive(Debug, Clone)]
pub struct Sample {
    /// When it was over.
    pub at: Instant,
    /// The body of the answer, or why there was none.
    pub answer: std::result::Result<String, String>,
}

/// A running client.
#[derive(Debug)]
pub struct Traffic {
    samples: Arc<Mutex<Vec<Sample>>>,
    stop: Arc<AtomicBool>,
    asker: Option<JoinHandle<()>>,
}

impl Traffic {
    /// Starts to ask `http://ADDRESS/` from a host, one request after the other with a pause between them.
    #[track_caller]
    pub fn start(host: &Netns, address: &str, pause: Duration, limit: Duration) -> Result<Self> {
        let address: SocketAddr = address.parse()?;
        let samples = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (sink, ended) = (Arc::clone(&samples), Arc::clone(&stop));
        let inside = host.thread()?;
        let asker = std::thread::spawn(move || {
            if inside.enter().is_err() {
                return;
            }
            while !ended.load(Ordering::Relaxed) {
                let answer = match http::request(address, "/", limit) {
                    Ok(reply) if reply.status == 200 => Ok(reply.body.trim().to_owned()),
                    Ok(reply) => Err(format!("status {}", reply.status)),
                    Err(error) => Err(error.to_string()),
                };
                let sample = Sample { at: Instant::now(), answer };
                sink.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
                std::thread::sleep(pause);
            }
        });
        Ok(Self { samples, stop, asker: Some(asker) })
    }

    /// How many requests there were so far: a place to look from.
    #[must_use]
    pub fn mark(&self) -> usize {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The requests after a mark.
    #[must_use]
    pub fn samples_from(&self, mark: usize) -> Vec<Sample> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).get(mark..).unwrap_or_default().to_vec()
    }

    /// How many requests after a mark were answered by `name`.
    #[must_use]
    pub fn answered_by(&self, mark: usize, name: &str) -> usize {
        self.samples_from(mark).iter().filter(|sample| sample.answer.as_deref() == Ok(name)).count()
    }

    /// How many requests after a mark were not answered.
    #[must_use]
    pub fn failed(&self, mark: usize) -> usize {
        self.samples_from(mark).iter().filter(|sample| sample.answer.is_err()).count()
    }

    /// The longest time after a mark from one answer to the next.
    #[must_use]
    pub fn longest_gap(&self, mark: usize) -> Duration {
        // The answer before the mark is where a gap at its beginning starts.
        let samples = self.samples_from(mark.saturating_sub(1));
        let answered: Vec<Instant> =
            samples.iter().filter(|sample| sample.answer.is_ok()).map(|sample| sample.at).collect();
        let gaps = answered.iter().zip(answered.iter().skip(1)).map(|(before, after)| *after - *before);
        gaps.max().unwrap_or_default()
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(asker) = self.asker.take() {
            let _ = asker.join();
        }
    }
}
