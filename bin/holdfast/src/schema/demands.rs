//! Which keys a table has to have, out of what was demanded of every table of its kind that was read.
//!
//! What was demanded of all is demanded. Where a key `type` decides, what was demanded of all of one type is demanded of
//! that type, and nothing belongs there that none of them was asked for. What other keys decide is not seen.

use std::collections::{BTreeMap, BTreeSet};

use common::config::Visit;
use serde_json::{Map, Value, json};

use crate::reference::kind;

/// Lists of keys: one of each has to be there.
type Lists = BTreeSet<Vec<&'static str>>;

/// What tables of one kind have to have.
#[derive(Debug, Default)]
pub(super) struct Demands {
    always: Lists,
    by_type: BTreeMap<String, Typed>,
}

/// What is so of those of one type.
#[derive(Debug)]
struct Typed {
    demanded: Lists,
    /// All keys there are; none where they are those of the other types.
    keys: Option<BTreeSet<&'static str>>,
}

/// By kind of table.
pub(super) fn demands<'v>(visits: impl Iterator<Item = &'v Visit>) -> BTreeMap<&'v str, Demands> {
    let mut kinds: BTreeMap<&str, Vec<&Visit>> = BTreeMap::new();
    for visit in visits {
        kinds.entry(kind(&visit.path)).or_default().push(visit);
    }
    kinds.into_iter().map(|(kind, visits)| (kind, Demands::of(&visits))).collect()
}

fn common(visits: &[&Visit]) -> Lists {
    let mut sets = visits.iter().map(|visit| visit.demanded.clone());
    let first = sets.next().unwrap_or_default();
    sets.fold(first, |common, set| common.intersection(&set).cloned().collect())
}

impl Demands {
    fn of(visits: &[&Visit]) -> Self {
        let always = common(visits);
        let mut types: BTreeMap<String, Vec<&Visit>> = BTreeMap::new();
        // A kind whose type may be left out has no types that differ.
        if always.contains(&["type"][..]) {
            for visit in visits {
                types.entry(visit.kind.clone().unwrap()).or_default().push(visit);
            }
        }
        let all = keys(visits);
        let typed = |visits: Vec<&Visit>| {
            let demanded = common(&visits).difference(&always).cloned().collect();
            let keys = keys(&visits);
            // Keys of the operator's choice.
            let closed = keys != all && !keys.contains("*");
            Typed { demanded, keys: closed.then_some(keys) }
        };
        let by_type = types.into_iter().map(|(name, visits)| (name, typed(visits))).collect();
        Self { always, by_type }
    }

    /// Adds them to the schema of the table.
    pub(super) fn write(&self, object: &mut Map<String, Value>) {
        let mut all = Vec::new();
        put(&self.always, object, &mut all);
        for (name, typed) in &self.by_type {
            let mut then = Map::new();
            let mut more = Vec::new();
            put(&typed.demanded, &mut then, &mut more);
            if !more.is_empty() {
                then.insert("allOf".to_owned(), more.into());
            }
            if let Some(keys) = &typed.keys {
                then.insert("propertyNames".to_owned(), json!({ "enum": keys }));
            }
            if !then.is_empty() {
                let of_this_type =
                    json!({ "required": ["type"], "properties": { "type": { "const": name } } });
                all.push(json!({ "if": of_this_type, "then": then }));
            }
        }
        if !all.is_empty() {
            object.insert("allOf".to_owned(), all.into());
        }
    }
}

fn keys(visits: &[&Visit]) -> BTreeSet<&'static str> {
    visits.iter().flat_map(|visit| visit.asked.iter().copied()).collect()
}

/// Keys that have to be there, and lists of which one has to.
fn put(lists: &Lists, object: &mut Map<String, Value>, all: &mut Vec<Value>) {
    let alone: Vec<&str> =
        lists.iter().filter_map(|list| <[&str; 1]>::try_from(&list[..]).ok()).map(|[key]| key).collect();
    if !alone.is_empty() {
        object.insert("required".to_owned(), json!(alone));
    }
    for list in lists.iter().filter(|list| list.len() > 1) {
        let each: Vec<Value> = list.iter().map(|key| json!({ "required": [key] })).collect();
        all.push(json!({ "anyOf": each }));
    }
}
