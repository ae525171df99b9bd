//! Packets as tcpdump saw them, with the kernel's time stamps.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use crate::packet::{Advert, Packet};
use crate::{Error, Log, Netns, Result, TempDir, wait};

const FILTER: &str = "ip proto 112 or ip6 proto 112 or arp or (icmp6 and ip6[40] == 136)";

/// A frame and when the kernel saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The kernel's clock (CLOCK_REALTIME), in nanoseconds.
    pub at: SystemTime,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What they mean.
    pub packet: Packet,
}

/// A running tcpdump.
#[derive(Debug)]
pub struct Capture {
    child: Child,
    frames: Arc<Mutex<Vec<Frame>>>,
    reader: Option<JoinHandle<()>>,
    _folder: TempDir,
}

impl Capture {
    /// Starts to record the VRRP, ARP and neighbour packets of an interface; returns when it records.
    #[track_caller]
    pub fn start(host: &Netns, interface: &str) -> Result<Self> {
        Self::start_with(host, interface, FILTER)
    }

    /// Starts to record what a tcpdump filter lets pass.
    #[track_caller]
    pub fn start_with(host: &Netns, interface: &str, filter: &str) -> Result<Self> {
        let folder = TempDir::new()?;
        let errors = folder.path().join("tcpdump.log");
        let mut child = Command::new("ip")
            .args(["netns", "exec", host.name(), "setpriv", "--pdeathsig", "KILL", "--"])
            .args(["tcpdump", "-i", interface, "-n", "-s", "512", "-w", "-", "-U", "--immediate-mode"])
            .args(["--time-stamp-precision", "nano", "-Z", "root", filter])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&errors)?)
            .spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| Error::new("a piped program has an output"))?;
        let frames = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&frames);
        let reader = std::thread::spawn(move || {
            // The end of the stream is the end of the recording.
            let _ = read_frames(stdout, &sink);
        });
        let capture = Self { child, frames, reader: Some(reader), _folder: folder };
        Log::new(errors).wait("listening on", Duration::from_secs(10))?;
        Ok(capture)
    }

    /// All frames so far.
    #[must_use]
    pub fn frames(&self) -> Vec<Frame> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many frames there are so far: a place to look from.
    #[must_use]
    pub fn mark(&self) -> usize {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The frames after a mark.
    #[must_use]
    pub fn frames_from(&self, mark: usize) -> Vec<Frame> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).get(mark..).unwrap_or_default().to_vec()
    }

    /// All advertisements so far, with their times.
    #[must_use]
    pub fn adverts(&self) -> Vec<(SystemTime, Advert)> {
        self.adverts_from(0)
    }

    /// The advertisements after a mark, with their times.
    #[must_use]
    pub fn adverts_from(&self, mark: usize) -> Vec<(SystemTime, Advert)> {
        let frames = self.frames_from(mark);
        frames.into_iter().filter_map(|frame| Some((frame.at, frame.packet.advert()?.clone()))).collect()
    }

    /// Waits for a frame after `mark` that fits.
    #[track_caller]
    pub fn wait_from(
        &self,
        mark: usize,
        what: &str,
        limit: Duration,
        fits: impl Fn(&Frame) -> bool,
    ) -> Result<Frame> {
        wait::value(what, limit, || Ok(self.frames_from(mark).into_iter().find(&fits)))
    }

    /// Waits for an advertisement that fits, among all so far and to come.
    #[track_caller]
    pub fn wait_advert(&self, limit: Duration, fits: impl Fn(&Advert) -> bool) -> Result<Advert> {
        self.wait_advert_from(0, limit, fits).map(|(_, advert)| advert)
    }

    /// Waits for an advertisement after `mark` that fits.
    #[track_caller]
    pub fn wait_advert_from(
        &self,
        mark: usize,
        limit: Duration,
        fits: impl Fn(&Advert) -> bool,
    ) -> Result<(SystemTime, Advert)> {
        let frame = self.wait_from(mark, "a fitting advertisement", limit, |frame| {
            frame.packet.advert().is_some_and(&fits)
        })?;
        let advert = frame.packet.advert().cloned().ok_or_else(|| Error::new("the frame is an advert"))?;
        Ok((frame.at, advert))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // The recorder may be gone already; either way the reader ends at the end of its output.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Reads the pcap stream: a header of 24 bytes, then records of a header of 16 and the frame.
fn read_frames(mut stream: impl Read, sink: &Mutex<Vec<Frame>>) -> std::io::Result<()> {
    let mut header = [0; 24];
    stream.read_exact(&mut header)?;
    loop {
        let mut record = [[0; 4]; 4];
        for field in &mut record {
            stream.read_exact(field)?;
        }
        let [seconds, nanoseconds, length, _] = record.map(u32::from_ne_bytes);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        stream.read_exact(&mut bytes)?;
        let at = SystemTime::UNIX_EPOCH + Duration::new(seconds.into(), nanoseconds);
        let packet = Packet::decode(&bytes);
        sink.lock().unwrap_or_else(PoisonError::into_inner).push(Frame { at, bytes, packet });
    }
}
