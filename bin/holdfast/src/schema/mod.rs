//! `holdfast schema`: the configuration as a JSON Schema, for editors that complete keys and underline what is wrong.
//!
//! The schema is a file of the sources, made by the tests out of what the reader asks of every table (`make`) and of
//! the manual page (`manual`); a test fails when it is not what the reader of today would make. It refuses no
//! configuration that the reader takes. What two keys mean together only `holdfast check` knows; `limits` has what else
//! it cannot say.

#[cfg(test)]
mod demands;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod make;
#[cfg(test)]
mod manual;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod validate;

use common::exit::Exit;

use crate::output::Output;

const SCHEMA: &str = include_str!("../../../../etc/schema/holdfast.schema.json");

/// Prints the schema.
pub(crate) fn run(output: &mut Output) -> Exit {
    output.print(SCHEMA);
    Exit::Done
}
