//! Operators' orders: from the control socket to the router, and into the status.

use std::time::Instant;

use common::event_loop::clock;
use common::steer::{self, Terms};
use serde_json::{Value, json};

use super::Running;
use crate::machine::event::Event;
use crate::machine::order::{Order, Released, Standing};

impl Running {
    /// `steer`: `{"order": "failover", "target": "VI_1", "for_s": 600, "reason": "…"}`, `{"order": "maintenance"}`,
    /// and `{"order": "release"}` with an instance, a sync group, `maintenance` or nothing as its target.
    pub(super) fn steer(&mut self, params: &Value, uid: Option<u32>, now: Instant) -> Result<Value, String> {
        if self.router.is_stopping() {
            return Err("it is stopping".to_owned());
        }
        let Terms { origin, lasting } = Terms::read(params, uid, clock::wall())?;
        let standing = Standing { until: steer::end(lasting, now), origin };
        let target = params.get("target").and_then(Value::as_str);
        let answer = match params.get("order").and_then(Value::as_str).unwrap_or_default() {
            "failover" => {
                let instances =
                    self.router.failover_targets(target.ok_or("of which instance or sync group?")?)?;
                let names: Vec<String> = self.router.names_of(&instances).map(ToString::to_string).collect();
                self.feed(Event::FailoverOrdered { instances, standing }, now);
                json!({ "instances": names })
            }
            "maintenance" => {
                let masters: Vec<String> = self.router.masters_here().map(ToString::to_string).collect();
                self.feed(Event::MaintenanceOrdered(standing), now);
                json!({ "instances": masters })
            }
            "release" => {
                let released = self.router.release_targets(target)?;
                let maintenance =
                    !matches!(released, Released::Instances(_)) && self.router.maintenance().is_some();
                let names: Vec<String> =
                    self.router.released_by(&released).map(ToString::to_string).collect();
                self.feed(Event::OrdersReleased { released, origin: standing.origin }, now);
                json!({ "instances": names, "maintenance": maintenance })
            }
            other => return Err(format!("unknown order {other:?}")),
        };
        self.saving.touched(now, true);
        Ok(answer)
    }

    /// Adds to a status what is in force.
    pub(super) fn add_orders(&self, status: &mut Value, now: Instant) {
        let shown = |order: Order, standing: &Standing| {
            steer::shown(order.word(), &standing.origin, standing.left(now), clock::wall())
        };
        let maintenance = self.router.maintenance().map(|standing| shown(Order::Maintenance, standing));
        let instances = status.get_mut("instances").and_then(Value::as_array_mut);
        for instance in instances.into_iter().flatten() {
            let name = instance.get("name").and_then(Value::as_str).unwrap_or_default();
            let of = self.router.failovers().filter(|(of, _)| of.as_str() == name);
            let mut orders: Vec<Value> = of.map(|(_, standing)| shown(Order::Failover, standing)).collect();
            orders.extend(maintenance.clone());
            if let Some(fields) = instance.as_object_mut() {
                fields.insert("overrides".to_owned(), orders.into());
            }
        }
        if let Some(fields) = status.as_object_mut() {
            fields.insert("maintenance".to_owned(), json!(maintenance));
        }
    }
}
