//! `holdfast realserver`: the real server's side of direct routing and tunnels.
//!
//! The virtual address stands on the loopback interface or on the tunnel's end, where nobody asks for it; ARP for it is not
//! answered, and the tunnel's end is open. `wish` is what should be, `machine` what is, `judge` (pure) the difference; `state` is a file
//! that says what was there before, so that `down` leaves the machine as `up` found it.

mod judge;
mod machine;
mod state;
mod wish;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use common::exit::Exit;

use crate::output::Output;
use judge::Finding;
use machine::Machine;
use state::State;
use wish::{Over, Tunnel, Wish};

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct RealServer {
    /// Set up, take down, or say what is missing
    #[arg(value_enum)]
    what: What,
    /// The virtual addresses, with commas between
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', required = true)]
    vip: Vec<IpAddr>,
    /// How the director forwards
    #[arg(long, value_enum, default_value_t = Mode::Dr)]
    mode: Mode,
    /// The kind of tunnel
    #[arg(long, value_enum, default_value_t = Kind::Ipip)]
    tunnel: Kind,
    /// The family of the packets that the tunnel is made of: that of this machine's address in the director's
    /// configuration [default: that of the virtual address]
    #[arg(long, value_enum, value_name = "FAMILY")]
    over: Option<Family>,
    /// The UDP port of gue
    #[arg(long, default_value_t = 6080, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// The interface that holds the addresses: lo, or the tunnel's end
    #[arg(long, value_name = "INTERFACE")]
    device: Option<String>,
    /// Where it is remembered what was there before
    #[arg(long, value_name = "FILE", default_value = "/run/holdfast-realserver.json")]
    state: PathBuf,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Make this machine ready
    Up,
    /// Leave it as it was
    Down,
    /// Say what is wrong, and the command that mends it
    Check,
}

/// Forwarding methods that need something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Direct routing
    Dr,
    /// Tunnels
    Tun,
}

/// Kinds of tunnel, as in `tunnel` of holdfast.toml(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// IP in IP
    Ipip,
    /// Generic UDP encapsulation
    Gue,
    /// Generic routing encapsulation
    Gre,
}

/// Families of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Family {
    /// IPv4
    Ipv4,
    /// IPv6
    Ipv6,
}

/// Does it, and says what was done.
pub(crate) fn run(how: &RealServer, output: &mut Output) -> Exit {
    let tunnel = (how.mode == Mode::Tun).then_some(match how.tunnel {
        Kind::Ipip => Tunnel::Ipip,
        Kind::Gue => Tunnel::Gue(how.port),
        Kind::Gre => Tunnel::Gre,
    });
    let over = how.over.map(|family| match family {
        Family::Ipv4 => Over::Ipv4,
        Family::Ipv6 => Over::Ipv6,
    });
    let done = Wish::new(&how.vip, tunnel, over, how.device.as_deref())
        .map_err(|why| (Exit::Config, why))
        .and_then(|wish| match how.what {
            What::Up => up(how, &wish, output),
            What::Down => down(how, &wish, output),
            What::Check => check(&wish, output),
        });
    done.unwrap_or_else(|(exit, words)| {
        output.complain(&format!("{words}\n"));
        exit
    })
}

type Done = Result<Exit, (Exit, String)>;

fn failed(why: String) -> (Exit, String) {
    let denied = why.contains("Operation not permitted") || why.contains("Permission denied");
    (if denied { Exit::Permission } else { Exit::Failed }, why)
}

/// ARP falls silent before the address is there, and the file knows what was before it is changed.
fn up(how: &RealServer, wish: &Wish, output: &mut Output) -> Done {
    let mut machine = Machine::open().map_err(failed)?;
    machine.load(wish);
    let before = machine.look(wish).map_err(failed)?;
    let mut state = State::load(&how.state).map_err(failed)?;
    state.remember(wish, &before);
    state.save(&how.state).map_err(failed)?;
    machine.raise(wish, &before).map_err(failed)?;
    let findings = judge::findings(wish, &machine.look(wish).map_err(failed)?);
    if findings.is_empty() {
        let addresses: Vec<String> = wish.vips.iter().map(ToString::to_string).collect();
        output.print(&format!("ready for {}\n", addresses.join(", ")));
        return Ok(Exit::Done);
    }
    output.complain(&told(&findings));
    Ok(Exit::Failed)
}

/// What is left of it when other addresses still need it stays.
fn down(how: &RealServer, wish: &Wish, output: &mut Output) -> Done {
    let mut machine = Machine::open().map_err(failed)?;
    let mut state = State::load(&how.state).map_err(failed)?;
    let there = machine.look(wish).map_err(failed)?;
    machine.lower(wish, &there, &state).map_err(failed)?;
    for strange in state.forget(wish, &mut machine).map_err(failed)? {
        output.complain(&format!("{strange}\n"));
    }
    state.save(&how.state).map_err(failed)?;
    output.print("as it was before\n");
    Ok(Exit::Done)
}

fn check(wish: &Wish, output: &mut Output) -> Done {
    let there = Machine::open().and_then(|mut machine| machine.look(wish)).map_err(failed)?;
    let findings = judge::findings(wish, &there);
    if findings.is_empty() {
        output.print("nothing is wrong\n");
        return Ok(Exit::Done);
    }
    output.print(&told(&findings));
    Ok(Exit::Failed)
}

/// One finding a line, and under it the command.
fn told(findings: &[Finding]) -> String {
    findings.iter().map(|Finding { what, mend }| format!("{what}\n    {mend}\n")).collect()
}
