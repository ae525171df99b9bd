use super::super::tests::{any_entry, any_service_key, entry, key};
use super::super::{Destination, DestinationKey};
use super::*;
use proptest::prelude::*;

/// What the kernel does with a request, and when it refuses one.
fn perform(table: &mut Table, op: &TableOp) -> Result<(), &'static str> {
    let service = table.services.get_mut(&op.service());
    match op {
        TableOp::AddService(key, service) => {
            let entry = Entry { service: *service, destinations: BTreeMap::new() };
            if table.services.insert(*key, entry).is_some() { Err("service exists") } else { Ok(()) }
        }
        TableOp::EditService(_, wanted) => service.map(|entry| entry.service = *wanted).ok_or("no service"),
        TableOp::DeleteService(key) => table.services.remove(key).map(drop).ok_or("no service"),
        TableOp::AddDestination(_, at, destination) => {
            let entry = service.ok_or("no service")?;
            if entry.destinations.insert(*at, *destination).is_some() {
                Err("destination exists")
            } else {
                Ok(())
            }
        }
        TableOp::EditDestination(_, at, wanted) => {
            let present = service.ok_or("no service")?.destinations.get_mut(at);
            present.map(|destination| *destination = *wanted).ok_or("no destination")
        }
        TableOp::DeleteDestination(_, at) => {
            service.ok_or("no service")?.destinations.remove(at).map(drop).ok_or("no destination")
        }
    }
}

fn any_table() -> impl Strategy<Value = Table> {
    prop::collection::btree_map(any_service_key(), any_entry(), 0..5).prop_map(|services| Table { services })
}

/// The same table with a part of it dropped, replaced or added: what a change looks like.
fn any_pair() -> impl Strategy<Value = (Table, Table)> {
    (any_table(), any_table(), any::<u64>()).prop_map(|(one, other, choice)| {
        let mut changed = other;
        for (position, (key, entry)) in one.services.iter().enumerate() {
            match choice >> (position * 4) & 3 {
                0 => {}
                1 => drop(changed.services.insert(*key, entry.clone())),
                2 => {
                    let mut entry = entry.clone();
                    entry.destinations.pop_first();
                    entry.destinations.values_mut().for_each(|destination| destination.weight ^= 1);
                    changed.services.insert(*key, entry);
                }
                _ => {
                    let mut entry = entry.clone();
                    entry.service.one_packet = !entry.service.one_packet;
                    changed.services.insert(*key, entry);
                }
            }
        }
        (one, changed)
    })
}

proptest! {
    #[test]
    fn the_difference_leads_from_any_table_to_any_other((installed, wanted) in any_pair()) {
        let mut table = installed.clone();
        for op in diff(&wanted, &installed) {
            prop_assert_eq!(perform(&mut table, &op), Ok(()), "{}", op);
        }
        prop_assert_eq!(table, wanted);
    }

    #[test]
    fn what_is_as_it_should_be_is_not_touched((installed, wanted) in any_pair()) {
        prop_assert_eq!(diff(&wanted, &wanted), vec![]);
        for op in diff(&wanted, &installed) {
            let key = op.service();
            prop_assert_ne!(wanted.services.get(&key), installed.services.get(&key), "{}", op);
            let both = wanted.services.get(&key).zip(installed.services.get(&key));
            let Some((wanted, installed)) = both else { continue };
            match op {
                TableOp::EditService(..) => prop_assert_ne!(wanted.service, installed.service),
                TableOp::EditDestination(_, at, _) => {
                    prop_assert_ne!(wanted.destinations.get(&at), installed.destinations.get(&at));
                }
                TableOp::AddDestination(_, at, _) => prop_assert!(!installed.destinations.contains_key(&at)),
                TableOp::DeleteDestination(_, at) => prop_assert!(!wanted.destinations.contains_key(&at)),
                TableOp::AddService(..) | TableOp::DeleteService(_) => prop_assert!(false, "{} exists", key),
            }
        }
    }

    #[test]
    fn a_service_with_servers_on_either_side_never_stands_without((installed, wanted) in any_pair()) {
        let mut table = installed.clone();
        for op in diff(&wanted, &installed) {
            let key = op.service();
            let servers = |table: &Table| table.services.get(&key).map_or(0, |entry| entry.destinations.len());
            let kept = servers(&installed) > 0 && servers(&wanted) > 0;
            perform(&mut table, &op).unwrap();
            prop_assert!(!kept || servers(&table) > 0, "{}", op);
        }
    }
}

#[test]
fn a_changed_weight_is_one_request() {
    let key = key("tcp 192.0.2.1:80");
    let installed = Table { services: [(key, entry("rr", &["10.0.0.1:80", "10.0.0.2:80"]))].into() };
    let mut wanted = installed.clone();
    let at = DestinationKey { address: "10.0.0.2".parse().unwrap(), port: 80 };
    let destination = wanted.services.get_mut(&key).unwrap().destinations.get_mut(&at).unwrap();
    destination.weight = 0;
    let changed: Destination = *destination;
    assert_eq!(diff(&wanted, &installed), [TableOp::EditDestination(key, at, changed)]);
}

#[test]
fn requests_read_as_what_they_ask() {
    let key = key("tcp 192.0.2.1:80");
    let wanted = Table { services: [(key, entry("wlc", &["10.0.0.1:80"]))].into() };
    let lines = |wanted: &Table, installed: &Table| {
        diff(wanted, installed).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        lines(&wanted, &Table::default()),
        [
            "add service tcp 192.0.2.1:80 (scheduler wlc)",
            "add destination 10.0.0.1:80 (nat, weight 1) to tcp 192.0.2.1:80"
        ]
    );
    assert_eq!(lines(&Table::default(), &wanted), ["remove service tcp 192.0.2.1:80"]);
    let other = Table { services: [(key, entry("wlc", &["10.0.0.2:80"]))].into() };
    assert_eq!(
        lines(&other, &wanted),
        [
            "add destination 10.0.0.2:80 (nat, weight 1) to tcp 192.0.2.1:80",
            "remove destination 10.0.0.1:80 from tcp 192.0.2.1:80"
        ]
    );
}
