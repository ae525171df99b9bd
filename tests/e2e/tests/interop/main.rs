//! Holdfast beside keepalived and FRR on one wire, in both roles, for every way of speaking that both know.

mod bytes;
mod disagreement;
mod failures;
mod frr;
mod orders;
mod reload;
mod roles;
mod signed;
mod three;
mod virtual_mac;
mod wire;
