//! `strict`: RFC 9568 to the letter, and RFC 3768 for version 2. What they forbid is refused; what they leave no choice
//! about gets their value where nothing is said.

use common::config::{Diagnostics, Located, Span};

use super::super::Wish;
use super::super::address::AddressDraft;
use super::{Common, virtual_mac};
use crate::machine::id::Family;
use crate::wire::admit::is_link_local;
use crate::wire::advert::Version;
use crate::wire::checksum::Form;

/// Where it is asked for.
pub(super) fn asked(c: &Common) -> Option<Span> {
    c.strict.as_ref().filter(|strict| strict.value).map(|strict| strict.span)
}

/// Refuses and fills in.
pub(super) fn hold(
    c: &mut Common,
    version: Version,
    family: Family,
    advertised: &[AddressDraft],
    d: &mut Diagnostics,
) {
    let Some(strict) = asked(c) else { return };
    refuse(c, version, family, d, strict);
    let ipv6 = version == Version::V3 && family == Family::Ipv6;
    if let Some(first) = advertised.first().filter(|first| ipv6 && !is_link_local(first.cidr.value.addr())) {
        d.error(
            first.cidr.span,
            "the first virtual address of an IPv6 instance is link-local (RFC 9568 5.2.9)",
        )
        .note(strict, HELD)
        .hint("put fe80::… first");
    }
    if let Some(form) = c.form.as_ref().filter(|form| form.value == Form::PseudoHeader && !ipv6) {
        d.warning(
            form.span,
            "RFC 9568 5.2.8 sums without pseudo header over IPv4; this is how RFC 5798 was read",
        )
        .note(strict, HELD);
    }
    let with = |value| Some(Located { value, span: strict });
    c.accept = c.accept.take().or_else(|| with(false));
    c.hand_over = c.hand_over.take().or_else(|| with(false));
    c.answer_inferior = c.answer_inferior.take().or_else(|| with(version == Version::V3));
    c.strict_form = c.strict_form.take().or_else(|| with(true));
    c.strict_link_local = c.strict_link_local.take().or_else(|| with(true));
    c.form.get_or_insert(Located { value: Form::Plain, span: strict });
    c.virtual_mac.get_or_insert(Located { value: virtual_mac::Wanted::plain(true), span: strict });
}

const HELD: &str = "`strict = true` holds to the RFC";

/// Refuses other ways for adverts than the one over the link; `first` is the place of the first.
pub(super) fn refuse_ways(c: &Common, first: Option<Span>, d: &mut Diagnostics) {
    if let (Some(strict), Some(first)) = (asked(c), first) {
        d.error(first, "`also_via`: a virtual router lives on a single LAN, and so do its adverts (3)")
            .note(strict, HELD);
    }
}

fn refuse(c: &Common, version: Version, family: Family, d: &mut Diagnostics, strict: Span) {
    let owner = c.priority.as_ref().is_some_and(|priority| priority.value == 255);
    let is = |key: &Option<Located<bool>>, value| key.as_ref().filter(|k| k.value == value).map(|k| k.span);
    let inferior = match version {
        Version::V2 => {
            (is(&c.answer_inferior, true), "`answer_inferior`: RFC 3768 6.4.3 lets a worse one be")
        }
        Version::V3 => (
            is(&c.answer_inferior, false),
            "`answer_inferior`: RFC 9568 6.4.3 has a worse one answered at once",
        ),
    };
    let mac = c.virtual_mac.as_ref();
    let mac_is = |wrong: fn(&virtual_mac::Wanted) -> bool| mac.filter(|m| wrong(&m.value)).map(|m| m.span);
    let found = [
        (c.unicast.peers.as_ref().map(|p| p.span), "`unicast_peers`: adverts go to the group (5.1)"),
        (c.auth.as_ref().map(|a| a.span), "`auth`: the RFCs have none any more (9)"),
        (is(&c.no_vip, true), "`no_vip`: a virtual router has an address at least (5.2.9)"),
        (
            c.down_timer_adverts.as_ref().filter(|n| n.value != 3).map(|n| n.span),
            "`down_timer_adverts`: a master is dead after 3 intervals and the skew time (6.1)",
        ),
        (
            c.preempt_delay.as_ref().filter(|p| !p.value.is_zero()).map(|p| p.span),
            "`preempt_delay`: who pre-empts does not wait (6.4.2)",
        ),
        (
            c.startup_delay.as_ref().filter(|s| !s.value.is_zero()).map(|s| s.span),
            "`startup_delay`: a backup waits for Active_Down_Interval, no longer (6.4.1)",
        ),
        (
            c.wish.as_ref().filter(|w| w.value == Wish::Master && !owner).map(|w| w.span),
            "`state`: who does not own the addresses begins as backup (6.4.1)",
        ),
        inferior,
        (
            is(&c.answer_better, true),
            "`answer_better`: a master that hears a better one says nothing more (6.4.3)",
        ),
        (is(&c.hand_over, true), "`hand_over`: a router that stops has the addresses no longer (6.4.3)"),
        (
            is(&c.accept, true).filter(|_| version == Version::V2 && !owner),
            "`accept`: in version 2 only the owner takes packets (RFC 3768 6.4.3)",
        ),
        (is(&c.strict_form, false), "`v3_checksum_strict`: a wrong checksum is dropped (7.1)"),
        (
            is(&c.strict_link_local, false).filter(|_| family == Family::Ipv6),
            "`strict_link_local`: the first IPv6 address is link-local (5.2.9)",
        ),
        (mac_is(|m| !m.is_on()), "`virtual_mac`: a virtual router has one (7.3)"),
        (
            mac_is(|m| m.mac.is_some()),
            "`mac`: the virtual router's is 00:00:5e:00:01:XX or 00:00:5e:00:02:XX (7.3)",
        ),
        (mac_is(|m| m.is_on() && !m.adverts), "`adverts_from`: adverts come from the virtual MAC (7.2)"),
    ];
    for (span, message) in found {
        if let Some(span) = span {
            d.error(span, message).note(strict, HELD);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::id::Mac;
    use crate::plan::InstancePlan;
    use crate::plan::tests::parse;

    fn instance(lines: &str) -> InstancePlan {
        let text = format!(
            "[[vrrp.instance]]\nname = \"A\"\ninterface = \"eth0\"\nvirtual_router_id = 51\n{lines}\n"
        );
        parse(&text).instances.remove(0)
    }

    #[test]
    fn v3_7_v3_8_what_the_rfc_leaves_no_choice_about_is_so() {
        let plan = instance("strict = true\nvirtual_addresses = [\"fe80::1\", \"2001:db8::1\"]");
        let own = plan.virtual_mac.unwrap();
        assert_eq!((own.mac, own.adverts), (Mac([0, 0, 0x5e, 0, 2, 51]), true));
        assert!(!plan.accept && !plan.hand_over && plan.answer_inferior);
        assert!(plan.strict_form && plan.strict_link_local);
        assert_eq!(plan.form, Form::Plain);
        let old = instance("strict = true\nversion = 2\nvirtual_addresses = [\"192.0.2.1\"]");
        assert!(!old.answer_inferior && !old.accept && old.virtual_mac.is_some());
    }

    #[test]
    fn what_the_rfc_leaves_open_may_be_said_and_one_instance_can_do_without() {
        let plan = instance(
            "strict = true\naccept = true\npreempt = false\nvirtual_mac = { interface = \"vip0\" }\n\
             v3_checksum = \"pseudo_header\"\nvirtual_addresses = [\"192.0.2.1\"]",
        );
        assert!(plan.accept && !plan.preempt);
        assert_eq!(plan.form, Form::PseudoHeader);
        assert_eq!(plan.virtual_mac.map(|own| own.link.to_string()).as_deref(), Some("vip0"));
        let plan = instance("strict = false\nvirtual_addresses = [\"192.0.2.1\"]\n[vrrp]\nstrict = true");
        assert!(plan.accept && plan.hand_over && plan.virtual_mac.is_none());
    }
}
