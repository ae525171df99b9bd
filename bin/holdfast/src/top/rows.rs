//! From what is known to rows: the columns of each pane, chosen and put in order. Pure.

use std::cmp::Reverse;

use super::model::{Model, Rate};
use crate::status::grid::{Cell, Tone};
use crate::status::model::{Instance, RealServer, VirtualServer};
use crate::status::text::ago;

/// What there is to look at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Pane {
    #[default]
    Instances,
    Services,
    Servers,
}

impl Pane {
    /// In the order of the tab key.
    pub(super) const ALL: [Self; 3] = [Self::Instances, Self::Services, Self::Servers];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Instances => "Virtual routers",
            Self::Services => "Services",
            Self::Servers => "Servers",
        }
    }

    /// The titles of its columns.
    pub(super) const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Instances => &["NAME", "STATE", "FOR", "PRIORITY", "INTERFACE", "VRID", "WHY"],
            Self::Services => {
                &["SERVICE", "QUORUM", "UP", "ACTIVE", "CONN/S", "PKT/S", "IN/S", "OUT/S", "CONNECTIONS"]
            }
            Self::Servers => &[
                "SERVER",
                "STATE",
                "FOR",
                "WEIGHT",
                "ACTIVE",
                "CONN/S",
                "IN/S",
                "OUT/S",
                "SERVICE",
                "LAST CHECK",
            ],
        }
    }
}

/// What comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// As in the configuration.
    #[default]
    Configured,
    /// What is wrong first.
    Worst,
    /// The busiest first: connections a second.
    Busiest,
    /// By name.
    Name,
}

impl Order {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Worst => "worst first",
            Self::Busiest => "busiest first",
            Self::Name => "name",
        }
    }

    pub(super) const fn next(self) -> Self {
        match self {
            Self::Configured => Self::Worst,
            Self::Worst => Self::Busiest,
            Self::Busiest => Self::Name,
            Self::Name => Self::Configured,
        }
    }
}

/// A row, and what it is put in order by.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    rank: u8,
    busy: f64,
}

/// The rows of a pane in which the words of the filter are found.
pub(super) fn rows(model: &Model, pane: Pane, filter: &str, order: Order) -> Vec<Row> {
    let services = &model.checker.virtual_servers;
    let mut rows: Vec<Row> = match pane {
        Pane::Instances => model.vrrp.instances.iter().map(instance).collect(),
        Pane::Services => services.iter().map(|one| service(model, one)).collect(),
        Pane::Servers => {
            let of = |service| move |real| server(model, service, real);
            services.iter().flat_map(|service| service.real_servers.iter().map(of(service))).collect()
        }
    };
    let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
    rows.retain(|row| {
        let text: Vec<String> = row.cells.iter().map(|cell| cell.0.to_lowercase()).collect();
        words.iter().all(|word| text.iter().any(|cell| cell.contains(word)))
    });
    // What is equal stays as it is configured.
    match order {
        Order::Configured => {}
        Order::Worst => rows.sort_by_key(|row| Reverse(row.rank)),
        Order::Busiest => rows.sort_by(|a, b| b.busy.total_cmp(&a.busy)),
        Order::Name => rows.sort_by(|a, b| name(a).cmp(name(b))),
    }
    rows
}

fn name(row: &Row) -> &str {
    row.cells.first().map_or("", |cell| &cell.0)
}

fn instance(one: &Instance) -> Row {
    let (rank, tone) = match one.state.as_str() {
        "fault" => (2, Tone::Bad),
        "init" => (1, Tone::Calm),
        "master" => (0, Tone::Good),
        _ => (0, Tone::Calm),
    };
    let priority = if one.priority == one.effective_priority {
        one.priority.to_string()
    } else {
        format!("{}/{}", one.effective_priority, one.priority)
    };
    let cells = vec![
        one.name.as_str().into(),
        Cell(one.state.to_uppercase(), tone),
        one.since_s.map(ago).unwrap_or_default().into(),
        priority.into(),
        one.interface.as_str().into(),
        one.virtual_router_id.to_string().into(),
        one.why.as_str().into(),
    ];
    Row { cells, rank, busy: 0.0 }
}

fn service(model: &Model, one: &VirtualServer) -> Row {
    let (all, alive) = (one.all(), one.alive());
    let rate = model.rate(one);
    let quorum = if one.quorum_met {
        Cell("met".to_owned(), Tone::Good)
    } else {
        Cell("NOT MET".to_owned(), Tone::Bad)
    };
    let active: Vec<u64> = one.real_servers.iter().filter_map(|real| real.active_connections).collect();
    let active = if active.is_empty() { "-".to_owned() } else { active.iter().sum::<u64>().to_string() };
    let cells = vec![
        titled(one).into(),
        quorum,
        Cell(format!("{alive}/{all}"), if alive < all { Tone::Bad } else { Tone::Plain }),
        active.into(),
        number(rate, |rate| rate.connections).into(),
        number(rate, |rate| rate.packets).into(),
        number(rate, |rate| rate.bytes_in).into(),
        number(rate, |rate| rate.bytes_out).into(),
        Cell(sparkline(&model.curve(one), 30), Tone::Calm),
    ];
    let rank = if !one.quorum_met { 2 } else { u8::from(alive < all) };
    Row { cells, rank, busy: rate.map_or(0.0, |rate| rate.connections) }
}

fn titled(one: &VirtualServer) -> String {
    if one.protocol.is_empty() { one.name() } else { format!("{} {}", one.protocol, one.name()) }
}

fn server(model: &Model, service: &VirtualServer, one: &RealServer) -> Row {
    let rate = model.server_rate(service, &one.address);
    let state = match (one.alive, one.backup, one.standby) {
        (false, ..) => Cell("DOWN".to_owned(), Tone::Bad),
        (true, true, true) => Cell("waits".to_owned(), Tone::Calm),
        (true, ..) => Cell("up".to_owned(), Tone::Good),
    };
    let weight = if one.weight == one.effective_weight {
        one.weight.to_string()
    } else {
        format!("{}/{}", one.effective_weight, one.weight)
    };
    let check = one.checks.iter().find(|check| check.up == Some(false)).or_else(|| one.checks.first());
    let check = check
        .map(|check| format!("{}: {}", check.kind, check.last_result.as_deref().unwrap_or("not run yet")));
    let cells = vec![
        one.address.as_str().into(),
        state,
        one.since_s.map(ago).unwrap_or_default().into(),
        weight.into(),
        one.active_connections.map_or_else(|| "-".to_owned(), |count| count.to_string()).into(),
        number(rate, |rate| rate.connections).into(),
        number(rate, |rate| rate.bytes_in).into(),
        number(rate, |rate| rate.bytes_out).into(),
        titled(service).into(),
        check.unwrap_or_default().into(),
    ];
    Row { cells, rank: u8::from(!one.alive), busy: rate.map_or(0.0, |rate| rate.connections) }
}

fn number(rate: Option<Rate>, of: impl Fn(&Rate) -> f64) -> String {
    rate.as_ref().map_or_else(|| "-".to_owned(), |rate| short(of(rate)))
}

/// A number in at most five characters.
pub(super) fn short(number: f64) -> String {
    let mut scaled = number;
    for unit in ["", "k", "M", "G", "T"] {
        if scaled < 999.5 {
            let digits = usize::from(scaled < 9.95 && scaled > 0.0);
            return format!("{scaled:.digits$}{unit}");
        }
        scaled /= 1000.0;
    }
    "many".to_owned()
}

/// The last of the numbers, each a column as high as it is large; the largest is as high as it gets.
pub(super) fn sparkline(numbers: &[f64], width: usize) -> String {
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = numbers.get(numbers.len().saturating_sub(width)..).unwrap_or_default();
    let most = shown.iter().copied().fold(0.0, f64::max);
    let step = |number: &f64| {
        if most <= 0.0 {
            return STEPS.first().copied();
        }
        let at = (number / most * 8.0).ceil();
        // The place of the last step that it reaches; what is more than nothing reaches the first.
        (1_u8..=8)
            .zip(STEPS)
            .take_while(|(height, _)| *height == 1 || f64::from(*height) <= at)
            .last()
            .map(|(_, c)| c)
    };
    shown.iter().filter_map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (number, text) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (9.94, "9.9"),
            (9.96, "10"),
            (999.0, "999"),
            (999.6, "1.0k"),
            (12_345.0, "12k"),
            (1_500_000.0, "1.5M"),
            (2e9, "2.0G"),
            (1e20, "many"),
        ] {
            assert_eq!(short(number), text, "{number}");
        }
    }

    #[test]
    fn curves_are_as_high_as_their_numbers() {
        assert_eq!(sparkline(&[0.0, 1.0, 4.0, 8.0], 10), "▁▁▄█");
        assert_eq!(sparkline(&[0.0, 1.0, 4.0, 8.0], 2), "▄█");
        assert_eq!(sparkline(&[0.0, 0.0], 5), "▁▁");
        assert_eq!(sparkline(&[], 5), "");
    }
}
