use super::*;
use proptest::prelude::*;

fn read_back(route: &Route) -> Route {
    let message = route.install_message();
    Route::parse(&Reply { kind: libc::RTM_NEWROUTE, payload: message.payload() }).unwrap()
}

#[test]
fn a_route_is_written_as_it_is_read() {
    let mut route = Route::new("198.51.100.0".parse().unwrap(), 24);
    let gateway = |text: &str| Some(text.parse().unwrap());
    route.next_hops = vec![NextHop {
        gateway: gateway("192.0.2.1"),
        interface: Some(IfIndex(3)),
        weight: 1,
        onlink: false,
    }];
    route.table = 1000;
    route.metric = Some(5);
    route.source = gateway("192.0.2.9");
    assert_eq!(read_back(&route), route);
    route.next_hops.push(NextHop {
        gateway: gateway("192.0.2.2"),
        interface: None,
        weight: 256,
        onlink: true,
    });
    assert_eq!(read_back(&route), route);
    route.next_hops.truncate(1);
    route.next_hops[0].onlink = true;
    route.tos = 16;
    route.metrics =
        Metrics { mtu: Some(1400), mtu_locked: true, advmss: Some(1360), initcwnd: Some(20), initrwnd: None };
    assert_eq!(read_back(&route), route);
    let mut default = Route::new("::".parse().unwrap(), 0);
    default.kind = Kind::Blackhole;
    assert_eq!(read_back(&default), default);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Route::parse(&Reply { kind: libc::RTM_NEWROUTE, payload: &payload });
        let _ = next_hops(&payload);
    }
}
