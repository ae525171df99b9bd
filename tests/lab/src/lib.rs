//! The laboratory of the end-to-end tests: hosts, wires, processes and witnesses on one machine.

pub mod uml;
