//! What an operator has in hand: the init script, and `holdfast` against a daemon that runs.

mod command;
mod doctor;
mod events;
mod init;
mod logs;
mod orders;
mod realserver;
mod samples;
mod schema;
mod status;
mod top;
