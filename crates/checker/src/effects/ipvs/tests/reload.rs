//! A reload of the checker's whole text, from the configuration to the requests: it costs what it changes.

use super::*;
use crate::machine::{Action, Pool};
use crate::plan::tests::plan;

/// A thousand services of ten servers; `change` is applied to the text of one of the middle.
fn text(change: impl Fn(String) -> String) -> String {
    let service = |number: usize| {
        let servers = (1..=10).map(|server| {
            format!(
                "[[virtual_server.real_server]]\naddress = \"10.1.{}.{server}\"\nweight = 1\n",
                number % 250
            )
        });
        let servers: String = servers.collect();
        format!(
            "[[virtual_server]]\naddress = \"192.0.{}.{}:80\"\nscheduler = \"rr\"\n\
             check = {{ type = \"tcp\", interval = 5 }}\n{servers}",
            number / 250,
            number % 250
        )
    };
    (0..1000).map(|number| if number == 501 { change(service(number)) } else { service(number) }).collect()
}

/// A pool and a table that follows it, as the process joins them.
struct Both {
    pool: Pool,
    bench: Bench,
}

impl Both {
    fn start(text: &str) -> Self {
        let mut bench = Bench::new();
        let mut pool = Pool::new(0, bench.now, Duration::ZERO);
        pool.reconfigure(&plan(text), bench.now, &mut Vec::new());
        pool.settle(bench.now, &mut Vec::new());
        bench.reconciler.start(pool.wanted().clone(), bench.now);
        assert_eq!(bench.take_batches().concat().len(), 11_000);
        Self { pool, bench }
    }

    /// What a reload sends.
    fn reload(&mut self, text: &str) -> Vec<String> {
        let reads = self.bench.model.0.borrow().reads;
        let mut actions = Vec::new();
        self.pool.reconfigure(&plan(text), self.bench.now, &mut actions);
        self.pool.settle(self.bench.now, &mut actions);
        for action in actions {
            if let Action::Reconcile(key) = action {
                self.bench.reconciler.want(key, self.pool.wanted().services.get(&key).cloned());
            }
        }
        self.bench.reconciler.settle(self.bench.now);
        assert_eq!(self.bench.model.0.borrow().reads, reads, "nothing is read for a reload");
        assert_eq!(self.bench.table(), *self.pool.wanted());
        self.bench.take_batches().concat().iter().map(ToString::to_string).collect()
    }
}

#[test]
fn one_change_among_eleven_thousand_entries_is_one_request() {
    let same = text(|service| service);
    let mut both = Both::start(&same);
    assert_eq!(both.reload(&same), [""; 0]);

    let weight = text(|service| service.replace(".7\"\nweight = 1", ".7\"\nweight = 3"));
    assert_eq!(both.reload(&weight), ["change destination 10.1.1.7:80 (nat, weight 3) of tcp 192.0.2.1:80"]);
    assert_eq!(both.reload(&same).len(), 1, "and back");

    let without = text(|service| {
        service.replace("[[virtual_server.real_server]]\naddress = \"10.1.1.7\"\nweight = 1\n", "")
    });
    assert_eq!(both.reload(&without), ["remove destination 10.1.1.7:80 from tcp 192.0.2.1:80"]);
    assert_eq!(both.reload(&same), ["add destination 10.1.1.7:80 (nat, weight 1) to tcp 192.0.2.1:80"]);

    let scheduler = text(|service| service.replace("\"rr\"", "\"wrr\""));
    assert_eq!(both.reload(&scheduler), ["change service tcp 192.0.2.1:80 (scheduler wrr)"]);
    assert_eq!(both.reload(&same).len(), 1);

    let check = text(|service| service.replace("interval = 5", "interval = 7"));
    assert_eq!(both.reload(&check), [""; 0], "checks are not the kernel's business");
    let gone = text(|_| String::new());
    assert_eq!(both.reload(&gone), ["remove service tcp 192.0.2.1:80"]);
}
