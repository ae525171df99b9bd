//! As whom a script runs.

use std::ffi::CString;
use std::fmt;
use std::io;

use nix::unistd::{Gid, Uid, User, geteuid, getgroups};

use crate::config::UserName;

/// A user of this system with all groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's name.
    pub name: String,
    /// The user's number.
    pub uid: Uid,
    /// The primary group.
    pub gid: Gid,
    /// All groups.
    pub groups: Vec<Gid>,
    /// The home directory, for the environment.
    pub home: String,
    /// Whether the ids have to be changed: we are somebody else.
    pub change: bool,
}

/// Why nobody is there to run a script.
#[derive(Debug)]
pub enum IdentityError {
    /// No such user here.
    Unknown(String),
    /// Neither of the default users exists.
    NoDefault,
    /// We are not root and cannot become somebody else.
    NotRoot(String),
    /// The user data base did not answer.
    Lookup(String, io::Error),
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "there is no user {name} on this machine"),
            Self::NoDefault => write!(
                f,
                "there is neither a user {} nor {}: name one in `global.script_user`",
                Identity::DEFAULTS[0],
                Identity::DEFAULTS[1]
            ),
            Self::NotRoot(name) => write!(f, "only root can run a script as user {name}"),
            Self::Lookup(name, error) => write!(f, "cannot look up user {name}: {error}"),
        }
    }
}

impl std::error::Error for IdentityError {}

impl Identity {
    /// Who runs scripts where the configuration names nobody: the first that exists. Never root.
    pub const DEFAULTS: [&'static str; 2] = ["holdfast_script", "nobody"];

    /// The named user, or the default one. Asks the user data base, which may take its time.
    ///
    /// # Errors
    /// Where there is no such user, or we may not become that user.
    pub fn find(name: Option<&UserName>) -> Result<Self, IdentityError> {
        if let Some(name) = name {
            let user = lookup(name.as_str())?.ok_or_else(|| IdentityError::Unknown(name.to_string()))?;
            return Self::of(user);
        }
        if !geteuid().is_root() {
            return Self::ourselves();
        }
        for name in Self::DEFAULTS {
            if let Some(user) = lookup(name)?.filter(|user| !user.uid.is_root()) {
                return Self::of(user);
            }
        }
        Err(IdentityError::NoDefault)
    }

    fn of(user: User) -> Result<Self, IdentityError> {
        let us = geteuid();
        if us == user.uid && !us.is_root() {
            return Self::ourselves();
        }
        if !us.is_root() {
            return Err(IdentityError::NotRoot(user.name));
        }
        let groups = CString::new(user.name.clone())
            .map_err(io::Error::from)
            .and_then(|name| Ok(nix::unistd::getgrouplist(&name, user.gid)?))
            .map_err(|error| IdentityError::Lookup(user.name.clone(), error))?;
        let home = user.dir.to_string_lossy().into_owned();
        Ok(Self { name: user.name, uid: user.uid, gid: user.gid, groups, home, change: true })
    }

    /// Whoever we are, where we cannot become anybody else.
    fn ourselves() -> Result<Self, IdentityError> {
        let uid = geteuid();
        let failed = |error: nix::Error| IdentityError::Lookup(uid.to_string(), error.into());
        let user = User::from_uid(uid).map_err(failed)?;
        let groups = getgroups().map_err(failed)?;
        let (name, home) = user.map_or_else(
            || (uid.to_string(), "/".to_owned()),
            |user| (user.name, user.dir.to_string_lossy().into_owned()),
        );
        Ok(Self { name, uid, gid: nix::unistd::getegid(), groups, home, change: false })
    }
}

fn lookup(name: &str) -> Result<Option<User>, IdentityError> {
    User::from_name(name).map_err(|error| IdentityError::Lookup(name.to_owned(), error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_name_it_is_never_root() {
        assert!(!Identity::find(None).unwrap().uid.is_root() || !geteuid().is_root());
    }

    #[test]
    fn root_runs_scripts_only_where_it_is_named() {
        let root = Identity::find(Some(&"root".parse().unwrap()));
        assert_eq!(root.is_ok(), geteuid().is_root());
    }

    #[test]
    fn a_user_that_does_not_exist_is_named() {
        let error = Identity::find(Some(&"no_such_user".parse().unwrap())).unwrap_err();
        assert_eq!(error.to_string(), "there is no user no_such_user on this machine");
    }
}
