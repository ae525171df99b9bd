//! What the checker does to the world: the kernel's IPVS table follows the wanted one.

pub mod ipvs;
