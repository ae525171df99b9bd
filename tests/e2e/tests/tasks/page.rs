//! What a page of `docs/tasks` shows: configurations, and commands with what they print.

use lab::{Error, Result};

/// One step of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A configuration, for these hosts: ` ```toml lb-1 lb-2:priority=90 `.
    Config { hosts: Vec<(String, Option<(String, String)>)>, text: String },
    /// A file of keepalived's on the first host: ` ```keepalived `.
    Keepalived(String),
    /// Commands: ` ```console `. A line `HOST# …` or `HOST$ …` is a command, the lines below it are in what it prints.
    Console(Vec<Command>),
    /// Not run: ` ```sh not-run: why `.
    Idle(String),
}

/// A command on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub host: String,
    pub line: String,
    pub prints: Vec<String>,
}

/// The blocks of a page; a block that nobody knows is a fault.
pub fn blocks(text: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let (kind, rest) = info.split_once(' ').unwrap_or((info, ""));
        blocks.push(match kind {
            "toml" => Block::Config { hosts: hosts(rest), text: body.join("\n") + "\n" },
            "keepalived" => Block::Keepalived(body.join("\n") + "\n"),
            "console" => Block::Console(commands(&body)?),
            "sh" => {
                let why = rest.strip_prefix("not-run: ").filter(|why| !why.is_empty());
                Block::Idle(why.ok_or_else(|| Error::new(format!("why is it not run? {body:?}")))?.to_owned())
            }
            _ => return Err(Error::new(format!("a block of an unknown kind: {info:?}"))),
        });
    }
    Ok(blocks)
}

fn hosts(words: &str) -> Vec<(String, Option<(String, String)>)> {
    let host = |word: &str| match word.split_once(':') {
        Some((host, change)) => {
            let (key, value) = change.split_once('=').unwrap_or((change, ""));
            (host.to_owned(), Some((key.to_owned(), value.to_owned())))
        }
        None => (word.to_owned(), None),
    };
    words.split_whitespace().map(host).collect()
}

fn commands(body: &[&str]) -> Result<Vec<Command>> {
    let mut commands: Vec<Command> = Vec::new();
    for line in body {
        let prompt = line.split_once(['#', '$']).filter(|(host, rest)| {
            !host.is_empty()
                && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && rest.starts_with(' ')
        });
        match (prompt, commands.last_mut()) {
            (Some((host, line)), _) => commands.push(Command {
                host: host.to_owned(),
                line: line.trim().to_owned(),
                prints: Vec::new(),
            }),
            (None, Some(last)) => last.prints.push((*line).to_owned()),
            (None, None) => return Err(Error::new(format!("printed by what? {line:?}"))),
        }
    }
    Ok(commands)
}

/// Whether what was printed has these lines, in this order; `…` stands for anything, spaces for any number of them.
pub fn shows(printed: &str, wanted: &[String]) -> bool {
    let squeeze = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines = printed.lines().map(squeeze);
    wanted.iter().map(|line| squeeze(line)).filter(|line| line != "…").all(|wanted| {
        let parts: Vec<&str> = wanted.split('…').map(str::trim).collect();
        lines.by_ref().any(|line| {
            let mut rest = line.as_str();
            parts.iter().all(|part| match rest.find(part) {
                Some(at) => {
                    rest = rest.get(at + part.len()..).unwrap_or_default();
                    true
                }
                None => false,
            })
        })
    })
}

#[test]
fn blocks_are_read_and_outputs_compared() {
    let text = "a\n```toml lb-1 lb-2:priority=90\nx = 1\n```\n```console\nlb-1# holdfast status\nVI_1   MASTER\n…\n\
                client$ curl http://192.0.2.100/\nok\n```\n```sh not-run: it ends the world\nrm\n```\n";
    let read = blocks(text).unwrap();
    assert_eq!(read.len(), 3);
    let Block::Console(commands) = &read[1] else { panic!("{read:?}") };
    assert_eq!(
        (commands[0].host.as_str(), commands[0].prints.len(), commands[1].line.as_str()),
        ("lb-1", 2, "curl http://192.0.2.100/")
    );
    let wanted = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    assert!(shows("x\nVI_1  MASTER   100 3s\n", &wanted(&["VI_1 MASTER … 3s", "…"])));
    assert!(!shows("VI_1 BACKUP\n", &wanted(&["VI_1 MASTER"])));
    assert!(blocks("```sh\nls\n```\n").is_err() && blocks("```yaml\n```\n").is_err());
}
