//! Measurements that need IPVS: in the test kernel, by this program itself, which prints its rows for the host to read.

use std::time::Duration;

use lab::Result;
use lab::uml::{Uml, in_guest};

use crate::table::Table;

const ROW: &str = "row\t";

/// Measures in the test kernel, wherever this runs.
pub(crate) fn measure(name: &str, table: &mut Table, here: fn() -> Result) -> Result {
    if in_guest() {
        return here();
    }
    let own = std::env::current_exe()?;
    let guest = Uml::default().memory(768).limit(Duration::from_secs(580)).with_holdfast()?;
    let report =
        guest.run([own.as_os_str(), name.as_ref()]).map_err(|error| lab::Error::new(error.to_string()))?;
    for line in report.lines().filter_map(|line| line.strip_prefix(ROW)) {
        let fields: Vec<_> = line.split('\t').collect();
        let [what, unit, ours, theirs] = fields[..] else { return Err(format!("no row: {line}").into()) };
        let number = |text: &str| text.parse::<f64>().map_err(|error| lab::Error::new(error.to_string()));
        table.add(what, unit, number(ours)?, number(theirs)?);
    }
    Ok(())
}

/// A row of the table.
pub(crate) fn row(what: &str, unit: &str, ours: f64, theirs: f64) {
    println!("{ROW}{what}\t{unit}\t{ours}\t{theirs}");
}
