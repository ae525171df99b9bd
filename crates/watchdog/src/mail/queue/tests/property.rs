//! Whatever happens, no alert is lost.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Alert,
    Succeed,
    /// The server takes so many, then the connection breaks.
    Partly(usize),
    Refuse,
    CourierDies,
    Crash,
    CrashInTheMiddle(usize),
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Alert),
        2 => Just(Step::Succeed),
        1 => (0_usize..4).prop_map(Step::Partly),
        1 => Just(Step::Refuse),
        1 => Just(Step::CourierDies),
        1 => Just(Step::Crash),
        1 => (0_usize..3).prop_map(Step::CrashInTheMiddle),
        3 => (0_u16..200).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever dies, whenever: every alert is told to everybody, if only the server takes mail in the end.
    #[test]
    fn nothing_is_lost(steps in proptest::collection::vec(step(), 0..80)) {
        let mut bench = Bench::new(settings());
        let mut alerts = Vec::new();
        // What the server has taken: for whom, and the text.
        let mut taken: Vec<(String, String)> = Vec::new();
        for step in steps {
            match step {
                Step::Alert => {
                    let name = format!("event {} of many", alerts.len());
                    bench.alert(&name);
                    alerts.push(name);
                }
                Step::Succeed | Step::Partly(_) | Step::Refuse | Step::CourierDies if bench.job.is_none() => {}
                Step::Succeed => {
                    take(bench.job.as_ref().unwrap(), usize::MAX, &mut taken);
                    bench.succeed();
                }
                Step::Partly(count) => {
                    let job = bench.job.take().unwrap();
                    take(&job, count, &mut taken);
                    for parcel in job.into_iter().take(count) {
                        bench.report(Report::Letter { id: parcel.id, delivered: parcel.to, error: None });
                    }
                    bench.report(Report::Failed { error: "broken".to_owned() });
                    bench.act(|queue, now, out| queue.ended(None, now, out));
                }
                Step::Refuse => {
                    let job = bench.job.take().unwrap();
                    for parcel in job {
                        let error = Some("451 not now".to_owned());
                        bench.report(Report::Letter { id: parcel.id, delivered: Vec::new(), error });
                    }
                    bench.act(|queue, now, out| queue.ended(None, now, out));
                }
                Step::CourierDies => {
                    // The server has taken all, and nobody knows.
                    take(&bench.job.take().unwrap(), usize::MAX, &mut taken);
                    bench.act(|queue, now, out| queue.ended(Some("signal 9".to_owned()), now, out));
                }
                Step::Crash => bench.crash(),
                Step::CrashInTheMiddle(actions) => {
                    bench.passed += 60 * SECOND;
                    bench.cut = Some(actions);
                    bench.act(|queue, now, out| queue.handle_timeout(now, out));
                    bench.crash();
                }
                Step::Pass(seconds) => drop(bench.pass(Duration::from_secs(seconds.into()))),
            }
        }
        for _ in 0..1000 {
            if let Some(job) = &bench.job {
                take(job, usize::MAX, &mut taken);
                bench.succeed();
            } else if bench.queue.len() > 0 {
                bench.pass(1000 * SECOND);
            }
        }
        prop_assert_eq!(bench.queue.len(), 0);
        prop_assert!(bench.files.is_empty() && bench.notes.is_empty());
        for name in alerts {
            for to in settings().to {
                let got = taken.iter().any(|(who, text)| *who == to && text.contains(&name));
                prop_assert!(got, "{} never got {}", to, name);
            }
        }
    }
}

fn take(job: &[Parcel], most: usize, taken: &mut Vec<(String, String)>) {
    for parcel in job.iter().take(most) {
        let text = format!("{}\n{}", parcel.subject, parcel.body);
        taken.extend(parcel.to.iter().map(|to| (to.clone(), text.clone())));
    }
}
