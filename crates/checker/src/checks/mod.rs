//! The kinds of checks: what one attempt says and hears, and what it concludes from that.
//!
//! One file per kind holds its settings, how they are read from the configuration, and its probe; one
//! line in the list below makes the kind known everywhere. A probe is a small state machine: it is told
//! what happened ([`Input`]) and says what is wanted next ([`Step`]). It holds no descriptor and knows no
//! time: connections, TLS, processes and the time limit belong to `transport` and to `machine::schedule`.
//! Whatever the server sends, a probe keeps a bounded part of it.

pub mod certificate;
mod kind;
mod lines;
#[cfg(test)]
mod transcript;

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;

use common::config::{CommandLine, Diagnostics, Table, UserName};

pub use kind::{CheckKind, Defaults, Port, Shown};

/// Makes the kinds known: one line each.
macro_rules! kinds {
    ($($(#[$doc:meta])* $module:ident => $variant:ident;)*) => {
        $(pub mod $module;)*

        /// The settings of a check, of whatever kind.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $variant($module::Settings),)*
        }

        /// The kinds by the words of the configuration.
        pub const KINDS: &[(&str, KindName)] =
            &[$((<$module::Settings as CheckKind>::NAME, KindName::$variant)),*];

        /// A kind without its settings.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum KindName {
            $($(#[$doc])* $variant,)*
        }

        impl KindName {
            /// Takes the keys of the kind from the check's table.
            pub fn read(self, table: &mut Table<'_>, d: &mut Diagnostics) -> Option<Kind> {
                match self {
                    $(Self::$variant => $module::Settings::read(table, d).map(Kind::$variant),)*
                }
            }

            /// What holds where the configuration says nothing.
            pub fn defaults(self) -> Defaults {
                match self {
                    $(Self::$variant => <$module::Settings as CheckKind>::DEFAULTS,)*
                }
            }
        }

        impl Kind {
            /// The word of the configuration.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => <$module::Settings as CheckKind>::NAME,)*
                }
            }

            /// An attempt on this target.
            pub fn probe(&self, target: SocketAddr) -> Box<dyn Probe> {
                match self {
                    $(Self::$variant(settings) => settings.probe(target),)*
                }
            }
        }
    };
}

kinds! {
    /// Accepts a connection.
    tcp => Tcp;
    /// Answers an HTTP request.
    http => Http;
    /// Answers an HTTP request over TLS.
    https => Https;
    /// What a program says.
    script => Script;
    /// What a number in a file says.
    file => File;
    /// Greets and answers as a mail server does.
    smtp => Smtp;
    /// Answers a question about a name.
    dns => Dns;
    /// Does not refuse a datagram, or answers it.
    udp => Udp;
    /// Answers an ICMP echo request.
    ping => Ping;
    /// Answers PING.
    redis => Redis;
    /// Takes part in the start of a session.
    postgres => Postgres;
    /// Greets and answers a login.
    mysql => Mysql;
}

/// What an attempt found, in plain words, as `status` and the log show it.
pub type Words = Cow<'static, str>;

/// What happened since the probe's last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// The attempt begins. Always the first input, exactly once.
    Start,
    /// The connection asked for stands (for datagrams: the socket is ready to send).
    Connected,
    /// The TLS handshake asked for is complete.
    Secured,
    /// These bytes came in on the stream; none of them is delivered twice.
    Bytes(&'a [u8]),
    /// This datagram came in.
    Datagram(&'a [u8]),
    /// The server has closed its side of the stream.
    Closed,
    /// The network or the server refused: the connection, a message, the handshake.
    Refused(&'a Refusal),
    /// The process asked for has ended.
    Exited(Exited),
    /// The time limit of the attempt has passed. The answer must be [`Step::Done`].
    TimedOut,
}

/// Why a connection attempt or a message failed on the server's side of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In plain words: `connection refused`.
    pub words: Words,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exited {
    /// With this status.
    Code(u8),
    /// By this signal.
    Signal(i32),
}

/// What a probe wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Open this kind of path to the target of the attempt.
    Connect(Path),
    /// Start TLS on the stream that stands.
    Secure(Tls),
    /// Send these bytes, then wait for what comes.
    Send(Vec<u8>),
    /// Wait for what comes.
    Read,
    /// Run this program, then wait for its end.
    Spawn(Program),
    /// Read the beginning of this file, as if it were a stream.
    Load(String),
    /// The attempt is over.
    Done(Verdict),
}

/// The kind of path a probe talks over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// A TCP stream on which the server may talk first.
    Stream,
    /// A TCP stream on which we talk first, at once.
    Request,
    /// UDP datagrams.
    Datagram,
    /// ICMP echo messages.
    Echo,
}

/// How TLS is spoken.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tls {
    /// The name sent in SNI, and expected in the certificate where it is verified.
    pub server_name: Option<String>,
    /// Whether the certificate is verified, and against what.
    pub verify: Verify,
    /// Whether TLS 1.2 is refused.
    pub only_1_3: bool,
    /// PEM files of the certificate (chain) and the key that this side shows.
    pub identity: Option<(String, String)>,
    /// How long before the server's certificate expires somebody should be told; nothing: never.
    pub warn_before: std::time::Duration,
}

/// Against what a server's certificate is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verify {
    /// Any certificate will do: a check asks whether the server works, not who it is.
    #[default]
    Nothing,
    /// It must be issued, through whatever chain it sends, by an authority of this PEM file.
    Authority(String),
}

/// A program that a check runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Program {
    /// The program and its arguments.
    pub command: CommandLine,
    /// The user it runs as; the configured script user where absent.
    pub user: Option<UserName>,
}

/// What an attempt concludes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server does what it should.
    Pass {
        /// What it did.
        words: Words,
        /// What becomes of the server's weight, from checks that can tell.
        weight: Option<Weight>,
    },
    /// It does not.
    Fail(Words),
    /// Nothing is known of the server, because something on this machine was in the way.
    Unknown(Words),
}

/// What a check makes of the configured weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// This instead of it.
    Set(u32),
    /// So much more, or less.
    Add(i64),
}

impl Verdict {
    /// A pass that says nothing of the weight.
    pub fn pass(words: impl Into<Words>) -> Self {
        Self::Pass { words: words.into(), weight: None }
    }

    /// A failure of the server.
    pub fn fail(words: impl Into<Words>) -> Self {
        Self::Fail(words.into())
    }

    /// What was found, in plain words.
    pub fn words(&self) -> &Words {
        match self {
            Self::Pass { words, .. } | Self::Fail(words) | Self::Unknown(words) => words,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass { words, weight: None } => write!(f, "pass: {words}"),
            Self::Pass { words, weight: Some(Weight::Set(weight)) } => {
                write!(f, "pass: {words} (weight {weight})")
            }
            Self::Pass { words, weight: Some(Weight::Add(weight)) } => {
                write!(f, "pass: {words} (weight {weight:+})")
            }
            Self::Fail(words) => write!(f, "fail: {words}"),
            Self::Unknown(words) => write!(f, "unknown: {words}"),
        }
    }
}

/// One attempt of one check.
pub trait Probe: fmt::Debug {
    /// Takes what happened, says what is wanted next. Not called again after [`Step::Done`].
    fn on(&mut self, input: Input<'_>) -> Step;
}
