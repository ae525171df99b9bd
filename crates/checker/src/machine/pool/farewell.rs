//! What is told of servers that go with their configuration: by a reload, or at the end of the process.

use common::config::CommandLine;
use common::ipvs::{DestinationKey, ServiceKey};

use super::{Pool, RealServer, VirtualServer};
use crate::machine::{Action, Actions, RealServerId, Subject, Turn, VirtualServerId};
use crate::plan;

/// What is still known of a subject that is gone.
#[derive(Clone, Debug)]
pub(super) struct Departed {
    pub(super) names: (ServiceKey, Option<DestinationKey>),
    pub(super) command: CommandLine,
}

impl Pool {
    /// The last thing asked of it: the notices for everything that was up, where they are wanted. The kernel's table
    /// is empty by then.
    pub fn farewell(&self, out: &mut Actions) {
        for (id, service) in self.virtual_servers.iter() {
            if !service.plan.notify_on_stop {
                continue;
            }
            for server in &service.servers {
                out.extend(
                    self.servers.get(server).and_then(|state| parting(*id, *server, state, &service.plan)),
                );
            }
            if service.quorum_met && service.plan.on_quorum.down.is_some() {
                out.push(Action::Notify(Subject::Quorum(*id), Turn::Down));
            }
        }
    }

    /// Notes that a server goes, before it is forgotten.
    pub(super) fn departs(
        &mut self,
        service: VirtualServerId,
        id: RealServerId,
        state: &RealServer,
        plan: &plan::VirtualServer,
    ) {
        if !plan.notify_on_stop {
            return;
        }
        let (Some(notice), Some(planned)) = (parting(service, id, state, plan), plan.member(state.place))
        else {
            return;
        };
        if let (Some(first), Some(command)) = (plan.services.first(), planned.terms.notify.down.clone()) {
            let names = (*first, Some(planned.key(*first)));
            self.departed.insert(Subject::Server(service, id), Departed { names, command });
            self.notices.push(notice);
        }
    }

    /// Notes that a virtual server goes, when its servers have.
    pub(super) fn closes(&mut self, id: VirtualServerId, service: &VirtualServer) {
        let plan = &service.plan;
        if plan.notify_on_stop
            && service.quorum_met
            && let (Some(first), Some(command)) = (plan.services.first(), plan.on_quorum.down.clone())
        {
            let subject = Subject::Quorum(id);
            self.departed.insert(subject, Departed { names: (*first, None), command });
            self.notices.push(Action::Notify(subject, Turn::Down));
        }
    }
}

/// The notice for a server that goes while it is up, if there is a command for it.
fn parting(
    service: VirtualServerId,
    id: RealServerId,
    state: &RealServer,
    plan: &plan::VirtualServer,
) -> Option<Action> {
    let told = state.alive && plan.member(state.place)?.terms.notify.down.is_some();
    told.then_some(Action::Notify(Subject::Server(service, id), Turn::Down))
}
