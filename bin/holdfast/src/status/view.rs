//! How much is shown, and where it has to fit.

use std::time::{Duration, SystemTime};

use common::log::timestamp;

/// The way a status is shown to people.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    /// States have colours.
    pub(super) colour: bool,
    /// Everything, however wide it gets.
    pub(super) wide: bool,
    /// Names were given: the few things that have them are shown with all there is to say.
    pub(super) close: bool,
    /// The columns there are; lines are cut and wrapped to them.
    pub(super) width: Option<usize>,
    /// The time of day, for what happened so long ago.
    pub(super) now: SystemTime,
}

impl View {
    /// Whether there is room for every detail.
    pub(super) const fn detailed(self) -> bool {
        self.wide || self.close
    }

    /// The columns that lines must fit into.
    pub(super) const fn room(self) -> Option<usize> {
        if self.wide { None } else { self.width }
    }

    /// When it was, to the second.
    pub(super) fn moment(self, ago_s: f64) -> String {
        let ago = Duration::try_from_secs_f64(ago_s).unwrap_or_default();
        let at = self.now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
        let text = timestamp(at).replace('T', " ");
        text.split('.').next().map(|text| format!("{text}Z")).unwrap_or_default()
    }
}
