//! Commands and attributes of the kernel's `IPVS` generic-netlink family, with the kernel's names
//! (`include/uapi/linux/ip_vs.h`). A command off by one would silently zero or flush the table, so the
//! numbers are written out and tested.

/// The family's name.
pub(super) const FAMILY: &str = "IPVS";

/// `IPVS_CMD_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Command {
    NewService = 1,
    SetService = 2,
    DelService = 3,
    GetService = 4,
    NewDest = 5,
    SetDest = 6,
    DelDest = 7,
    GetDest = 8,
    NewDaemon = 9,
    DelDaemon = 10,
    GetDaemon = 11,
    SetConfig = 12,
    GetConfig = 13,
    GetInfo = 15,
    Flush = 17,
}

impl Command {
    pub(super) const fn id(self) -> u8 {
        self as u8
    }
}

/// Gives an enum of attributes the way to the number that goes on the wire.
macro_rules! attributes {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $id:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        pub(super) enum $name { $($variant = $id),+ }

        impl $name {
            pub(super) const fn id(self) -> u16 {
                self as u16
            }

            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$variant),+];
        }
    };
}

attributes! {
    /// `IPVS_CMD_ATTR_*`: what a message holds.
    Top { Service = 1, Dest = 2, Daemon = 3, TimeoutTcp = 4, TimeoutTcpFin = 5, TimeoutUdp = 6 }
}

attributes! {
    /// `IPVS_SVC_ATTR_*`.
    ServiceAttr {
        Af = 1, Protocol = 2, Addr = 3, Port = 4, Fwmark = 5, SchedName = 6, Flags = 7, Timeout = 8,
        Netmask = 9, Stats = 10, PeName = 11, Stats64 = 12,
    }
}

attributes! {
    /// `IPVS_DEST_ATTR_*`.
    DestAttr {
        Addr = 1, Port = 2, FwdMethod = 3, Weight = 4, UThresh = 5, LThresh = 6, ActiveConns = 7,
        InactConns = 8, PersistConns = 9, Stats = 10, AddrFamily = 11, Stats64 = 12, TunType = 13,
        TunPort = 14, TunFlags = 15,
    }
}

attributes! {
    /// `IPVS_DAEMON_ATTR_*`.
    DaemonAttr {
        State = 1, McastIfn = 2, SyncId = 3, SyncMaxlen = 4, McastGroup = 5, McastGroup6 = 6,
        McastPort = 7, McastTtl = 8,
    }
}

attributes! {
    /// `IPVS_INFO_ATTR_*`.
    InfoAttr { Version = 1, ConnTabSize = 2 }
}

attributes! {
    /// `IPVS_STATS_ATTR_*`.
    StatsAttr {
        Conns = 1, InPkts = 2, OutPkts = 3, InBytes = 4, OutBytes = 5, Cps = 6, InPps = 7, OutPps = 8,
        InBps = 9, OutBps = 10,
    }
}

/// `IP_VS_SVC_F_*`: bits of a service's flags.
pub(super) mod service_flag {
    pub(in super::super) const PERSISTENT: u32 = 0x01;
    pub(in super::super) const ONE_PACKET: u32 = 0x04;
    pub(in super::super) const SCHED1: u32 = 0x08;
    pub(in super::super) const SCHED2: u32 = 0x10;
    pub(in super::super) const SCHED3: u32 = 0x20;
}

/// `IP_VS_CONN_F_FWD_MASK` and the methods under it.
pub(super) mod forward {
    pub(in super::super) const MASK: u32 = 0x07;
    pub(in super::super) const MASQ: u32 = 0;
    pub(in super::super) const LOCALNODE: u32 = 1;
    pub(in super::super) const TUNNEL: u32 = 2;
    pub(in super::super) const DROUTE: u32 = 3;
    pub(in super::super) const BYPASS: u32 = 4;
}

/// `IP_VS_CONN_F_TUNNEL_TYPE_*`.
pub(super) mod tunnel_type {
    pub(in super::super) const IPIP: u8 = 0;
    pub(in super::super) const GUE: u8 = 1;
    pub(in super::super) const GRE: u8 = 2;
}

/// `IP_VS_TUNNEL_ENCAP_FLAG_*`.
pub(super) mod tunnel_flag {
    pub(in super::super) const NOCSUM: u16 = 0;
    pub(in super::super) const CSUM: u16 = 1;
    pub(in super::super) const REMCSUM: u16 = 2;
}

/// `IP_VS_STATE_*`.
pub(super) mod daemon_state {
    pub(in super::super) const MASTER: u32 = 1;
    pub(in super::super) const BACKUP: u32 = 2;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel never renumbers: an enum that counts without a gap from 1 is complete and in order.
    fn numbers(all: &[u16], last: u16) {
        assert_eq!(all, (1..=last).collect::<Vec<_>>());
    }

    #[test]
    fn attributes_have_the_kernels_numbers() {
        numbers(&Top::ALL.iter().map(|a| a.id()).collect::<Vec<_>>(), 6);
        numbers(&ServiceAttr::ALL.iter().map(|a| a.id()).collect::<Vec<_>>(), 12);
        numbers(&DestAttr::ALL.iter().map(|a| a.id()).collect::<Vec<_>>(), 15);
        numbers(&DaemonAttr::ALL.iter().map(|a| a.id()).collect::<Vec<_>>(), 8);
        numbers(&InfoAttr::ALL.iter().map(|a| a.id()).collect::<Vec<_>>(), 2);
        numbers(&StatsAttr::ALL.iter().map(|a| a.id()).collect::<Vec<_>>(), 10);
    }

    #[test]
    fn commands_have_the_kernels_numbers() {
        let ids = [
            (Command::NewService, 1),
            (Command::SetService, 2),
            (Command::DelService, 3),
            (Command::GetService, 4),
            (Command::NewDest, 5),
            (Command::SetDest, 6),
            (Command::DelDest, 7),
            (Command::GetDest, 8),
            (Command::NewDaemon, 9),
            (Command::DelDaemon, 10),
            (Command::GetDaemon, 11),
            (Command::SetConfig, 12),
            (Command::GetConfig, 13),
            (Command::GetInfo, 15),
            (Command::Flush, 17),
        ];
        for (command, id) in ids {
            assert_eq!(command.id(), id, "{command:?}");
        }
    }
}
