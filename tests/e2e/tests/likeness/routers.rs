//! Files of keepalived's, run by keepalived and, as `holdfast convert` writes them, by Holdfast: addresses, routes,
//! rules, adverts, announcements, answers, and what scripts are told must be the same.

mod pair;
mod view;

use lab::Result;

use pair::{Deed, Pair, Step, Story};

const STORY: Story = Story { text: "", announced: &[], pinged: &[], moves: false, steps: &[] };
const STEP: Step = Step { deeds: &[], shown: &[], hidden: &[] };

const BASICS: Story = Story {
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
                "announced 192.0.2.101 3 times at once and again",
                "announced 192.0.2.110 2 times at once and no more",
                "announced 192.0.2.160 1 times at once and again",
            ],
            ..STEP
        },
        Step { deeds: &[Deed::Ends], hidden: &["addr eth0 broadcast=192.0.2.255 family=inet label=eth0:one"], ..STEP },
    ],
    ..STORY
};

#[test]
fn the_basics() -> Result {
    Pair::tell(&BASICS)
}
