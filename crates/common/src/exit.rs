//! Exit codes of `holdfastd` and `holdfast`; the same table for both programs.

use std::fmt;
use std::process::ExitCode;

/// Why a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The work is done.
    Done = 0,
    /// Something failed that is not named by another code.
    Failed = 1,
    /// The configuration or the command line is faulty.
    Config = 2,
    /// What was only asked about would change something.
    Differs = 3,
    /// A permission is missing.
    Permission = 4,
    /// The configuration file does not exist.
    NoConfig = 6,
    /// The daemon is not running.
    NotRunning = 7,
}

impl Exit {
    /// The number the operating system sees.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The exit a number stands for, if it is one of ours.
    pub fn from_code(code: i32) -> Option<Self> {
        let all = [
            Self::Done,
            Self::Failed,
            Self::Config,
            Self::Differs,
            Self::Permission,
            Self::NoConfig,
            Self::NotRunning,
        ];
        all.into_iter().find(|exit| i32::from(exit.code()) == code)
    }

    /// True where starting again cannot help: the operator has to change something first.
    pub fn is_permanent(self) -> bool {
        match self {
            Self::Config | Self::Permission | Self::NoConfig => true,
            Self::Done | Self::Failed | Self::Differs | Self::NotRunning => false,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Config => "configuration or usage faulty",
            Self::Differs => "something would change",
            Self::Permission => "permission missing",
            Self::NoConfig => "no configuration file",
            Self::NotRunning => "not running",
        })
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
