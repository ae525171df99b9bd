//! What it costs to read a large configuration: 1000 services of ten servers each.

use lab::{Program, Result, Stopwatch, TempDir};

use crate::director::MAKES;
use crate::farm::Farm;
use crate::table::{Table, median};

const ROUNDS: usize = 10;

pub(crate) fn measure(table: &mut Table) -> Result {
    let folder = TempDir::new()?;
    let [ours, theirs] = MAKES.map(|make| Farm::large().config(make));
    let ours = folder.write("holdfast.toml", &ours)?;
    let theirs = folder.write("keepalived.conf", &theirs)?;
    let command = lab::program(Program::Holdfast)?;
    let (command, ours, theirs) =
        (command.to_string_lossy(), ours.to_string_lossy(), theirs.to_string_lossy());
    let ours = rounds(&[&*command, "check", &*ours])?;
    let theirs = rounds(&["keepalived", "-t", "-f", &*theirs])?;
    table.add("check a file of 1000 services with 10 servers each", "ms", ours, theirs);
    Ok(())
}

fn rounds(argv: &[&str]) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let watch = Stopwatch::start();
        lab::run(argv)?;
        times.push(watch.seconds() * 1000.0);
    }
    Ok(median(&times))
}
