//! Filters: what of the status has one of the wanted names and is in one of the wanted states.
//!
//! They work on the JSON, so that every form of output shows the same.

use glob::Pattern;
use serde_json::Value;

use super::wanted::{State, Status};

/// What is wanted.
#[derive(Debug, Default)]
pub(super) struct Selection {
    names: Vec<Pattern>,
    states: Vec<State>,
}

impl Selection {
    /// Out of the command line.
    ///
    /// # Errors
    /// A pattern that is none, in words.
    pub(super) fn new(wanted: &Status) -> Result<Self, String> {
        let pattern = |name: &String| {
            // Brackets belong to addresses here, not to patterns.
            let text = name.replace('[', "[[]");
            Pattern::new(&text).map_err(|error| format!("{name}: {error}"))
        };
        let names = wanted.names.iter().map(pattern).collect::<Result<_, _>>()?;
        Ok(Self { names, states: wanted.states() })
    }

    /// Whether names were given.
    pub(super) fn named(&self) -> bool {
        !self.names.is_empty()
    }

    /// Whether anything is left out.
    pub(super) fn is_some(&self) -> bool {
        self.named() || !self.states.is_empty()
    }

    fn name<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> bool {
        self.names.is_empty() || names.into_iter().any(|name| self.names.iter().any(|p| p.matches(name)))
    }

    /// One of these words is a wanted state; all are where none is named.
    fn state(&self, word: &str) -> bool {
        self.states.is_empty() || self.states.iter().any(|state| state.word() == word)
    }

    /// Leaves in the status what is wanted, and says how much that is.
    pub(super) fn apply(&self, status: &mut Value) -> usize {
        if !self.is_some() {
            return 1;
        }
        let mut found = 0;
        if let Some(children) = status.pointer_mut("/watchdog/children").and_then(Value::as_array_mut) {
            children.retain(|child| {
                let up = if text(child, "state") == "up" { "up" } else { "down" };
                self.name([text(child, "name")]) && self.state(up)
            });
            found += children.len();
        }
        if let Some(vrrp) = status.get_mut("vrrp") {
            found += self.vrrp(vrrp);
        }
        if let Some(services) = status.pointer_mut("/checker/virtual_servers").and_then(Value::as_array_mut) {
            services.retain_mut(|service| self.service(service));
            found += services.len();
        }
        found
    }

    fn vrrp(&self, vrrp: &mut Value) -> usize {
        let groups = list(vrrp, "sync_groups");
        let group_of = |instance: &str| {
            let member = |group: &&Value| list_of(group, "instances").any(|name| name == instance);
            groups.iter().find(member).map_or("", |group| text(group, "name"))
        };
        let mut found = 0;
        if let Some(instances) = vrrp.get_mut("instances").and_then(Value::as_array_mut) {
            instances.retain(|instance| {
                let name = text(instance, "name");
                let addresses: Vec<&str> =
                    list_of(instance, "addresses").flat_map(with_and_without('/')).collect();
                let names = [name, group_of(name), text(instance, "interface")].into_iter().chain(addresses);
                self.name(names.filter(|name| !name.is_empty())) && self.state(text(instance, "state"))
            });
            found += instances.len();
        }
        let kept: Vec<String> =
            list(vrrp, "instances").iter().map(|instance| text(instance, "name").to_owned()).collect();
        if let Some(groups) = vrrp.get_mut("sync_groups").and_then(Value::as_array_mut) {
            groups.retain(|group| self.name([text(group, "name")]) && self.state(text(group, "state")));
            found += groups.len();
        }
        for part in ["scripts", "processes", "files"] {
            let Some(things) = vrrp.get_mut(part).and_then(Value::as_array_mut) else { continue };
            things.retain(|thing| {
                let state = match thing.get("up").and_then(Value::as_bool) {
                    Some(true) => "up",
                    Some(false) => "down",
                    None => "",
                };
                self.name([text(thing, "name")]) && self.state(state)
            });
            found += things.len();
        }
        if let Some(objects) = vrrp.get_mut("objects").and_then(Value::as_array_mut) {
            objects.retain(|object| {
                let owner = text(object, "instance");
                let installed = object.get("error").is_none_or(Value::is_null);
                let state = if installed { "up" } else { "down" };
                (self.name([text(object, "object")]) || kept.iter().any(|name| name == owner))
                    && self.state(state)
            });
            // Who is shown only because of its instance is not what was looked for.
            found += if self.named() { 0 } else { objects.len() };
        }
        if let Some(vrrp) = vrrp.as_object_mut() {
            vrrp.remove("ipvs_sync");
        }
        found
    }

    /// Leaves the wanted servers in a service; says whether it is shown at all.
    fn service(&self, service: &mut Value) -> bool {
        let protocol = text(service, "protocol").to_owned();
        let (mut names, mut addresses) = (Vec::new(), list(service, "addresses"));
        addresses.extend(service.get("address").cloned());
        for address in addresses.iter().filter_map(Value::as_str) {
            names.extend(with_and_without(':')(address).map(str::to_owned));
            names.push(format!("{protocol} {address}"));
        }
        let whole = self.name(names.iter().map(String::as_str));
        let met = service.get("quorum_met").and_then(Value::as_bool) != Some(false);
        let mut any = whole && self.state(if met { "up" } else { "down" });
        if let Some(servers) = service.get_mut("real_servers").and_then(Value::as_array_mut) {
            let all = servers.len();
            let alive = servers.iter().filter(|server| is_alive(server)).count();
            servers.retain(|server| {
                let named = whole || self.name(with_and_without(':')(text(server, "address")));
                named && self.state(if is_alive(server) { "up" } else { "down" })
            });
            any |= !servers.is_empty();
            let by_server = self.named() && !whole;
            if (by_server || servers.len() < all)
                && let Some(service) = service.as_object_mut()
            {
                service.insert("real_servers_all".to_owned(), all.into());
                service.insert("real_servers_alive".to_owned(), alive.into());
            }
        }
        any
    }
}

fn is_alive(server: &Value) -> bool {
    server.get("alive").and_then(Value::as_bool) == Some(true)
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list(value: &Value, key: &str) -> Vec<Value> {
    value.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn list_of<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v str> {
    value.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// An address as it stands, and without its prefix or port, and without the brackets of that.
fn with_and_without(separator: char) -> impl Fn(&str) -> std::vec::IntoIter<&str> {
    move |address| {
        let mut names = vec![address];
        if let Some((bare, _)) = address.rsplit_once(separator) {
            names.push(bare.trim_start_matches('[').trim_end_matches(']'));
        }
        names.into_iter()
    }
}
