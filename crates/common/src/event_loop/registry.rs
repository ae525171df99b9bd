//! Which descriptor belongs to which key of the program.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::rc::Rc;

use mio::Token;
use mio::unix::SourceFd;

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Bytes to read.
    Read,
    /// Room to write, or the outcome of a connect.
    Write,
    /// Both.
    ReadWrite,
}

impl From<Interest> for mio::Interest {
    fn from(interest: Interest) -> Self {
        match interest {
            Interest::Read => Self::READABLE,
            Interest::Write => Self::WRITABLE,
            Interest::ReadWrite => Self::READABLE | Self::WRITABLE,
        }
    }
}

/// Slots with a generation each: an event for a descriptor that is gone finds no key.
#[derive(Debug)]
struct Slots<K> {
    slots: Vec<(u32, Option<K>)>,
    free: Vec<u32>,
}

impl<K: Copy> Slots<K> {
    fn take(&mut self, key: K) -> Option<Token> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slots.push((0, None));
                u32::try_from(self.slots.len() - 1).ok()?
            }
        };
        let slot = self.slots.get_mut(usize::try_from(index).ok()?)?;
        slot.1 = Some(key);
        token(index, slot.0)
    }

    fn find(&self, token: Token) -> Option<K> {
        let (index, generation) = parts(token);
        self.slots.get(index).filter(|slot| slot.0 == generation)?.1
    }

    fn set_key(&mut self, token: Token, key: Option<K>) {
        let (index, generation) = parts(token);
        if let Some(slot) = self.slots.get_mut(index).filter(|slot| slot.0 == generation) {
            slot.1 = key;
        }
    }

    fn release(&mut self, token: Token) {
        let (index, generation) = parts(token);
        let Some(slot) = self.slots.get_mut(index).filter(|slot| slot.0 == generation) else { return };
        // 31 bits, so that no token reaches those of the timer and the signals.
        *slot = ((generation + 1) & 0x7fff_ffff, None);
        self.free.extend(u32::try_from(index).ok());
    }
}

fn token(index: u32, generation: u32) -> Option<Token> {
    usize::try_from((u64::from(generation) << 32) | u64::from(index)).ok().map(Token)
}

fn parts(token: Token) -> (usize, u32) {
    let generation = u32::try_from(token.0 >> 32).unwrap_or(u32::MAX);
    (token.0 & 0xffff_ffff, generation)
}

/// The registrations of a loop. Cheap to clone.
#[derive(Debug)]
pub struct Registry<K> {
    inner: Rc<Inner<K>>,
}

#[derive(Debug)]
struct Inner<K> {
    mio: mio::Registry,
    slots: RefCell<Slots<K>>,
}

impl<K> Clone for Registry<K> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

impl<K: Copy> Registry<K> {
    pub(super) fn new(mio: mio::Registry) -> Self {
        let slots = RefCell::new(Slots { slots: Vec::new(), free: Vec::new() });
        Self { inner: Rc::new(Inner { mio, slots }) }
    }

    pub(super) fn key(&self, token: Token) -> Option<K> {
        self.inner.slots.borrow().find(token)
    }

    /// Reports readiness of `fd` under `key`, edge-triggered, until the registration is dropped.
    /// Keep the registration in front of the descriptor in the same struct, so that it goes first.
    ///
    /// # Errors
    /// Where the kernel refuses the descriptor.
    pub fn add(&self, fd: &impl AsFd, key: K, interest: Interest) -> io::Result<Registration<K>> {
        let raw = fd.as_fd().as_raw_fd();
        let token = self.inner.slots.borrow_mut().take(key).ok_or(io::ErrorKind::OutOfMemory)?;
        if let Err(error) = self.inner.mio.register(&mut SourceFd(&raw), token, interest.into()) {
            self.inner.slots.borrow_mut().release(token);
            return Err(error);
        }
        Ok(Registration { registry: self.clone(), fd: raw, token, released: false })
    }
}

/// A registered descriptor; dropping it ends the reports.
#[derive(Debug)]
pub struct Registration<K: Copy> {
    registry: Registry<K>,
    fd: RawFd,
    token: Token,
    released: bool,
}

impl<K: Copy> Registration<K> {
    /// Waits for something else from now on.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn change(&self, interest: Interest) -> io::Result<()> {
        self.registry.inner.mio.reregister(&mut SourceFd(&self.fd), self.token, interest.into())
    }

    /// Reports nothing until it is renamed: for a descriptor that is kept for later. No system call.
    pub fn mute(&self) {
        self.set_key(None);
    }

    /// Reports under another key from now on. No system call.
    pub fn rename(&self, key: K) {
        self.set_key(Some(key));
    }

    fn set_key(&self, key: Option<K>) {
        self.registry.inner.slots.borrow_mut().set_key(self.token, key);
    }

    /// Ends the registration without a system call: for a descriptor that is closed next (closing takes it
    /// out of epoll). Not for one that was duplicated or inherited.
    pub fn release_for_close(mut self) {
        self.released = true;
    }
}

impl<K: Copy> Drop for Registration<K> {
    fn drop(&mut self) {
        if !self.released {
            // Fails only where the descriptor is closed already, and then it is gone from epoll too.
            let _gone = self.registry.inner.mio.deregister(&mut SourceFd(&self.fd));
        }
        self.registry.inner.slots.borrow_mut().release(self.token);
    }
}
