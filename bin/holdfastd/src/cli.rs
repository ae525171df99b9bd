//! The command line as a pure function of the arguments.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;

use clap::{ArgAction, Parser};
use common::log::{Levels, Part, Target};
use common::role::Role;

/// Virtual addresses that fail over, and load balancing that follows health.
#[derive(Parser, Debug)]
#[command(name = "holdfastd", version, about, args_override_self = true)]
struct Arguments {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = "/etc/holdfast/holdfast.toml")]
    config: PathBuf,
    /// The directory for the pid file and the sockets; one for each daemon
    #[arg(long, value_name = "DIR", default_value = "/run/holdfast")]
    run_dir: PathBuf,
    /// Stay in the foreground
    #[arg(short = 'n', long, action = ArgAction::SetTrue)]
    foreground: bool,
    /// Check the configuration and exit
    #[arg(long, action = ArgAction::SetTrue)]
    check: bool,
    /// Run no checker, whatever the configuration says
    #[arg(long, action = ArgAction::SetTrue, conflicts_with = "checker_only")]
    vrrp_only: bool,
    /// Run no VRRP, whatever the configuration says
    #[arg(long, action = ArgAction::SetTrue)]
    checker_only: bool,
    /// error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: Levels,
    /// stderr, syslog, journal, or the name of a file [default: stderr in the foreground, else syslog]
    #[arg(long, value_name = "TARGET")]
    log_target: Option<Target>,
    /// For the watchdog's use: which child to be
    #[arg(long, hide = true)]
    role: Option<String>,
    /// For the daemon's use: where to tell the outcome of the start-up
    #[arg(long, hide = true, value_name = "FD")]
    announce: Option<RawFd>,
    /// For the watchdog's use: what it left when this program took its place
    #[arg(long, hide = true, value_name = "ESTATE")]
    succeed: Option<String>,
}

/// How to run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    /// Check the configuration, and nothing else.
    Check,
    /// Be the watchdog in the foreground.
    Foreground,
    /// Start the watchdog as a daemon, and wait until it is ready.
    Daemon,
    /// Be that daemon, and tell the outcome of the start-up here.
    Detached(RawFd),
    /// Be this child.
    Child(&'static Role),
    /// Deliver mail for the watchdog, and end.
    Mail,
}

/// What the arguments ask for.
#[derive(Debug)]
pub(crate) struct Line {
    /// How to run.
    pub(crate) mode: Mode,
    /// With what.
    pub(crate) options: watchdog::Options,
    /// What a watchdog has left whose place we take.
    pub(crate) succeed: Option<String>,
    /// The log target was chosen, not supposed.
    pub(crate) target_chosen: bool,
}

/// What may have a level of its own: every process, and its parts.
fn with_levels(roles: &[Role]) -> Vec<String> {
    let processes = roles.iter().map(|role| (role.name, role.parts)).chain([("watchdog", watchdog::PARTS)]);
    let names = |(process, parts): (&str, &[Part])| {
        let parts = parts.iter().map(|part| format!("{process}.{}", part.name));
        std::iter::once(process.to_owned()).chain(parts).collect::<Vec<_>>()
    };
    processes.flat_map(names).collect()
}

/// Reads the command line.
///
/// # Errors
/// It is faulty, or asks for help: clap has the words and the exit code (2 or 0).
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    roles: &'static [Role],
) -> Result<Line, clap::Error> {
    let line = Arguments::try_parse_from(arguments)?;
    let fault = |text: String| clap::Error::raw(clap::error::ErrorKind::InvalidValue, format!("{text}\n"));
    let absolute = |path: PathBuf| {
        std::path::absolute(&path).map_err(|error| fault(format!("{}: {error}", path.display())))
    };
    let mail = line.role.as_deref() == Some("mail");
    let child = match &line.role {
        None => None,
        Some(_) if mail => None,
        Some(name) => {
            let role = roles.iter().find(|role| role.name == name);
            Some(role.ok_or_else(|| fault(format!("there is no role {name:?}")))?)
        }
    };
    let known = with_levels(roles);
    if let Some(other) = line.log_level.names().find(|name| !known.iter().any(|known| known == name)) {
        let known = known.join(", ");
        return Err(fault(format!("--log-level: there is no process or part {other:?}; there are: {known}")));
    }
    let mode = match (child, line.announce) {
        (Some(role), _) => Mode::Child(role),
        (None, _) if mail => Mode::Mail,
        (None, Some(fd)) => Mode::Detached(fd),
        (None, None) if line.check => Mode::Check,
        (None, None) if line.foreground => Mode::Foreground,
        (None, None) => Mode::Daemon,
    };
    let supposed = if matches!(mode, Mode::Foreground) { Target::Stderr } else { Target::Syslog };
    let options = watchdog::Options {
        config: absolute(line.config)?,
        run_dir: absolute(line.run_dir)?,
        only: [(line.vrrp_only, "vrrp"), (line.checker_only, "checker")]
            .into_iter()
            .find_map(|(given, role)| given.then_some(role)),
        log_level: line.log_level,
        log_target: line.log_target.clone().unwrap_or(supposed),
    };
    Ok(Line { mode, options, succeed: line.succeed, target_chosen: line.log_target.is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::ROLES;

    fn parsed(words: &[&str]) -> Line {
        let words = std::iter::once("holdfastd").chain(words.iter().copied());
        parse(words.map(OsString::from), ROLES).unwrap()
    }

    fn exit_code(words: &[&str]) -> i32 {
        let words = std::iter::once("holdfastd").chain(words.iter().copied());
        parse(words.map(OsString::from), ROLES).unwrap_err().exit_code()
    }

    #[test]
    fn without_arguments_it_is_a_daemon_with_the_usual_places() {
        let line = parsed(&[]);
        assert!(matches!(line.mode, Mode::Daemon));
        assert_eq!(line.options.config, PathBuf::from("/etc/holdfast/holdfast.toml"));
        assert_eq!(line.options.run_dir, PathBuf::from("/run/holdfast"));
        assert_eq!(line.options.log_target, Target::Syslog);
        assert_eq!(line.options.log_level, log::LevelFilter::Info.into());
        assert!(!line.target_chosen);
    }

    #[test]
    fn every_option_has_its_effect() {
        assert!(matches!(parsed(&["-n"]).mode, Mode::Foreground));
        assert_eq!(parsed(&["-n"]).options.log_target, Target::Stderr);
        assert!(matches!(parsed(&["--foreground", "--check"]).mode, Mode::Check));
        assert_eq!(parsed(&["-c", "/a.toml"]).options.config, PathBuf::from("/a.toml"));
        assert_eq!(parsed(&["--run-dir", "/r"]).options.run_dir, PathBuf::from("/r"));
        assert_eq!(parsed(&["--vrrp-only"]).options.only, Some("vrrp"));
        assert_eq!(parsed(&["--checker-only"]).options.only, Some("checker"));
        assert_eq!(parsed(&["--log-level", "debug"]).options.log_level, log::LevelFilter::Debug.into());
        let levels = parsed(&["--log-level", "warn,vrrp=debug,watchdog=info"]).options.log_level;
        assert_eq!(levels.to_string(), "warn,vrrp=debug,watchdog=info");
        let line = parsed(&["-n", "--log-target", "/var/log/holdfast.log"]);
        assert_eq!(line.options.log_target, Target::File("/var/log/holdfast.log".into()));
        assert!(line.target_chosen);
        assert!(matches!(parsed(&["--announce", "7"]).mode, Mode::Detached(7)));
        assert!(matches!(parsed(&["--role", "mail"]).mode, Mode::Mail));
        assert!(matches!(parsed(&["--role", "vrrp"]).mode, Mode::Child(role) if role.name == "vrrp"));
    }

    #[test]
    fn parts_have_levels_too_and_who_asks_for_another_is_told_which_there_are() {
        let words = "warn,checker.ipvs=trace,vrrp=info,vrrp.adverts=debug";
        assert_eq!(parsed(&["--log-level", words]).options.log_level.to_string(), words);
        let words = ["holdfastd", "--log-level", "vrrp.advert=debug"].map(OsString::from);
        let told = parse(words, ROLES).unwrap_err().to_string();
        for name in with_levels(ROLES) {
            assert!(told.contains(&name), "{name}: {told}");
        }
        assert!(told.contains("\"vrrp.advert\"") && told.contains("vrrp.adverts, "), "{told}");
    }

    /// Every part has lines: its modules are there, its kinds of events are told by its process, and the manual page
    /// has it. Every kind of event of a process belongs to a part.
    #[test]
    fn parts_are_what_they_say() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
        let page = read("docs/man/holdfastd.8");
        let told = |files: &[&str]| -> Vec<String> {
            let text: String = files.iter().map(|file| read(file)).collect();
            let kinds = common::history::KINDS.iter().map(|kind| kind.name.to_owned());
            // Those that are lost are told by whoever loses them, and not in the log.
            let logged = kinds.filter(|kind| kind != "dropped");
            logged.filter(|kind| text.contains(&format!("\"{kind}\""))).collect()
        };
        let watchdog = [
            "crates/watchdog/src/supervisor/fact.rs",
            "crates/watchdog/src/watchdog/actions.rs",
            "crates/watchdog/src/watchdog/requests.rs",
        ];
        let vrrp = ["crates/vrrp/src/events.rs", "crates/vrrp/src/machine/order.rs"];
        let own = |process: &str| match process {
            "vrrp" => told(&vrrp),
            "checker" => told(&["crates/checker/src/effects/herald.rs"]),
            _ => told(&watchdog),
        };
        let processes =
            ROLES.iter().map(|role| (role.name, role.parts)).chain([("watchdog", watchdog::PARTS)]);
        for (process, parts) in processes {
            let kinds = own(process);
            for part in parts {
                assert!(
                    page.contains(&format!(".It Ic {process}.{}\n", part.name)),
                    "{process}.{}",
                    part.name
                );
                for target in part.targets {
                    if let Some((room, module)) = target.split_once("::") {
                        let path = format!("crates/{room}/src/{}", module.replace("::", "/"));
                        let file = [format!("{path}.rs"), format!("{path}/mod.rs")];
                        assert!(file.iter().any(|file| root.join(file).exists()), "{target}");
                    } else {
                        assert!(kinds.iter().any(|kind| kind.starts_with(target)), "{process}: {target}");
                    }
                }
            }
            if process != "watchdog" {
                for kind in kinds {
                    let theirs = |part: &&Part| part.targets.iter().any(|target| kind.starts_with(target));
                    assert_eq!(parts.iter().filter(theirs).count(), 1, "{process}: {kind}");
                }
            }
        }
    }

    /// `UPDATE=1 cargo test` writes them anew.
    #[test]
    fn the_completions_that_are_installed_are_those_of_this_command_line() {
        use clap::CommandFactory as _;
        use clap_complete::Shell::{Bash, Fish, Zsh};

        let all = Arguments::command();
        let for_operators = all.get_arguments().filter(|argument| !argument.is_hide_set()).cloned();
        let command = clap::Command::new("holdfastd").version("0").args(for_operators);
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../etc/completions");
        for (shell, name) in [(Bash, "holdfastd.bash"), (Zsh, "_holdfastd"), (Fish, "holdfastd.fish")] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut command.clone(), "holdfastd", &mut text);
            let text = String::from_utf8(text).unwrap();
            let path = directory.join(name);
            if std::env::var_os("UPDATE").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{name}");
        }
    }

    #[test]
    fn the_last_word_counts_so_that_a_unit_can_be_overridden() {
        let line = parsed(&["-n", "--log-target", "journal", "--log-target", "syslog"]);
        assert_eq!(line.options.log_target, Target::Syslog);
    }

    #[test]
    fn paths_are_made_absolute_because_a_daemon_leaves_its_directory() {
        assert!(parsed(&["-c", "a.toml", "--run-dir", "r"]).options.config.is_absolute());
        assert!(parsed(&["-c", "a.toml", "--run-dir", "r"]).options.run_dir.is_absolute());
    }

    #[test]
    fn faulty_usage_is_exit_code_2_and_help_is_not_faulty() {
        assert_eq!(exit_code(&["--nonsense"]), 2);
        assert_eq!(exit_code(&["--vrrp-only", "--checker-only"]), 2);
        assert_eq!(exit_code(&["--log-target", "relative.log"]), 2);
        assert_eq!(exit_code(&["--log-level", "info,cook=debug"]), 2);
        assert_eq!(exit_code(&["--log-level", "info,vrrp.cook=debug"]), 2);
        assert_eq!(exit_code(&["--log-level", "info,watchdog.ipvs=debug"]), 2, "a part of another process");
        assert_eq!(exit_code(&["--role", "cook"]), 2);
        assert_eq!(exit_code(&["stray"]), 2);
        assert_eq!(exit_code(&["--help"]), 0);
        assert_eq!(exit_code(&["--version"]), 0);
    }
}
