//! The Debian package: made, judged by lintian, and lived with in a Debian of its own.

mod debian;
mod life;
mod units;
