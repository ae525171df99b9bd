//! Generic netlink: finding a family by its name.

use super::error::{Asked, Failure, NetlinkError};
use super::message::{Message, Replies};
use super::socket::Socket;
use neli::consts::genl::{CtrlAttr, CtrlCmd};
use neli::consts::nl::GenlId;
use nix::errno::Errno;

/// `struct genlmsghdr`'s version for the controller.
const CONTROLLER_VERSION: u8 = 2;

/// A generic-netlink family as the kernel knows it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its number, valid until its module is unloaded.
    pub id: u16,
    /// Its version.
    pub version: u8,
}

impl Family {
    /// Finds the family called `name`; `None` when the kernel has none (its module is not loaded).
    ///
    /// # Errors
    /// When the kernel could not be asked.
    pub fn find(socket: &mut Socket, name: &str) -> Result<Option<Self>, NetlinkError> {
        let mut message =
            Message::generic(GenlId::Ctrl.into(), CtrlCmd::Getfamily.into(), CONTROLLER_VERSION);
        message.text(CtrlAttr::FamilyName.into(), name);
        match socket.get(&message) {
            Ok(replies) => Self::parse(&replies)
                .ok_or(Failure::Malformed("family without a number"))
                .asked(|| asked(name))
                .map(Some),
            Err(Failure::Refused { errno: Errno::ENOENT, .. }) => Ok(None),
            Err(failure) => Err(failure.asked(asked(name))),
        }
    }

    fn parse(replies: &Replies) -> Option<Self> {
        let attributes = replies.iter().next()?.generic()?;
        let id = attributes.find(CtrlAttr::FamilyId.into())?.u16()?;
        let version = attributes.find(CtrlAttr::Version.into())?.u32()?;
        Some(Self { id, version: u8::try_from(version).ok()? })
    }

    /// A request to this family.
    pub fn message(self, command: u8) -> Message {
        Message::generic(self.id, command, self.version)
    }
}

fn asked(name: &str) -> String {
    format!("find netlink family {name}")
}

#[cfg(test)]
mod tests {
    use super::super::socket::Protocol;
    use super::*;

    #[test]
    fn the_controller_finds_itself_and_says_no_to_the_unknown() {
        let mut socket = Socket::open(Protocol::Generic).unwrap();
        let found = Family::find(&mut socket, "nlctrl").unwrap().unwrap();
        assert_eq!(found.id, u16::from(GenlId::Ctrl));
        assert_eq!(Family::find(&mut socket, "NO_SUCH").unwrap(), None);
    }
}
