//! What happens to the machines of a world: kills, stops, stalls, cables, reloads, and what operators order.

use std::time::Duration;

use common::steer::Origin;
use vrrp::machine::event::Event;
use vrrp::machine::order::{Released, Standing};
use vrrp::plan::Plan;

use super::kernel::facts;
use super::{World, eth0};

/// What is left of the state of a killed process.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Checkpoint {
    /// As fresh as the shell keeps it: after each change of state, and twice per interval.
    Fresh,
    /// What the last hello brought, up to five seconds ago.
    Old,
    /// Nothing: the watchdog died too, or the power went.
    Lost,
}

impl World {
    /// SIGKILL of the process.
    pub(crate) fn kill(&mut self, n: usize, checkpoint: Checkpoint) {
        self.say(n, &format!("killed, checkpoint {checkpoint:?}"));
        let node = &mut self.nodes[n];
        match checkpoint {
            Checkpoint::Fresh => {}
            Checkpoint::Old => {
                node.checkpoint = node.hello.take().map(|(_, saved)| saved);
                node.watcher.forget();
            }
            Checkpoint::Lost => node.checkpoint = None,
        }
        node.router = None;
        node.saved_at = None;
        node.hello = None;
    }

    /// The machine goes dark: nothing of its kernel's state is left.
    pub(crate) fn power_off(&mut self, n: usize) {
        self.kill(n, Checkpoint::Lost);
        self.nodes[n].kernel.held.clear();
    }

    /// An orderly stop.
    pub(crate) fn stop(&mut self, n: usize) {
        self.say(n, "stop");
        self.nodes[n].checkpoint = None;
        self.nodes[n].stopping = true;
        self.feed(n, Event::StopRequested);
    }

    /// SIGSTOP for a while.
    pub(crate) fn stall(&mut self, n: usize, time: Duration) {
        self.say(n, "stalled");
        self.nodes[n].stalled_until = Some(self.now + time);
        self.nodes[n].watcher.stalled();
    }

    pub(crate) fn carrier(&mut self, n: usize, carrier: bool) {
        self.say(n, if carrier { "carrier" } else { "no carrier" });
        self.nodes[n].kernel.carrier = carrier;
        let at = self.now;
        self.nodes[n].news.push_back((at, Event::LinkChanged { link: eth0(), facts: facts(2, carrier) }));
    }

    pub(crate) fn reload(&mut self, n: usize, plan: Plan) {
        self.say(n, "reload");
        self.nodes[n].plan = plan.clone();
        self.nodes[n].watcher.reloaded();
        let mut out = Vec::new();
        let now = self.clock(n);
        if let Some(router) = &mut self.nodes[n].router {
            router.reconfigure(plan, now, &mut out);
        }
        self.perform(n, out);
    }

    /// An operator has an instance hand over, if it is master.
    pub(crate) fn fail_over(&mut self, n: usize, instance: usize, lasting: Option<Duration>) {
        self.say(n, "failover");
        let Some(router) = &self.nodes[n].router else { return };
        if let Ok(instances) = router.failover_targets(&format!("V{}", instance + 1)) {
            let standing = self.standing(n, lasting);
            self.feed(n, Event::FailoverOrdered { instances, standing });
            self.save_order(n);
        }
    }

    /// An operator wants nobody on this machine to be master.
    pub(crate) fn maintain(&mut self, n: usize, lasting: Option<Duration>) {
        self.say(n, "maintenance");
        let standing = self.standing(n, lasting);
        self.feed(n, Event::MaintenanceOrdered(standing));
        self.save_order(n);
    }

    /// An operator ends all orders.
    pub(crate) fn release(&mut self, n: usize) {
        self.say(n, "orders released");
        self.feed(n, Event::OrdersReleased { released: Released::All, origin: Origin::default() });
        self.save_order(n);
    }

    fn standing(&self, n: usize, lasting: Option<Duration>) -> Standing {
        Standing { until: lasting.map(|lasting| self.clock(n) + lasting), origin: Origin::default() }
    }

    /// As the shell does before it answers.
    fn save_order(&mut self, n: usize) {
        if self.nodes[n].saving {
            self.save(n);
        }
    }

    /// A foreign program removes whatever virtual addresses are there.
    pub(crate) fn flush(&mut self, n: usize) {
        self.say(n, "addresses flushed");
        let held = std::mem::take(&mut self.nodes[n].kernel.held);
        let at = self.now;
        for ((link, address), _) in held {
            self.nodes[n].news.push_back((at, Event::AddressVanished { link, address }));
        }
    }

    pub(crate) fn script(&mut self, n: usize, good: bool) {
        self.nodes[n].script_good = good;
    }
}
