//! The servers behind the services of the comparison: threads that speak as much of a protocol as a check wants.
#![expect(clippy::disallowed_methods, reason = "servers are threads")]

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use lab::{Behaviour, HttpServer, Netns, Process, Result, TempDir};

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// Web: 200 and the body `ok`.
    Http,
    /// The same over IPv6.
    Http6,
    /// The same over TLS.
    Https,
    /// Mail.
    Smtp,
    /// Names: an answer without records to whatever is asked.
    Dns,
    /// Datagrams come back as they are.
    Echo,
    /// Nothing listens; its address answers pings.
    Nothing,
}

/// A running server, which stops with it.
#[derive(Debug)]
pub enum Backend {
    Web(HttpServer),
    Tls(#[expect(dead_code, reason = "a guard")] Process),
    Mail { listener: TcpListener, acceptor: Option<JoinHandle<()>> },
    Datagrams { stop: Arc<AtomicBool>, worker: Option<JoinHandle<()>> },
    Address,
}

impl Backend {
    /// Starts one in a host. `files` has the certificate.
    pub fn start(host: &Netns, speaks: Speaks, address: &str, files: &TempDir) -> Result<Self> {
        Ok(match speaks {
            Speaks::Http | Speaks::Http6 => Self::Web(HttpServer::start(host, address, "ok")?),
            Speaks::Https => {
                let path = |name: &str| files.path().join(name).to_string_lossy().into_owned();
                let (certificate, key) = (path("server.pem"), path("server.key"));
                let argv =
                    ["openssl", "s_server", "-accept", address, "-cert", &certificate, "-key", &key, "-www"];
                Self::Tls(Process::start(host, &argv, &files.path().join("openssl.log"))?)
            }
            Speaks::Smtp => {
                let listener = host.enter(|| TcpListener::bind(address))??;
                let own = listener.try_clone()?;
                let acceptor = std::thread::spawn(move || {
                    for stream in own.incoming() {
                        // Shut down: the end.
                        let Ok(stream) = stream else { return };
                        // A client that goes away early is its own affair.
                        std::thread::spawn(move || mail(&stream));
                    }
                });
                Self::Mail { listener, acceptor: Some(acceptor) }
            }
            Speaks::Dns | Speaks::Echo => {
                let socket = host.enter(|| UdpSocket::bind(address))??;
                socket.set_read_timeout(Some(Duration::from_millis(200)))?;
                let stop = Arc::new(AtomicBool::new(false));
                let stopped = Arc::clone(&stop);
                let worker = std::thread::spawn(move || {
                    let mut bytes = [0; 1500];
                    while !stopped.load(Ordering::Relaxed) {
                        let Ok((length, peer)) = socket.recv_from(&mut bytes) else { continue };
                        if let (Speaks::Dns, Some(flags)) = (speaks, bytes.get_mut(2..4)) {
                            // It is a response, recursion is available, all is well.
                            flags.copy_from_slice(&[0x81, 0x80]);
                        }
                        let _lost = socket.send_to(bytes.get(..length).unwrap_or_default(), peer);
                    }
                });
                Self::Datagrams { stop, worker: Some(worker) }
            }
            Speaks::Nothing => Self::Address,
        })
    }

    /// A web server answers like this from now on.
    pub fn answers(&self, status: u16) -> Result {
        let Self::Web(server) = self else { return Err("not a web server".into()) };
        server.behave(Behaviour::Status(status));
        Ok(())
    }
}

fn mail(stream: &TcpStream) -> std::io::Result<()> {
    // Longer than a check may take on a busy machine.
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut writer = stream;
    writer.write_all(b"220 mail.example ESMTP\r\n")?;
    for line in BufReader::new(stream).lines() {
        let quit = line?.starts_with("QUIT");
        writer.write_all(if quit { b"221 bye\r\n" } else { b"250 mail.example\r\n" })?;
        if quit {
            break;
        }
    }
    stream.shutdown(Shutdown::Both)
}

impl Drop for Backend {
    fn drop(&mut self) {
        let worker = match self {
            Self::Mail { listener, acceptor } => {
                // Wakes the thread that waits in accept; one that has ended needs no waking.
                let _ = nix::sys::socket::shutdown(listener.as_raw_fd(), nix::sys::socket::Shutdown::Both);
                acceptor.take()
            }
            Self::Datagrams { stop, worker } => {
                stop.store(true, Ordering::Relaxed);
                worker.take()
            }
            Self::Web(_) | Self::Tls(_) | Self::Address => None,
        };
        let _ended = worker.map(JoinHandle::join);
    }
}
