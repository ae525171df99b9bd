//! What nobody may notice: processes that are killed, time and again, and addresses that change hands on purpose.

mod farewell;
mod kills;
mod stalls;
mod upgrade;
mod victim;
