//! What the checker does to the world: the kernel's IPVS table follows the wanted one, scripts are run,
//! changes are told to the log.

pub mod descriptors;
pub mod holdings;
pub mod ipvs;
pub mod journal;
pub mod scripts;
