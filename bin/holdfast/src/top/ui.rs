//! What the operator has chosen, how keys change it, and how it is drawn. Pure: a key, or a buffer.

use std::time::SystemTime;

use common::log::timestamp;
use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::model::Model;
use super::rows::{Order, Pane, Row, rows, short};
use crate::status::grid::Tone;
use crate::status::text::ago;
use crate::status::watch::scrolled;

/// Lines above and below the table.
const HEAD: u16 = 4;
const FOOT: u16 = 1;
const KEYS: &str = "q quit  Tab pane  arrows PgUp PgDn scroll  / filter  s order  space now";

/// What is chosen.
#[derive(Debug, Default)]
pub(super) struct Ui {
    pane: Pane,
    order: Order,
    filter: String,
    /// The filter is being typed.
    typing: bool,
    offset: usize,
    /// How many rows fit, as it was drawn last.
    page: usize,
    /// States have colours.
    colour: bool,
}

/// What a key asks of the program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To be drawn anew.
    Draw,
    /// Another look at the daemon, at once.
    Look,
    /// The end.
    Quit,
}

impl Ui {
    /// As it begins.
    pub(super) fn new(colour: bool) -> Self {
        Self { colour, ..Self::default() }
    }

    /// Does what a key says.
    pub(super) fn key(&mut self, key: KeyCode) -> Wish {
        if self.typing {
            self.typed(key);
            return Wish::Draw;
        }
        if key == KeyCode::Char('q') || (key == KeyCode::Esc && self.filter.is_empty()) {
            return Wish::Quit;
        }
        if [KeyCode::Char(' '), KeyCode::Char('r')].contains(&key) {
            return Wish::Look;
        }
        if key == KeyCode::Tab || key == KeyCode::Right {
            self.turn(1);
        } else if key == KeyCode::BackTab || key == KeyCode::Left {
            self.turn(Pane::ALL.len() - 1);
        } else if key == KeyCode::Char('/') {
            self.typing = true;
        } else if key == KeyCode::Esc {
            self.filter.clear();
        } else if key == KeyCode::Char('s') {
            self.order = self.order.next();
            self.offset = 0;
        } else {
            self.offset = scrolled(key, self.offset, self.page.max(1));
        }
        Wish::Draw
    }

    fn typed(&mut self, key: KeyCode) {
        if let KeyCode::Char(letter) = key {
            self.filter.push(letter);
        } else if key == KeyCode::Backspace {
            self.filter.pop();
        } else if key == KeyCode::Esc {
            self.filter.clear();
            self.typing = false;
        } else if key == KeyCode::Enter {
            self.typing = false;
        }
        self.offset = 0;
    }

    fn turn(&mut self, by: usize) {
        let at = Pane::ALL.iter().position(|pane| *pane == self.pane).unwrap_or(0);
        self.pane = Pane::ALL.get((at + by) % Pane::ALL.len()).copied().unwrap_or_default();
        self.offset = 0;
    }

    /// Draws everything.
    pub(super) fn draw(&mut self, model: &Model, wall: SystemTime, area: Rect, buffer: &mut Buffer) {
        let mut pen = Pen { buffer, area, colour: self.colour };
        pen.line(0, &[(head(model, wall), Tone::Plain)], Modifier::BOLD);
        let rows = rows(model, self.pane, &self.filter, self.order);
        if model.faults.is_empty() {
            pen.line(1, &summary(model), Modifier::empty());
            pen.line(2, &[(traffic(model), Tone::Plain)], Modifier::empty());
        } else {
            for (at, fault) in (1..=2).zip(&model.faults) {
                pen.line(at, &[(fault.clone(), Tone::Bad)], Modifier::BOLD);
            }
        }
        self.tabs(rows.len(), &mut pen);
        self.page = usize::from(area.height.saturating_sub(HEAD + 1 + FOOT));
        self.offset = self.offset.min(rows.len().saturating_sub(self.page));
        self.table(&rows, &mut pen);
        let more = if self.page > 0 && rows.len() > self.page {
            format!("{}-{} of {}  ", self.offset + 1, (self.offset + self.page).min(rows.len()), rows.len())
        } else {
            String::new()
        };
        if area.height > HEAD {
            pen.line(area.height - 1, &[(format!("{more}{KEYS}"), Tone::Plain)], Modifier::DIM);
        }
    }

    fn tabs(&self, shown: usize, pen: &mut Pen<'_>) {
        let mut x = 0;
        for pane in Pane::ALL {
            let chosen = pane == self.pane;
            let text =
                if chosen { format!("[{} {shown}]", pane.title()) } else { format!(" {} ", pane.title()) };
            let modifier = if chosen { Modifier::BOLD } else { Modifier::DIM };
            x += pen.text(x, 3, &text, Tone::Plain, modifier) + 1;
        }
        let order = format!(" order: {}", self.order.word());
        x += pen.text(x, 3, &order, Tone::Plain, Modifier::empty()) + 1;
        if self.typing || !self.filter.is_empty() {
            let cursor = if self.typing { "_" } else { "" };
            pen.text(x, 3, &format!(" filter: {}{cursor}", self.filter), Tone::Calm, Modifier::BOLD);
        }
    }

    fn table(&self, rows: &[Row], pen: &mut Pen<'_>) {
        let titles = self.pane.columns();
        let shown: Vec<&Row> = rows.iter().skip(self.offset).take(self.page).collect();
        let mut widths: Vec<usize> = titles.iter().map(|title| title.chars().count()).collect();
        for row in &shown {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = (*width).max(cell.0.chars().count());
            }
        }
        let step = |width: &usize| u16::try_from(width + 2).unwrap_or(u16::MAX);
        let mut x = 0_u16;
        for (title, width) in titles.iter().zip(&widths) {
            pen.text(x, HEAD, title, Tone::Plain, Modifier::BOLD | Modifier::UNDERLINED);
            x = x.saturating_add(step(width));
        }
        for (y, row) in (HEAD + 1..).zip(shown) {
            let mut x = 0_u16;
            for (cell, width) in row.cells.iter().zip(&widths) {
                pen.text(x, y, &cell.0, cell.1, Modifier::empty());
                x = x.saturating_add(step(width));
            }
        }
        if rows.is_empty() {
            let why = if self.filter.is_empty() { "none" } else { "none that the filter lets through" };
            pen.text(0, HEAD + 1, why, Tone::Calm, Modifier::empty());
        }
    }
}

fn head(model: &Model, wall: SystemTime) -> String {
    let time = timestamp(wall).replace('T', " ");
    let time = time.split('.').next().unwrap_or_default();
    if model.version.is_empty() {
        return format!("Holdfast  {time}Z");
    }
    let up = ago(model.watchdog.uptime_s);
    format!("Holdfast {} on {}, up {up}  {time}Z", model.version, model.router_id)
}

/// How many of what there are, and what is wrong with them.
fn summary(model: &Model) -> Vec<(String, Tone)> {
    let mut parts = Vec::new();
    for child in &model.watchdog.children {
        let tone = if child.state == "up" { Tone::Good } else { Tone::Bad };
        parts.push((format!("{} {}  ", child.name, child.state), tone));
    }
    let state = |word: &str| model.vrrp.instances.iter().filter(|instance| instance.state == word).count();
    for (word, tone) in
        [("master", Tone::Good), ("backup", Tone::Calm), ("init", Tone::Calm), ("fault", Tone::Bad)]
    {
        if let count @ 1.. = state(word) {
            parts.push((format!("{count} {word}  "), tone));
        }
    }
    let services = &model.checker.virtual_servers;
    if !services.is_empty() {
        let lost = services.iter().filter(|service| !service.quorum_met).count();
        let down: usize = services.iter().map(|service| service.all().saturating_sub(service.alive())).sum();
        parts.push((format!("{} services", services.len()), Tone::Plain));
        if lost > 0 {
            parts.push((format!(", {lost} without quorum"), Tone::Bad));
        }
        if down > 0 {
            parts.push((format!(", {down} servers down"), Tone::Bad));
        }
    }
    parts
}

fn traffic(model: &Model) -> String {
    model.total().map_or_else(String::new, |rate| {
        format!(
            "{} connections/s, {} packets/s, {} bytes/s in, {} out",
            short(rate.connections),
            short(rate.packets),
            short(rate.bytes_in),
            short(rate.bytes_out)
        )
    })
}

/// Writes within the area.
struct Pen<'b> {
    buffer: &'b mut Buffer,
    area: Rect,
    colour: bool,
}

impl Pen<'_> {
    /// Writes from a column on; how many columns that took.
    fn text(&mut self, x: u16, y: u16, text: &str, tone: Tone, modifier: Modifier) -> u16 {
        if x >= self.area.width || y >= self.area.height {
            return 0;
        }
        let mut style = Style::new().add_modifier(modifier);
        let colour = match tone {
            Tone::Plain => None,
            Tone::Good => Some(Color::Green),
            Tone::Bad => Some(Color::Red),
            Tone::Calm => Some(Color::Yellow),
        };
        if let Some(colour) = colour.filter(|_| self.colour) {
            style = style.fg(colour);
        }
        let room = usize::from(self.area.width - x);
        let (end, _) = self.buffer.set_stringn(self.area.x + x, self.area.y + y, text, room, style);
        end.saturating_sub(self.area.x + x)
    }

    fn line(&mut self, y: u16, parts: &[(String, Tone)], modifier: Modifier) {
        let mut x = 0;
        for (text, tone) in parts {
            x += self.text(x, y, text, *tone, modifier);
        }
    }
}
