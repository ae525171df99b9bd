//! What it costs to read a large configuration: 1000 services of ten servers each.

use std::fmt::Write;

use lab::{Program, Result, Stopwatch, TempDir};

use crate::table::{Table, median};

const ROUNDS: usize = 10;

pub(crate) fn measure(table: &mut Table) -> Result {
    let folder = TempDir::new()?;
    let (mut ours, mut theirs) = (String::new(), String::new());
    for service in 0..1000 {
        let vip = format!("10.1.{}.{}", service / 250, service % 250 + 1);
        // Writing into a String cannot fail.
        let _ = writeln!(
            ours,
            "[[virtual_server]]\naddress = \"{vip}:80\"\nprotocol = \"tcp\"\nscheduler = \"rr\"\nforward = \"nat\"\n\
             check = {{ type = \"tcp\", interval = \"6s\" }}"
        );
        let _ = writeln!(
            theirs,
            "virtual_server {vip} 80 {{\n lb_algo rr\n lb_kind NAT\n protocol TCP\n delay_loop 6"
        );
        for server in 0..10 {
            let address = format!("10.2.{}.{}", service / 25, service % 25 * 10 + server);
            let _ = writeln!(ours, "[[virtual_server.real_server]]\naddress = \"{address}:80\"\nweight = 1");
            let _ = writeln!(theirs, " real_server {address} 80 {{\n  weight 1\n  TCP_CHECK {{ }}\n }}");
        }
        theirs.push_str("}\n");
    }
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
