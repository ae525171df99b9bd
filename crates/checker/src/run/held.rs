//! Which of the watched addresses this machine holds: from the kernel to the pool.

use std::time::Instant;

use common::child::{AppCx, ChildKey};
use common::event_loop::Drained;

use super::{Key, Running};
use crate::effects::holdings::Holdings;
use crate::machine::Event;

impl Running {
    /// Watches what the configuration asks for now. Where that is impossible checks run: they say more about servers
    /// than no checks.
    pub(super) fn watch_addresses(&mut self, cx: &AppCx<'_, Key>) {
        let watched = self.pool.watched();
        if watched.is_empty() {
            self.holdings = None;
            return;
        }
        if self.holdings.is_none() {
            match Holdings::open(ChildKey::App(Key::Addresses), cx.registry()) {
                Ok(holdings) => self.holdings = Some(holdings),
                Err(error) => log::error!(
                    "cannot tell which addresses this machine holds, checking all servers: {error}"
                ),
            }
        }
        let held = self.holdings.as_mut().map(|holdings| holdings.watch(watched.clone()));
        let held = match held {
            Some(Ok(held)) => held,
            Some(Err(error)) => {
                log::error!("cannot tell which addresses this machine holds, checking all servers: {error}");
                watched
            }
            None => watched,
        };
        self.news.push(Event::Holds(held));
    }

    pub(super) fn addresses_ready(&mut self, now: Instant, cx: &AppCx<'_, Key>) -> Drained {
        let Some(holdings) = &mut self.holdings else { return Drained::Yes };
        let drained = match holdings.ready() {
            Ok((held, drained)) => {
                self.news.push(Event::Holds(held));
                drained
            }
            Err(error) => {
                log::error!("lost sight of this machine's addresses, looking anew: {error}");
                self.holdings = None;
                self.watch_addresses(cx);
                Drained::Yes
            }
        };
        self.perform(now, cx);
        drained
    }
}
