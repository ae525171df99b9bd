//! Where Holdfast differs from keepalived and means to: each with the words of the page that tells users of it.

/// Words of `docs/keepalived.md`, and what is left out of what either shows.
type Difference = (&'static str, fn(&mut Vec<String>));

const ALL: &[Difference] = &[
    ("deprecated", |view| {
        for line in view.iter_mut().filter(|line| line.contains("family=inet6")) {
            *line = line.replace("deprecated=true ", "");
        }
    }),
    ("a route to itself", |view| {
        let mut alone = Vec::new();
        for line in view.iter_mut().filter(|line| line.starts_with("addr ") && line.contains("prefixlen=128"))
        {
            *line = line.replace("noprefixroute=true ", "");
            alone.extend(
                line.split_whitespace().find_map(|word| word.strip_prefix("local=")).map(str::to_owned),
            );
        }
        view.retain(|line| {
            let to =
                |address: &String| line.contains(&format!(" dst={address} ")) && line.contains("table=main");
            !(line.starts_with("route6 ") && alone.iter().any(to))
        });
    }),
    ("link to the network", |view| {
        for line in
            view.iter_mut().filter(|line| line.starts_with("route4 ") && line.contains("type=unicast"))
        {
            if !line.contains("gateway=") && !line.contains("nexthops=") {
                *line = line.replace("scope=global", "scope=link");
            }
        }
    }),
    ("vrrp6.N", |view| view.iter_mut().for_each(|line| *line = line.replace("vrrp6.", "vrrp."))),
    ("4096", |view| {
        let of_macvlan = |line: &&mut String| ["vrrp.", "vip0", "gw."].iter().any(|name| line.contains(name));
        view.iter_mut().filter(|line| line.contains("metric=4096")).filter(of_macvlan).for_each(|line| {
            *line = if line.contains("addr ") || line.starts_with("route4") {
                line.replace("metric=4096 ", "")
            } else {
                line.replace("metric=4096", "metric=256")
            };
        });
    }),
    ("no address of its own", |view| {
        view.retain(|line| !(line.contains(" vrrp.94 ") && line.contains("fe80::11 ")));
        view.retain(|line| !(line.contains("dev=vrrp.94 ") && line.contains("fe80::11 ")));
    }),
    // To scripts; to pipes they do.
    ("to `notify` as well", |view| {
        view.retain(|line| !(line.starts_with("said any ") && line.contains("_PRIORITY ")));
    }),
    // keepalived tells of it while it waits to become master, after the first word of every tracker.
    ("first word", |view| {
        view.retain(|line| !line.contains("BACKUP_PRIORITY"));
        for line in view.iter_mut().filter(|line| line.starts_with("said ") && line.contains(" BACKUP ")) {
            line.truncate(line.rfind(' ').unwrap_or(line.len()));
        }
    }),
];

/// Leaves them out.
pub fn leave_out(view: &mut Vec<String>) {
    for (_, leave_out) in ALL {
        leave_out(view);
    }
    view.sort();
}

#[test]
fn users_are_told_of_every_difference() {
    let page = include_str!("../../../../../docs/keepalived.md");
    let (by_hand, _) = page.split_once("## Keywords").unwrap();
    for (words, _) in ALL {
        assert!(by_hand.contains(words), "{words}");
    }
}
