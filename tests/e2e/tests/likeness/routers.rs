//! Files of keepalived's, run by keepalived and, as `holdfast convert` writes them, by Holdfast: addresses, routes,
//! rules, adverts, announcements, answers, and what scripts are told must be the same.

mod differences;
mod pair;
mod view;

use std::time::Duration;

use lab::Result;

pub use view::of_process;

use pair::Deed::{Begins, Cuts, Ends, Forgets, Mends, Neighbour, NeighbourDies, Plugs, Unplugs, Writes};
use pair::{Pair, QUIET, Step, Story};

/// All of them.
pub const FILES: &[&str] = &[
    include_str!("routers/basics.conf"),
    include_str!("routers/tracking.conf"),
    include_str!("routers/waiting.conf"),
    include_str!("routers/later.conf"),
    include_str!("routers/defaults.conf"),
    include_str!("routers/moved.conf"),
    include_str!("routers/routes.conf"),
    include_str!("routers/strict.conf"),
    include_str!("routers/macs.conf"),
    include_str!("routers/newer.conf"),
];

const STORY: Story = Story {
    text: "",
    announced: &[],
    pinged: &[],
    moves: false,
    newer: false,
    process: false,
    quiet: QUIET,
    steps: &[],
};
const STEP: Step = Step { deeds: &[], shown: &[], hidden: &[] };

#[test]
fn the_basics() -> Result {
    Pair::tell(&Story {
        text: include_str!("routers/basics.conf"),
        announced: &["192.0.2.101", "192.0.2.110", "192.0.2.160"],
        pinged: &["192.0.2.101", "2001:db8::130"],
        steps: &[
            Step {
                shown: &[
                    "advert 1 v2 priority 150 every 1s",
                    "advert 2 v2 priority 100",
                    "advert 3 v3 priority 77 every 250ms",
                    "advert 4 v3 priority 200",
                    "advert 5 v2 priority 255",
                    "advert 6 v2",
                    "advert 7 v3",
                    "advert 8 v2",
                    "announced 192.0.2.101 3 times and again",
                    "announced 192.0.2.110 2 times and no more",
                    "announced 192.0.2.160 1 times and again",
                    "ping 192.0.2.101 answered",
                    "ping 2001:db8::130 answered",
                ],
                ..STEP
            },
            Step {
                deeds: &[Ends],
                hidden: &["addr eth0 broadcast=192.0.2.255 family=inet label=eth0:one"],
                ..STEP
            },
        ],
        ..STORY
    })
}

#[test]
fn what_is_watched_and_what_is_told() -> Result {
    Pair::tell(&Story {
        text: include_str!("routers/tracking.conf"),
        steps: &[
            Step {
                shown: &[
                    "advert 31 v2 priority 110",
                    "advert 32 v2 priority 100",
                    "advert 33 v2 priority 87",
                    "advert 34 v2 priority 100",
                    "advert 35 v2 priority 100",
                    "advert 38 v2 priority 80",
                    "said SCRIPT is master",
                    "said ONE is master",
                    "said fifo: ",
                    "said vrrp_fifo: ",
                ],
                ..STEP
            },
            Step {
                deeds: &[Writes("status", "1\n"), Writes("number", "-9\n"), Writes("reverse", "4\n")],
                shown: &["advert 31 v2 priority 100", "advert 32 v2 priority 99", "advert 38 v2 priority 53"],
                ..STEP
            },
            Step {
                deeds: &[Writes("status", "0\n"), Unplugs("eth1")],
                shown: &["advert 31 v2 priority 110", "advert 34 v2 priority 60", "said CABLE is faulty"],
                hidden: &["addr eth0 family=inet label=eth0 local=192.0.2.135"],
            },
            Step {
                deeds: &[Plugs("eth1"), Writes("stop", "1\n")],
                shown: &[
                    "said SCRIPT is faulty",
                    "said ONE is faulty",
                    "addr eth0 family=inet label=eth0 local=192.0.2.135",
                ],
                hidden: &["addr eth0 family=inet label=eth0 local=192.0.2.136"],
            },
            Step {
                deeds: &[Writes("stop", "0\n")],
                shown: &["addr eth0 family=inet label=eth0 local=192.0.2.136"],
                ..STEP
            },
            Step {
                deeds: &[Ends],
                shown: &["said SCRIPT stops", "said ONE stops"],
                hidden: &["addr eth0 family=inet label=eth0 local=192.0.2.136"],
            },
        ],
        ..STORY
    })
}

/// What does not happen has to be waited for.
const LONGER: Duration = Duration::from_secs(6);

#[test]
fn who_could_be_master_and_waits() -> Result {
    Pair::tell(&Story {
        text: include_str!("routers/waiting.conf"),
        quiet: LONGER,
        steps: &[
            Step {
                deeds: &[Neighbour(include_str!("routers/neighbour.conf")), Begins],
                hidden: &["advert 41", "advert 42", "advert 43", "advert 44"],
                ..STEP
            },
            Step {
                deeds: &[NeighbourDies],
                shown: &[
                    "advert 41 v2 priority 150",
                    "advert 42 v2 priority 150",
                    "advert 44 v2 priority 100",
                ],
                hidden: &["advert 43"],
            },
        ],
        ..STORY
    })
}

#[test]
fn a_late_start() -> Result {
    Pair::tell(&Story {
        text: include_str!("routers/later.conf"),
        quiet: LONGER,
        steps: &[Step { hidden: &["advert 45"], ..STEP }],
        ..STORY
    })
}

#[test]
fn defaults_for_all() -> Result {
    Pair::tell(&Story {
        text: include_str!("routers/defaults.conf"),
        announced: &["192.0.2.151", "2001:db8::152", "192.0.2.154"],
        process: true,
        steps: &[
            Step {
                deeds: &[Cuts, Neighbour(include_str!("routers/weaker.conf")), Begins],
                shown: &[
                    "advert 51 v3 priority 100 every 5s",
                    "advert 52 v3",
                    "advert 53 v3",
                    "advert 54 v3",
                    "announced 192.0.2.151 3 times and again",
                    "announced 2001:db8::152 3 times and again",
                ],
                ..STEP
            },
            // Two masters meet.
            Step {
                deeds: &[Forgets, Mends],
                shown: &["announced 192.0.2.151 4 times and no more", "said a weaker one"],
                ..STEP
            },
        ],
        ..STORY
    })
}

#[test]
fn into_a_namespace() -> Result {
    Pair::tell(&Story {
        text: include_str!("routers/moved.conf"),
        moves: true,
        process: true,
        announced: &["192.0.2.161"],
        quiet: LONGER,
        steps: &[Step { shown: &["advert 61 v2", "announced 192.0.2.161 1 times and no more"], ..STEP }],
        ..STORY
    })
}

#[test]
fn routes_and_rules() -> Result {
    Pair::tell(&Story {
        text: include_str!("routers/routes.conf"),
        steps: &[
            Step { shown: &["advert 71 v2", "route4 dev=eth0 dst=10.1.0.0/16"], ..STEP },
            Step { deeds: &[Unplugs("eth0")], hidden: &["route4 dst=10.4.0.0/16"], ..STEP },
            Step { deeds: &[Plugs("eth0")], shown: &["route4 dev=eth0 dst=10.1.0.0/16"], ..STEP },
            Step { deeds: &[Ends], ..STEP },
        ],
        ..STORY
    })
}

#[test]
fn strictly() -> Result {
    Pair::tell(&Story {
        text: include_str!("routers/strict.conf"),
        pinged: &["192.0.2.181", "192.0.2.182", "192.0.2.183", "192.0.2.184"],
        steps: &[Step {
            shown: &[
                "advert 81 v2",
                "advert 82 v3",
                "advert 83 v3",
                "advert 84 v2",
                "ping 192.0.2.181 not",
                "ping 192.0.2.182 not",
                "ping 192.0.2.183 answered",
                "ping 192.0.2.184 answered",
            ],
            ..STEP
        }],
        ..STORY
    })
}

#[test]
fn hardware_addresses() -> Result {
    Pair::tell(&Story {
        text: include_str!("routers/macs.conf"),
        pinged: &["192.0.2.191", "192.0.2.192", "192.0.2.193", "2001:db8::194"],
        steps: &[Step {
            shown: &[
                "advert 91 v3 priority 150 every 1s from 00:00:5e:00:01:5b",
                "advert 92 v2",
                "advert 93 v2 priority 100 every 1s from 02:00:00:00:01:0b",
                "advert 94 v3",
                "ping 192.0.2.191 not",
                "ping 192.0.2.192 answered",
                "ping 2001:db8::194 answered",
            ],
            ..STEP
        }],
        ..STORY
    })
}

#[test]
#[ignore = "needs a keepalived 2.4"]
fn what_debian_does_not_have_yet() -> Result {
    Pair::tell(&Story {
        text: include_str!("routers/newer.conf"),
        newer: true,
        steps: &[Step { shown: &["advert 101 v3", "advert 102 v3", "advert 103 v2"], ..STEP }],
        ..STORY
    })
}
