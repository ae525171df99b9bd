//! `[checker]`: the kernel's table as a whole.

use std::ops::RangeInclusive;
use std::time::Duration;

use common::config::{Diagnostics, Table};
use common::ipvs::Timeouts;

/// What is done with the kernel's table besides our own services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableSettings {
    /// How long the kernel remembers connections; 0: as long as it did before.
    pub timeouts: Timeouts,
    /// Whether the daemon's start removes other people's services.
    pub flush_at_start: bool,
    /// Whether its orderly stop does.
    pub flush_at_stop: bool,
}

/// What the kernel takes, whatever its clock rate: 2^31 ticks of a millisecond.
const IDLE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 24 * 3600);

/// Takes `[checker]`: whether the table is programmed, and how.
pub(super) fn read(table: &mut Table<'_>, d: &mut Diagnostics) -> (bool, TableSettings) {
    let ipvs = table.or("ipvs", true, d);
    let settings = TableSettings {
        flush_at_start: table.or("flush_at_start", false, d),
        flush_at_stop: table.or("flush_at_stop", false, d),
        timeouts: timeouts(table, d),
    };
    if !ipvs {
        for key in ["timeouts", "flush_at_start", "flush_at_stop"] {
            if let Some(span) = table.key_span(key) {
                d.error(span, format!("`{key}` means nothing with ipvs = false"));
            }
        }
    }
    (ipvs, settings)
}

fn timeouts(table: &mut Table<'_>, d: &mut Diagnostics) -> Timeouts {
    let Some(mut table) = table.table("timeouts", d) else { return Timeouts::default() };
    let mut seconds = |key| {
        let Some(time) = table.within(key, &IDLE, d) else { return 0 };
        if time.value.subsec_nanos() != 0 {
            d.error(time.span, format!("`{key}` is in whole seconds: the kernel knows no other"));
        }
        u32::try_from(time.value.as_secs()).unwrap_or(0)
    };
    let timeouts = Timeouts { tcp: seconds("tcp"), tcp_fin: seconds("tcp_fin"), udp: seconds("udp") };
    table.finish(d);
    timeouts
}
