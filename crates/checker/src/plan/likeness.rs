//! What servers have alike is kept once, in whatever virtual servers they are: of ten thousand servers hardly any two
//! differ in more than their addresses and weights.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::{Terms, VirtualServer};

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Likeness {
    terms: BTreeSet<Rc<Terms>>,
    /// What was asked for last, which is asked for most.
    last: Option<Rc<Terms>>,
}

impl Likeness {
    /// What this virtual server has is what others are to share.
    pub(super) fn note(&mut self, server: &VirtualServer) {
        for member in server.members() {
            self.one(&member.terms);
        }
    }

    /// Has this virtual server share what there is already.
    pub(super) fn share(&mut self, server: &mut VirtualServer) {
        for member in server.real_servers.iter_mut().chain(&mut server.sorry) {
            member.terms = self.one(&member.terms);
        }
    }

    /// The one of them that is kept.
    fn one(&mut self, terms: &Rc<Terms>) -> Rc<Terms> {
        if let Some(last) = self.last.as_ref().filter(|last| *last == terms) {
            return Rc::clone(last);
        }
        let found = self.terms.get(terms).unwrap_or(terms);
        let found = Rc::clone(found);
        self.terms.insert(Rc::clone(&found));
        self.last = Some(Rc::clone(&found));
        found
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::rc::Rc;

    use crate::plan::tests::plan_with_faults;

    #[test]
    fn what_servers_of_all_services_have_alike_is_there_once() {
        let service = |port: u16, rest: &str| {
            format!(
                "[[virtual_server]]\naddress = \"192.0.2.1:{port}\"\ncheck = {{ type = \"http\" }}\n{rest}\
                 real_servers = [\"10.0.0.1:80\", \"10.0.0.2:80\"]\n"
            )
        };
        let text = [
            service(1, ""),
            service(2, "drain = \"1s\"\n"),
            service(3, ""),
            service(4, "sorry_server = \"10.0.0.9\"\n"),
        ];
        let (plan, faults) = plan_with_faults(&text.concat());
        assert_eq!(faults, Vec::<String>::new());
        let members = plan.virtual_servers.iter().flat_map(|server| server.members());
        let all: BTreeSet<_> = members.map(|server| Rc::as_ptr(&server.terms)).collect();
        assert_eq!(all.len(), 3, "alike, with a drain, and the sorry server's");
    }
}
