use std::process::Command;

use super::*;

/// A datagram as the kernel sends it.
fn datagram(kind: u32, data: [u32; 6]) -> Vec<u8> {
    let words = [76, u32::from(NLMSG_DONE), 0, 0, CONNECTOR.0, CONNECTOR.1, 0, 0, 40, kind, 0, 0, 0];
    words.into_iter().chain(data).flat_map(u32::to_ne_bytes).collect()
}

fn read(kind: u32, data: [u32; 6]) -> Vec<Event> {
    reports(&datagram(kind, data)).collect()
}

#[test]
fn a_report_is_of_a_process_and_not_of_a_thread() {
    assert_eq!(read(libc::PROC_EVENT_FORK, [1, 1, 7, 7, 0, 0]), [Event::Began(7)]);
    assert_eq!(read(libc::PROC_EVENT_FORK, [7, 7, 8, 7, 0, 0]), []);
    assert_eq!(read(libc::PROC_EVENT_EXEC, [7, 7, 0, 0, 0, 0]), [Event::Became(7)]);
    assert_eq!(read(libc::PROC_EVENT_COMM, [7, 7, 0, 0, 0, 0]), [Event::Became(7)]);
    assert_eq!(read(libc::PROC_EVENT_COMM, [8, 7, 0, 0, 0, 0]), []);
    assert_eq!(read(libc::PROC_EVENT_EXIT, [7, 7, 0, 17, 1, 1]), [Event::Ended(7)]);
    assert_eq!(read(libc::PROC_EVENT_EXIT, [8, 7, 0, 17, 1, 1]), []);
    assert_eq!(read(libc::PROC_EVENT_UID, [7, 7, 0, 0, 0, 0]), []);
}

#[test]
fn what_is_cut_short_or_from_another_connector_says_nothing() {
    let whole = datagram(libc::PROC_EVENT_EXIT, [7, 7, 0, 17, 1, 1]);
    for length in 0..whole.len() {
        assert_eq!(reports(&whole[..length]).count(), 0, "{length}");
    }
    let mut other = whole;
    other[16] = 9;
    assert_eq!(reports(&other).count(), 0);
}

/// What the kernel would do, for the few instructions used here.
fn run(program: &[Instruction], packet: &[u8]) -> u32 {
    let (mut a, mut x, mut at) = (0_u32, 0_u32, 0_usize);
    loop {
        let i = program[at];
        at += 1;
        let jump = |yes: bool| usize::from(if yes { i.jump_true } else { i.jump_false });
        match i.code {
            0x20 => a = u32::from_be_bytes(packet[i.operand as usize..][..4].try_into().unwrap()),
            0x07 => x = a,
            0x15 => at += jump(a == i.operand),
            0x1d => at += jump(a == x),
            _ => return i.operand,
        }
    }
}

#[test]
fn the_filter_lets_through_what_is_understood_and_answers() {
    let kinds = [
        libc::PROC_EVENT_NONE,
        libc::PROC_EVENT_FORK,
        libc::PROC_EVENT_EXEC,
        libc::PROC_EVENT_UID,
        libc::PROC_EVENT_COMM,
        libc::PROC_EVENT_EXIT,
        libc::PROC_EVENT_COREDUMP,
    ];
    for kind in kinds {
        for data in [[1, 1, 7, 7, 0, 0], [7, 7, 8, 7, 0, 0], [8, 7, 7, 7, 0, 0]] {
            let packet = datagram(kind, data);
            let wanted = kind == libc::PROC_EVENT_NONE || reports(&packet).count() == 1;
            assert_eq!(run(&filter(), &packet) != 0, wanted, "{kind:x} {data:?}");
        }
    }
}

#[test]
fn the_kernel_reports_a_process_from_its_beginning_to_its_end_or_says_why_not() {
    let mut monitor = match Monitor::open() {
        Ok(monitor) => monitor,
        Err(refused) => {
            assert!(!nix::unistd::geteuid().is_root() || refused == Refused::Namespace, "{refused}");
            return;
        }
    };
    let mut child = Command::new("/bin/true").spawn().unwrap();
    let pid = Pid::try_from(child.id()).unwrap();
    assert!(child.wait().unwrap().success());
    let mut seen = Vec::new();
    while monitor.read(|event| seen.push(event)).unwrap() {}
    let mut seen = seen.into_iter();
    for event in [Event::Began(pid), Event::Became(pid), Event::Ended(pid)] {
        assert!(seen.any(|have| have == event), "{event:?} is missing");
    }
}
