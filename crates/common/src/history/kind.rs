//! The kinds of events: what each is called, what it belongs to, and its identifier in systemd's journal.

/// What kinds belong together, for whoever looks for some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// An instance or a sync group is something else than before.
    Transitions,
    /// Something keeps somebody from his work, or does so no more.
    Faults,
    /// What scripts, processes and checks have found.
    Verdicts,
    /// What somebody else did to what is ours, and the way back.
    Repairs,
    /// The processes of the daemon.
    Processes,
    /// Reloads.
    Reloads,
    /// What an operator has ordered at run time.
    Overrides,
    /// What is told as often as packets arrive: not kept.
    Packets,
}

/// Every family that is kept, by the word for it.
pub const FAMILIES: &[(&str, Family)] = &[
    ("transitions", Family::Transitions),
    ("faults", Family::Faults),
    ("verdicts", Family::Verdicts),
    ("repairs", Family::Repairs),
    ("processes", Family::Processes),
    ("reloads", Family::Reloads),
    ("overrides", Family::Overrides),
];

/// One kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The field `event`.
    pub name: &'static str,
    /// What it belongs to.
    pub family: Family,
    /// The journal's `MESSAGE_ID`: never to be changed.
    pub id: &'static str,
}

const fn of(family: Family, name: &'static str, id: &'static str) -> Kind {
    Kind { name, family, id }
}

/// Every kind there is.
pub const KINDS: &[Kind] = &[
    of(Family::Transitions, "state_changed", "4167ca1f96155a63914c54280f8b6cac"),
    of(Family::Transitions, "handing_over", "bd4be0a6bad65565898cd22201d7585a"),
    of(Family::Transitions, "priority_changed", "1997a9f64835500e9ff7b3cb373cd814"),
    of(Family::Transitions, "master_heard", "c90e7d062df851549baaf5a044a54157"),
    of(Family::Faults, "fault", "d607c7d36c1b525aa8e8d65a7ad9fc81"),
    of(Family::Faults, "fault_gone", "ebe5efe2915a52d38c4c232206934128"),
    of(Family::Faults, "path_lost", "f99b59db7eec52afa18e48bbb37b6f6d"),
    of(Family::Faults, "path_back", "b360513db79b519bbcbf58d6f7fbf519"),
    of(Family::Faults, "incompatible_peer", "37de788ded555b40b31479a479ab72e4"),
    of(Family::Faults, "effect_failed", "374a3df5a5c75b4888d4016a921b6155"),
    of(Family::Faults, "stalled", "d2040936038551a8bdaa9a43b92cf3d5"),
    of(Family::Faults, "unserved", "e62398403eb3591290835fac91f1e9c0"),
    of(Family::Faults, "dropped", "7b3573eaba265a269583486ae39b3b63"),
    of(Family::Verdicts, "script_changed", "1f230c6453f85fc0ac19a08b5d456940"),
    of(Family::Verdicts, "process_changed", "38633b78e5795aa88f3c618bc388b2aa"),
    of(Family::Verdicts, "server_changed", "f8dfe23436b351bea3e768f6084f4e50"),
    of(Family::Verdicts, "quorum_changed", "824e59b4ce54567a8494a1852cc71120"),
    of(Family::Verdicts, "server_leaving", "3a80cf666e3a51769130948cd3e95ec9"),
    of(Family::Verdicts, "checks_suspended", "680bf55aa27f50acbb3795930c3a8935"),
    of(Family::Repairs, "address_repaired", "9c7da662b97b56e1a6078596fd4c8675"),
    of(Family::Repairs, "lease_ran_out", "365972107b7d5929aa262b6b85bc9bff"),
    of(Family::Repairs, "foreign_address", "90372e6566305d1e894b7beb35c6e9a5"),
    of(Family::Repairs, "interface_repaired", "9cccd008cc85500b8364e700ea1c1371"),
    of(Family::Repairs, "object_repaired", "028bdaaa12ff5579a6b9ac2466fce90b"),
    of(Family::Repairs, "object_failed", "ba496eb8e6c2527bbc83f4ee929ac5e3"),
    of(Family::Repairs, "object_not_removed", "3abe0884404159a68ea8e380d2e53ce3"),
    of(Family::Repairs, "object_installed", "243301fd32a955db852a06a67d358728"),
    of(Family::Repairs, "object_left_behind", "b9b30f0311fa58cc8528d393e1816435"),
    of(Family::Processes, "started", "0d601dca2ab45b5386352fab68c9b745"),
    of(Family::Processes, "stopping", "3f1fa71397d25bd7836d4cdd3762c8f6"),
    of(Family::Processes, "stopped", "9bd2f4f0138a5c56a5a51430a6395362"),
    of(Family::Processes, "upgrade", "963be57159825022a8d063d9b80982df"),
    of(Family::Processes, "child_ready", "b4c01e2b181f5b55a3049d7ef9095812"),
    of(Family::Processes, "child_died", "f9de2706d5025811a7b17eb573af4a42"),
    of(Family::Processes, "child_restarted", "bb5595db2e695b67a0536b60a41fc82c"),
    of(Family::Processes, "child_silent", "af943a8d64665117aa0de83d26a8d368"),
    of(Family::Processes, "child_disconnected", "9cffd55d901d55d0be9e2d2d7a5d53a3"),
    of(Family::Processes, "child_not_ready", "d6a5e8afe57254f4afdfc4fc2d64af22"),
    of(Family::Processes, "child_late_commit", "32f350735cb05bf2b4db66ee6ba9fcec"),
    of(Family::Processes, "child_stop_overdue", "c846db7c0aed508baba07e1b39a732ee"),
    of(Family::Processes, "child_unkillable", "648f52dfe44c5cb1ad8d4e673504971d"),
    of(Family::Processes, "child_not_spawned", "88032705243a535ba89e29e598581e18"),
    of(Family::Processes, "child_starts_afresh", "3dfc6b88df865e7390a02b0bda89f8e1"),
    of(Family::Processes, "child_farewell", "633d1ce6485f550680ff11bdd06814a5"),
    of(Family::Processes, "child_stopped", "1e9acf9203e05166a66a9f37693cd11d"),
    of(Family::Reloads, "reloaded", "9b3474162d925d01aab05eba1094ba8d"),
    of(Family::Reloads, "reload_refused", "bf30c1c080cd57f3862bff55c9641a17"),
    of(Family::Overrides, "override_set", "4c08fbe3fa075982967aaec3051e0417"),
    of(Family::Overrides, "override_released", "f771a37f1ea25df5b7655b3be130cad5"),
    of(Family::Overrides, "override_expired", "0c112f81760f562d9a354232aa3a8e01"),
    of(Family::Packets, "packet_dropped", "5b6ce3247d6c546c80c9d020aac5cd52"),
    of(Family::Packets, "inferior_advert", "b6faa017c7e6560c92d60f980c03d4d2"),
];

/// The kind of a name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

impl Kind {
    /// Whether events of this kind are kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.family != Family::Packets
    }
}
