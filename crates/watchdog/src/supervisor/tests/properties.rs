//! What must hold whatever happens: no two incarnations, no busy loop, and every stop comes to its end.

use proptest::prelude::*;

use super::*;

/// A world around the supervisor that may do anything a world can do.
#[derive(Clone, Copy, Debug)]
enum Move {
    Wait(u64),
    UntilDue,
    Answer(usize),
    Die(usize, i32),
    Close(usize),
    Want(usize, Wanted),
    NewConfig,
    Stop,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let child = 0..3_usize;
    let one = prop_oneof![
        4 => (0..20_000_u64).prop_map(Move::Wait),
        6 => Just(Move::UntilDue),
        6 => child.clone().prop_map(Move::Answer),
        4 => (child.clone(), prop_oneof![Just(9), Just(11), Just(-1), Just(-2), Just(-5)]).prop_map(|(c, s)| Move::Die(c, s)),
        1 => child.clone().prop_map(Move::Close),
        1 => (child, prop_oneof![Just(Wanted::No), Just(Wanted::Trial), Just(Wanted::Yes)])
            .prop_map(|(c, w)| Move::Want(c, w)),
        1 => Just(Move::NewConfig),
        1 => Just(Move::Stop),
    ];
    prop::collection::vec(one, 1..200)
}

/// What the world knows about processes, and what no supervisor may ever do.
struct World {
    supervisor: Supervisor,
    now: Instant,
    alive: [Option<Pid>; 3],
    next_pid: i32,
    spawns: Vec<(Instant, usize)>,
    /// How often each was killed.
    kills: [usize; 3],
    finished: bool,
}

impl World {
    fn perform(&mut self, mut actions: Vec<Action>) {
        while !actions.is_empty() {
            let mut next = Vec::new();
            for action in actions {
                match action {
                    Action::Spawn { child, .. } => {
                        assert_eq!(self.alive[child.0], None, "two incarnations of {child}");
                        assert!(!self.finished, "{child} is started after the end");
                        let pid = Pid(self.next_pid);
                        self.next_pid += 1;
                        self.alive[child.0] = Some(pid);
                        self.spawns.push((self.now, child.0));
                        self.supervisor.handle(Event::Spawned { child, pid }, self.now, &mut next);
                    }
                    Action::SendHello { child } | Action::Terminate { child } | Action::Kill { child } => {
                        assert!(self.alive[child.0].is_some(), "{action} without a process");
                    }
                    Action::Finish { .. } => assert!(!std::mem::replace(&mut self.finished, true)),
                    Action::Report { .. }
                    | Action::StartedUp
                    | Action::StartUpOverdue
                    | Action::Hopeless { .. } => {}
                }
            }
            actions = next;
        }
    }

    fn make(&mut self, step: Move) {
        let mut out = Vec::new();
        let mut events = Vec::new();
        match step {
            Move::Wait(millis) => self.now += Duration::from_millis(millis),
            Move::UntilDue => {
                if let Some(due) = self.supervisor.poll_timeout() {
                    self.now = self.now.max(due);
                }
            }
            Move::Answer(child) if self.alive[child].is_some() => {
                events.push(Event::HelloAnswered { child: ChildId(child) });
            }
            Move::Die(child, how) if self.alive[child].is_some() => {
                self.alive[child] = None;
                self.kills[child] += usize::from(how == 9);
                let ended = if how < 0 { Ended::Code(-how - 1) } else { Ended::Signal(how) };
                events.push(Event::Exited { child: ChildId(child), ended });
            }
            Move::Close(child) if self.alive[child].is_some() => {
                events.push(Event::ConnectionClosed { child: ChildId(child) });
            }
            Move::Want(child, wanted) => events.push(Event::Wanted { child: ChildId(child), wanted }),
            Move::NewConfig => events.push(Event::ConfigChanged { limits: LIMITS }),
            Move::Stop => events.push(Event::StopRequested { exit: Exit::Done }),
            Move::Answer(_) | Move::Die(..) | Move::Close(_) => {}
        }
        for event in events {
            self.supervisor.handle(event, self.now, &mut out);
        }
        self.perform(out);
        let mut rounds = 0;
        while self.supervisor.poll_timeout().is_some_and(|due| due <= self.now) {
            let mut out = Vec::new();
            self.supervisor.handle_timeout(self.now, &mut out);
            self.perform(out);
            rounds += 1;
            assert!(rounds < 20, "it never comes to rest: {:?}", self.supervisor);
        }
        for (index, child) in self.supervisor.children().enumerate() {
            assert_eq!(child.pid(), self.alive[index], "it lost track of child {index}");
        }
    }
}

proptest! {
    #[test]
    fn never_two_incarnations_and_never_a_busy_loop(steps in moves()) {
        let now = start();
        let mut world = World {
            supervisor: Supervisor::new(&[true, true, false], LIMITS, now),
            now,
            alive: [None; 3],
            next_pid: 1,
            spawns: Vec::new(),
            kills: [0; 3],
            finished: false,
        };
        let mut excuses = 0;
        for step in steps {
            // Only a new configuration or an orderly stop may set off a start that no back-off has delayed.
            excuses += usize::from(matches!(step, Move::NewConfig | Move::Want(..)));
            world.make(step);
        }
        for (child, kills) in world.kills.iter().enumerate() {
            let starts: Vec<Instant> = world.spawns.iter().filter(|s| s.1 == child).map(|s| s.0).collect();
            // First start, the free restart and those after a stranger's kill, and then never more than one a second.
            let span = starts.last().map_or(0, |last| (*last - now).as_millis());
            let strangers = usize::try_from(BURST).unwrap() * (1 + excuses) + usize::try_from(span / REFILL.as_millis()).unwrap();
            let allowed = usize::try_from(span / 1000).unwrap() + 3 + 3 * excuses + strangers.min(*kills);
            prop_assert!(starts.len() <= allowed, "{} starts in {span} ms", starts.len());
        }
        // And whatever has happened: a stop ends it, without any cooperation of the children.
        world.make(Move::Stop);
        for _ in 0..100 {
            world.make(Move::UntilDue);
        }
        prop_assert!(world.finished);
    }
}
