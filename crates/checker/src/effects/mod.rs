//! What the checker does to the world: the kernel's IPVS table follows the wanted one, scripts are run,
//! changes are told to the log and to whoever listens.

pub mod descriptors;
pub mod herald;
pub mod holdings;
pub mod ipvs;
pub mod journal;
pub mod scripts;
