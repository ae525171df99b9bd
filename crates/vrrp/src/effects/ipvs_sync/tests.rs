use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use common::event_loop::clock;

use super::*;
use crate::machine::id::{LinkIndex, LinkName};
use crate::machine::ipvs_sync::SyncSettings;

/// One kernel for all: what runs in it, what was asked of it, and why it refuses.
#[derive(Debug, Default)]
struct World {
    running: Vec<SyncDaemon>,
    asked: Vec<String>,
    refusal: Option<String>,
}

thread_local! {
    static WORLD: Rc<RefCell<World>> = Rc::default();
}

#[derive(Debug)]
struct Fake;

fn world<T>(f: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with(|world| f(&mut world.borrow_mut()))
}

fn asked() -> Vec<String> {
    world(|world| std::mem::take(&mut world.asked))
}

impl Daemons for Fake {
    fn open() -> Result<Self, String> {
        world(|world| world.refusal.clone().map_or(Ok(Self), Err))
    }

    fn list(&mut self) -> Result<Vec<SyncDaemon>, String> {
        world(|world| Ok(world.running.clone()))
    }

    fn start(&mut self, daemon: &SyncDaemon) -> Result<(), String> {
        world(|world| {
            if let Some(refusal) = &world.refusal {
                return Err(refusal.clone());
            }
            world.asked.push(format!("+{} {}", daemon.role, daemon.id));
            // As the kernel does: it has bounds of its own.
            let max_length = daemon.max_length.map(|length| length.clamp(1024, 8000)).or(Some(1464));
            world.running.push(SyncDaemon { max_length, ..daemon.clone() });
            Ok(())
        })
    }

    fn stop(&mut self, role: SyncRole) -> Result<(), String> {
        world(|world| {
            world.asked.push(format!("-{role}"));
            world.running.retain(|daemon| daemon.role != role);
            Ok(())
        })
    }
}

fn wanted(id: u8, master: bool, backup: bool) -> WantedSync {
    let settings = SyncSettings {
        link: LinkName::new("eth0").unwrap(),
        id,
        max_length: None,
        group: "224.0.0.81".parse().unwrap(),
        port: 8848,
        ttl: 1,
    };
    WantedSync { settings, index: Some(LinkIndex(2)), master, backup }
}

struct Here {
    folder: PathBuf,
    sync: IpvsSync<Fake>,
    now: Instant,
}

fn here() -> Here {
    world(|world| *world = World::default());
    let thread = std::thread::current();
    let name = thread.name().unwrap_or_default().replace("::", "-");
    let folder = std::env::temp_dir().join(format!("holdfast-sync-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let sync = IpvsSync::new(&folder);
    Here { folder, sync, now: clock::now() }
}

impl Drop for Here {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

impl Here {
    fn want(&mut self, wanted: Option<WantedSync>) -> Vec<String> {
        self.sync.want(wanted, self.now);
        asked()
    }

    /// The process was killed; its successor is told this.
    fn again(&mut self, wanted: Option<WantedSync>) -> Vec<String> {
        self.sync = IpvsSync::new(&self.folder);
        self.sync.clean(wanted.is_some(), self.now);
        if wanted.is_some() {
            self.sync.want(wanted, self.now);
        }
        asked()
    }

    /// The next look.
    fn look(&mut self) -> Vec<String> {
        self.now = self.sync.poll_timeout().unwrap();
        self.sync.timeout(self.now);
        asked()
    }
}

#[test]
fn one_is_stopped_before_the_other_begins() {
    let mut h = here();
    assert_eq!(h.want(Some(wanted(51, false, true))), ["+backup 51"]);
    assert_eq!(h.want(Some(wanted(51, true, false))), ["-backup", "+master 51"]);
    assert_eq!(h.want(Some(wanted(51, true, true))), ["+backup 51"]);
    assert_eq!(h.want(None), ["-master", "-backup"]);
    assert_eq!(h.sync.poll_timeout(), None);
    assert!(!h.folder.join("vrrp.ipvs_sync").exists());
}

#[test]
fn what_runs_as_wanted_is_left_alone_also_by_a_successor() {
    let mut h = here();
    let mut wish = wanted(51, true, false);
    wish.settings.max_length = Some(9000);
    assert_eq!(h.want(Some(wish)), ["+master 51"]);
    assert_eq!(h.want(Some(wish)), Vec::<String>::new());
    assert_eq!(h.look(), Vec::<String>::new());
    assert_eq!(h.again(Some(wish)), Vec::<String>::new());
    wish.settings.max_length = Some(100);
    assert_eq!(h.want(Some(wish)), ["-master", "+master 51"]);
    assert_eq!(h.look(), Vec::<String>::new());
    assert_eq!(h.want(Some(wanted(52, true, false))), ["-master", "+master 52"]);
    // The same name, another interface: the daemon would go on with the one that is gone.
    let another = WantedSync { index: Some(LinkIndex(3)), ..wanted(52, true, false) };
    assert_eq!(h.want(Some(another)), ["-master", "+master 52"]);
    assert_eq!(h.again(Some(wanted(52, false, true))), ["-master", "+backup 52"]);
}

#[test]
fn what_somebody_stops_is_started_and_what_somebody_starts_is_stopped() {
    let mut h = here();
    h.want(Some(wanted(51, true, false)));
    world(|world| world.running.clear());
    assert_eq!(h.look(), ["+master 51"]);
    world(|world| {
        let backup = SyncDaemon { role: SyncRole::Backup, ..world.running[0].clone() };
        world.running.push(backup);
    });
    assert_eq!(h.look(), ["-backup"]);
}

#[test]
fn what_others_run_is_theirs_where_none_is_configured() {
    let mut h = here();
    h.want(Some(wanted(51, true, false)));
    world(|world| {
        let backup = SyncDaemon { role: SyncRole::Backup, ..world.running[0].clone() };
        world.running.push(backup);
    });
    assert_eq!(h.again(None), ["-master"], "what an earlier run left, and nothing else");
    assert_eq!(h.again(None), Vec::<String>::new());
    assert_eq!(world(|world| world.running.len()), 1);
}

#[test]
fn a_refusal_is_tried_again_ever_more_seldom_and_shown() {
    let mut h = here();
    world(|world| world.refusal = Some("no IPVS".to_owned()));
    h.want(Some(wanted(51, true, false)));
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
        let next = h.sync.poll_timeout().unwrap();
        assert_eq!(next - h.now, Duration::from_secs(seconds));
        assert_eq!(h.sync.status()["error"], "no IPVS");
        assert_eq!(h.look(), Vec::<String>::new());
    }
    world(|world| world.refusal = None);
    assert_eq!(h.look(), ["+master 51"]);
    assert_eq!(h.sync.status()["error"], Value::Null);
    assert_eq!(h.sync.status()["running"], json!(["master"]));
}

#[test]
fn without_the_interface_none_runs() {
    let mut h = here();
    h.want(Some(wanted(51, true, false)));
    let missing = WantedSync { index: None, ..wanted(51, true, false) };
    assert_eq!(h.want(Some(missing)), ["-master"]);
    assert_eq!(h.sync.status()["error"], "the interface does not exist");
    assert_eq!(h.want(Some(wanted(51, true, false))), ["+master 51"]);
}
