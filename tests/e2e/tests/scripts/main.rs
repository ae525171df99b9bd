//! Scripts and processes: tracked ones that move the virtual address, notify commands in their order, and what may be run at all.

mod fifo;
mod groups;
mod notify;
mod processes;
mod safety;
mod stage;
mod tracking;
