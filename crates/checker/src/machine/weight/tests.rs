//! What a server weighs, and how it grows.

use super::*;

#[test]
fn weights_are_set_to_the_least_and_added_up_within_bounds() {
    use Weight::{Add, Set};
    let cases: [(&[Option<Weight>], u32); 8] = [
        (&[], 10),
        (&[None, None], 10),
        (&[Some(Set(7)), None, Some(Set(3))], 3),
        (&[Some(Add(5)), Some(Add(-2))], 13),
        (&[Some(Set(0)), Some(Add(4))], 4),
        (&[Some(Add(-11))], 0),
        (&[Some(Add(i64::MIN)), Some(Add(i64::MIN))], 0),
        (&[Some(Add(i64::MAX)), Some(Add(i64::MAX))], 0x7fff_ffff),
    ];
    for (wanted, expected) in cases {
        assert_eq!(judged(10, wanted.iter().copied()), expected, "{wanted:?}");
    }
}

#[test]
fn a_share_is_what_all_inputs_leave_of_it() {
    let whole = Share { judged: 30, alive: true, standby: false, away: false, step: None };
    let both = |share: Share| (share.counted(), share.served());
    assert_eq!(both(whole), (30, 30));
    assert_eq!(both(Share { alive: false, ..whole }), (0, 0));
    assert_eq!(both(Share { away: true, ..whole }), (0, 0), "no quorum is made of what an operator took out");
    assert_eq!(both(Share { standby: true, ..whole }), (30, 0), "it counts when it is called");
    assert_eq!(both(Share { step: Some(3), ..whole }), (30, 9), "a growing server counts whole");
    assert_eq!(both(Share { step: Some(1), judged: 5, ..whole }), (5, 1), "never nothing");
    assert_eq!(both(Share { step: Some(1), judged: 0, ..whole }), (0, 0), "unless it is meant to have none");
    assert_eq!(both(Share { step: Some(9), judged: u32::MAX, ..whole }).1, 3_865_470_565);
}

#[test]
fn a_ramp_has_nine_steps_at_even_distances_and_then_ends() {
    #[expect(clippy::disallowed_methods, reason = "tests need one moment to count from")]
    let zero = Instant::now();
    let length = Duration::from_secs(60);
    let mut at = zero;
    let mut steps = Vec::new();
    while let Some(ramp) = Ramp::at(zero, length, at) {
        steps.push((at.duration_since(zero).as_secs(), ramp.step));
        at = ramp.next(length);
    }
    let expected = [(0, 1), (12, 2), (18, 3), (24, 4), (30, 5), (36, 6), (42, 7), (48, 8), (54, 9)];
    assert_eq!(steps, expected);
    assert_eq!(at, zero + length);
    assert_eq!(Ramp::at(zero, Duration::ZERO, zero), None);
}
