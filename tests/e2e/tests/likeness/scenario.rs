//! What a scenario is: the same wish in two languages, what happens, and what the kernel's table must be after it.

use crate::backends::Speaks;

/// One wish, told to both.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it is about.
    pub name: &'static str,
    /// In keepalived's words: `;` stands for the end of a line, braces too.
    pub keepalived: &'static str,
    /// In Holdfast's words.
    pub holdfast: &'static str,
    /// Both again, as they are after [`Deed::Reload`].
    pub reloaded: Option<(&'static str, &'static str)>,
    /// As `ipvsadm` names the services; all must be the same.
    pub services: &'static [&'static str],
    /// As `ipvsadm` names the server with the number `#`.
    pub server: &'static str,
    /// What speaks on the servers: so many of them from the first on.
    pub backends: &'static [Speaks],
    /// What happens, and what the table is then.
    pub steps: &'static [Step],
}

/// Something happens, then both tables must be this: `S` is a service, a digit a server of it. Lines that start with
/// `!` are what scripts wrote, in their order.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub deeds: &'static [Deed],
    pub table: &'static [&'static str],
}

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// A server ends.
    Dies(usize),
    /// It begins again.
    Returns(usize),
    /// A web server answers with this status from now on.
    Answers(usize, u16),
    /// A server's address is taken away, or given back.
    Unplugs(usize),
    Plugs(usize),
    /// A file beside the scripts gets another content.
    Writes(&'static str, &'static str),
    /// The second pair of configurations is loaded.
    Reload,
}

/// Such a step.
pub const fn step(deeds: &'static [Deed], table: &'static [&'static str]) -> Step {
    Step { deeds, table }
}

impl Scenario {
    /// What all have in common unless they say otherwise: one TCP service, two web servers.
    pub const PLAIN: Self = Self {
        name: "",
        keepalived: "",
        holdfast: "",
        reloaded: None,
        services: &["-t $VIP:$P"],
        server: "10.0.0.2#:$P",
        backends: &[Speaks::Http, Speaks::Http],
        steps: &[],
    };
}

/// The addresses and names of one scenario, filled into its texts.
#[derive(Debug, Clone)]
pub struct Places {
    /// Its number from 0 on.
    pub number: usize,
    /// The folder of scripts and files of one of the two programs.
    pub folder: String,
    /// The address of its director.
    pub own: &'static str,
}

impl Places {
    /// The service address.
    fn vip(&self) -> String {
        format!("192.0.2.{}", 100 + self.number)
    }

    /// The port of its servers.
    pub fn port(&self) -> usize {
        7000 + self.number
    }

    /// The address of one of its servers.
    pub fn server(&self, number: usize) -> String {
        format!("10.0.0.2{number}")
    }

    /// A text with everything filled in.
    pub fn fill(&self, text: &str) -> String {
        let mut text = text
            .replace("$COMMON", "delay_loop 8; retry 1; delay_before_retry 1; connect_timeout 20; warmup 0")
            .replace(
                "$C",
                "interval = \"8s\", timeout = \"20s\", retries = 1, retry_delay = \"1s\", warm_up = 0",
            )
            .replace("$ME", self.own)
            .replace("$VIP", &self.vip())
            .replace("$N", &self.number.to_string())
            .replace("$P", &self.port().to_string())
            .replace("$DIR", &format!("{}/{}", self.folder, self.number));
        for number in 1..=9 {
            text = text.replace(&format!("${number}"), &self.server(number));
        }
        text
    }

    /// keepalived's text, line by line.
    pub fn keepalived(&self, text: &str) -> String {
        self.fill(text).replace('{', "{\n").replace('}', "\n}\n").replace(';', "\n")
    }

    /// The lines that `ipvsadm -Sn` has for a table of the scenario, sorted, and those that scripts wrote, in order.
    pub fn table(&self, scenario: &Scenario, table: &[&str]) -> (Vec<String>, Vec<String>) {
        let mut lines = Vec::new();
        for service in scenario.services {
            for line in table.iter().filter(|line| !line.starts_with('!')) {
                let (who, rest) = line.split_once(' ').unwrap_or((line, ""));
                let line = match who {
                    "S" => format!("-A {service} {rest}"),
                    server => format!("-a {service} -r {} {rest}", scenario.server.replace('#', server)),
                };
                lines.push(self.fill(&line));
            }
        }
        lines.sort();
        let said = table.iter().filter_map(|line| line.strip_prefix('!')).map(|line| self.fill(line.trim()));
        (lines, said.collect())
    }

    /// The lines of `ipvsadm -Sn` that belong to the scenario, sorted.
    pub fn own(&self, scenario: &Scenario, saved: &str) -> Vec<String> {
        let services: Vec<String> =
            scenario.services.iter().map(|service| format!(" {} ", self.fill(service))).collect();
        let own = |line: &&str| services.iter().any(|service| format!("{line} ").contains(service));
        let mut lines: Vec<String> =
            saved.lines().filter(own).map(|line| line.trim_end().to_owned()).collect();
        lines.sort();
        lines
    }
}
