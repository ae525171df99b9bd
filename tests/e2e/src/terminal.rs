//! A terminal with a program in it: what an operator sees and presses.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::num::NonZero;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use lab::{Error, Holdfast, Netns, Program, Result, wait};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;

const LIMIT: Duration = Duration::from_secs(60);

/// The terminal; the program in it is killed with it.
pub struct Terminal {
    keys: File,
    /// Kept open, so that the terminal outlives the program and can be looked at.
    own_end: File,
    screen: vt100::Parser,
    child: Child,
}

impl Terminal {
    /// Runs `holdfast ARGUMENTS` against a daemon in its host, on a screen of this size.
    #[track_caller]
    pub fn holdfast(
        host: &Netns,
        ours: &Holdfast,
        arguments: &[&str],
        rows: u16,
        columns: u16,
    ) -> Result<Self> {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(&size, None)?;
        let (keys, own_end) = (File::from(pair.master), File::from(pair.slave));
        fcntl(&keys, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        // A session of its own, with this as its terminal.
        let child = Command::new("setsid")
            .args(["--ctty", "ip", "netns", "exec", host.name(), "setpriv", "--pdeathsig", "KILL", "--"])
            .arg(lab::program(Program::Holdfast)?)
            .args(arguments)
            .arg("--run-dir")
            .arg(ours.folder().path().join("run"))
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .stdin(own_end.try_clone()?)
            .stdout(own_end.try_clone()?)
            .stderr(own_end.try_clone()?)
            .spawn()?;
        Ok(Self {
            keys,
            own_end,
            screen: vt100::Parser::new(at_least_one(rows), at_least_one(columns), 0),
            child,
        })
    }

    /// What is on the screen now.
    pub fn look(&mut self) -> Result<&vt100::Screen> {
        let mut bytes = [0; 65536];
        loop {
            match self.keys.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => self.screen.process(bytes.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.screen.screen())
    }

    /// Waits until the text of the screen is as wanted; returns it.
    #[track_caller]
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let mut last = String::new();
        let found = wait::until(what, LIMIT, || {
            last = self.look()?.contents();
            Ok(wanted(&last))
        });
        found.map_err(|error| Error::new(format!("{error}; on the screen is\n{last}")))?;
        Ok(last)
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) -> Result {
        Ok(self.keys.write_all(keys.as_bytes())?)
    }

    /// Gives the screen another size.
    pub fn resize(&mut self, rows: u16, columns: u16) -> Result {
        self.screen.screen_mut().set_size(at_least_one(rows), at_least_one(columns));
        let text = format!("stty rows {rows} cols {columns}");
        let own_end = self.own_end.try_clone()?;
        let done = Command::new("sh").args(["-c", &text]).stdin(own_end).status()?;
        if done.success() { Ok(()) } else { Err(Error::new(text)) }
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: Signal) -> Result {
        Ok(kill(Pid::from_raw(self.child.id().cast_signed()), signal)?)
    }

    /// Waits for the program's end; an error if the terminal is not as it was before.
    #[track_caller]
    pub fn end(mut self) -> Result<ExitStatus> {
        let mut ended = None;
        wait::until("the end of the program", LIMIT, || {
            self.look()?;
            ended = self.child.try_wait()?;
            Ok(ended.is_some())
        })?;
        let flags = tcgetattr(&self.own_end)?.local_flags;
        let screen = self.look()?;
        if screen.alternate_screen() || screen.hide_cursor() {
            return Err(Error::new(format!("the screen was not given back\n{}", screen.contents())));
        }
        if !flags.contains(LocalFlags::ICANON | LocalFlags::ECHO) {
            return Err(Error::new(format!("the terminal stays without echo: {flags:?}")));
        }
        ended.ok_or_else(|| Error::new("it has not ended"))
    }
}

fn at_least_one(size: u16) -> NonZero<u16> {
    NonZero::new(size).unwrap_or(NonZero::<u16>::MIN)
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
