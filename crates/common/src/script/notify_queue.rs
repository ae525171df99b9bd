//! The order of notifications. Pure: somebody else runs the jobs and says when they have ended.
//!
//! Each object (an instance, a sync group, a virtual server) has a lane of its own. In a lane one job runs at
//! a time and a notice that has begun is finished. A state that waits is replaced by a newer one: a script
//! learns late of the newest state rather than later of all of them, and never of an older after a newer.
//! The stop notice replaces everything that waits, is the last to run, and is over within its limit.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// What a notice is about; a waiting notice is replaced by a newer one of its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The object's state.
    State,
    /// Something else that happened to it, by a number of the owner's choice.
    Event(u8),
}

/// Something to tell: a few jobs that belong together, run one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice<J> {
    /// What it is about.
    pub class: Class,
    /// The jobs, in order, each with its time limit.
    pub jobs: Vec<(J, Duration)>,
}

/// A started job, for as long as the queue lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobNumber(u64);

/// What the owner is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyAction<O, J> {
    /// Run `job` and call [`NotifyQueue::finished`] when it has ended or could not be started.
    Start {
        /// The name under which it is finished or terminated.
        number: JobNumber,
        /// Whose lane it runs in.
        object: O,
        /// What to run.
        job: J,
        /// How long it may take.
        time_limit: Duration,
    },
    /// Bring a job to its end.
    Terminate {
        /// Which.
        number: JobNumber,
    },
}

/// How far a lane is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// A job from before the stop runs, and may do so until here.
    Waiting { until: Instant, end: Instant },
    /// It was told to end; from here on it is not waited for.
    Hurried { until: Instant, end: Instant },
    /// The stop notice runs.
    Stopping { end: Instant },
}

#[derive(Debug, Clone)]
struct Lane<J> {
    running: Option<JobNumber>,
    /// What is left of the notice that has begun.
    current: VecDeque<(J, Duration)>,
    waiting: VecDeque<Notice<J>>,
    /// The stop notice, until it begins.
    stop: VecDeque<(J, Duration)>,
    closing: Option<Closing>,
}

impl<J> Default for Lane<J> {
    fn default() -> Self {
        let (current, waiting, stop) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        Self { running: None, current, waiting, stop, closing: None }
    }
}

/// The lanes of all objects.
#[derive(Debug, Clone)]
pub struct NotifyQueue<O, J> {
    lanes: BTreeMap<O, Lane<J>>,
    last: JobNumber,
}

impl<O: Clone + Ord, J> Default for NotifyQueue<O, J> {
    fn default() -> Self {
        Self { lanes: BTreeMap::new(), last: JobNumber(0) }
    }
}

impl<O: Clone + Ord, J> NotifyQueue<O, J> {
    /// Queues a notice. False where the object was stopped and its lane is still being closed: it is dropped.
    pub fn push(
        &mut self,
        object: &O,
        notice: Notice<J>,
        now: Instant,
        out: &mut Vec<NotifyAction<O, J>>,
    ) -> bool {
        if self.lanes.get(object).is_some_and(|lane| lane.closing.is_some()) {
            return false;
        }
        if !notice.jobs.is_empty() {
            let lane = self.lanes.entry(object.clone()).or_default();
            lane.waiting.retain(|older| older.class != notice.class);
            lane.waiting.push_back(notice);
            self.advance(object, now, out);
        }
        true
    }

    /// Closes the object's lane with its last notice, which may be empty. Within `limit` all of it is over: a
    /// job that runs has half of the time to end, and a quarter more after it was told to.
    pub fn stop(
        &mut self,
        object: &O,
        jobs: Vec<(J, Duration)>,
        limit: Duration,
        now: Instant,
        out: &mut Vec<NotifyAction<O, J>>,
    ) {
        let lane = self.lanes.entry(object.clone()).or_default();
        if lane.closing.is_some() {
            return;
        }
        lane.waiting.clear();
        lane.current.clear();
        lane.stop = jobs.into();
        lane.closing = Some(Closing::Waiting { until: now + limit / 2, end: now + limit });
        self.advance(object, now, out);
    }

    /// Closes every lane that is open, as [`Self::stop`] does without a last notice: the whole process stops.
    pub fn close(&mut self, limit: Duration, now: Instant, out: &mut Vec<NotifyAction<O, J>>) {
        let open = self.lanes.iter().filter(|(_, lane)| lane.closing.is_none());
        let objects: Vec<O> = open.map(|(object, _)| object.clone()).collect();
        for object in objects {
            self.stop(&object, Vec::new(), limit, now, out);
        }
    }

    /// A job has ended. One that is not waited for any more is ignored.
    pub fn finished(&mut self, number: JobNumber, now: Instant, out: &mut Vec<NotifyAction<O, J>>) {
        let owner = self.lanes.iter_mut().find(|(_, lane)| lane.running == Some(number));
        if let Some((object, lane)) = owner {
            lane.running = None;
            let object = object.clone();
            self.advance(&object, now, out);
        }
    }

    /// When [`Self::timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = |lane: &Lane<J>| match lane.closing? {
            Closing::Waiting { until, .. } | Closing::Hurried { until, .. } => Some(until),
            Closing::Stopping { end } => Some(end),
        };
        self.lanes.values().filter_map(due).min()
    }

    /// Hurries what a stop waits for, and gives up on a stop that takes too long.
    pub fn timeout(&mut self, now: Instant, out: &mut Vec<NotifyAction<O, J>>) {
        let closing = self.lanes.iter().filter(|(_, lane)| lane.closing.is_some());
        let objects: Vec<O> = closing.map(|(object, _)| object.clone()).collect();
        for object in objects {
            let Some(lane) = self.lanes.get_mut(&object) else { continue };
            match lane.closing {
                Some(Closing::Waiting { until, end }) if until <= now => {
                    out.extend(lane.running.map(|number| NotifyAction::Terminate { number }));
                    let until = now + end.saturating_duration_since(now) / 2;
                    lane.closing = Some(Closing::Hurried { until, end });
                }
                Some(Closing::Hurried { until, .. }) if until <= now => {
                    lane.running = None;
                    self.advance(&object, now, out);
                }
                Some(Closing::Stopping { end }) if end <= now => {
                    out.extend(lane.running.map(|number| NotifyAction::Terminate { number }));
                    self.lanes.remove(&object);
                }
                Some(Closing::Waiting { .. } | Closing::Hurried { .. } | Closing::Stopping { .. }) | None => {
                }
            }
        }
    }

    /// Whether nothing runs and nothing waits, anywhere.
    pub fn is_idle(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Starts what is next in a lane, and forgets a lane that has nothing left.
    fn advance(&mut self, object: &O, now: Instant, out: &mut Vec<NotifyAction<O, J>>) {
        let Some(lane) = self.lanes.get_mut(object) else { return };
        if lane.running.is_some() {
            return;
        }
        let mut end = None;
        match lane.closing {
            Some(Closing::Waiting { end: last, .. } | Closing::Hurried { end: last, .. }) => {
                lane.current = std::mem::take(&mut lane.stop);
                lane.closing = Some(Closing::Stopping { end: last });
                end = Some(last);
            }
            Some(Closing::Stopping { end: last }) => end = Some(last),
            None => {}
        }
        if lane.current.is_empty() {
            lane.current = lane.waiting.pop_front().map(|notice| notice.jobs.into()).unwrap_or_default();
        }
        let Some((job, limit)) = lane.current.pop_front() else {
            self.lanes.remove(object);
            return;
        };
        let number = JobNumber(self.last.0 + 1);
        self.last = number;
        lane.running = Some(number);
        let time_limit = end.map_or(limit, |end| limit.min(end.saturating_duration_since(now)));
        out.push(NotifyAction::Start { number, object: object.clone(), job, time_limit });
    }
}

#[cfg(test)]
mod tests;
