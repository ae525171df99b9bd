//! Operators' orders: from the control socket to the pool, and what came of them back.

use std::time::Instant;

use common::child::AppCx;
use common::event_loop::clock;
use common::steer::{self, Terms};
use serde_json::{Value, json};

use super::{Key, Running};
use crate::machine::{Event, Order, RealServerId, Steered};

/// The largest weight the kernel takes.
const MAX_WEIGHT: u64 = 0x7fff_ffff;

impl Running {
    /// `steer`: `{"order": "drain", "server": "10.0.0.1:80", "weight": 5, "for_s": 600, "reason": "…"}`. An order to
    /// release may leave the server out: then it is for all.
    pub(super) fn steer(
        &mut self,
        params: &Value,
        uid: Option<u32>,
        now: Instant,
        cx: &AppCx<'_, Key>,
    ) -> Result<Value, String> {
        let order = order(params)?;
        let terms = Terms::read(params, uid, clock::wall())?;
        let servers = match params.get("server").and_then(Value::as_str) {
            Some(server) => self.pool.find(server)?,
            None if order == Order::Release => self.pool.steered(),
            None => return Err("for which server?".to_owned()),
        };
        let before: Vec<Option<Steered>> = servers.iter().map(|id| self.pool.describe(*id)).collect();
        let until = steer::end(terms.lasting, now);
        let event = Event::Steer { servers: servers.clone(), order, until, origin: terms.origin };
        self.pool.handle(event, now, &mut self.actions);
        // Whoever gave the order may look at once.
        self.pool.settle(now, &mut self.actions);
        self.perform(now, cx);
        let told =
            servers.iter().zip(&before).filter_map(|(id, before)| self.told(*id, before.as_ref()?, now));
        Ok(json!({ "servers": told.collect::<Vec<_>>() }))
    }

    fn told(&self, id: RealServerId, before: &Steered, now: Instant) -> Option<Value> {
        let after = self.pool.describe(id)?;
        Some(json!({
            "service": after.service.to_string(),
            "server": after.server.to_string(),
            "alive": after.alive,
            "configured_weight": after.configured,
            "weight_before": before.effective,
            "weight": after.effective,
            "quorum_met_before": before.quorum_met,
            "quorum_met": after.quorum_met,
            "sorry_active": after.sorry_active,
            "overrides_before": before.standing.iter().map(|order| order.words()).collect::<Vec<_>>(),
            "overrides": after.standing.iter().map(|order| {
                crate::status::order(order, order.left(now))
            }).collect::<Vec<_>>(),
        }))
    }
}

fn order(params: &Value) -> Result<Order, String> {
    match params.get("order").and_then(Value::as_str).unwrap_or_default() {
        "drain" => Ok(Order::Drain),
        "disable" => Ok(Order::Disable),
        "force" => Ok(Order::Force),
        "enable" => Ok(Order::Enable),
        "release" => Ok(Order::Release),
        "weight" => {
            let weight = params.get("weight").and_then(Value::as_u64).filter(|weight| *weight <= MAX_WEIGHT);
            let weight = weight.and_then(|weight| u32::try_from(weight).ok());
            weight.map(Order::Weight).ok_or_else(|| format!("a weight is a number from 0 to {MAX_WEIGHT}"))
        }
        other => Err(format!("unknown order {other:?}")),
    }
}
