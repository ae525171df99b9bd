//! The kernel's filter: adverts of foreign virtual routers cost this process nothing (pure).
//!
//! A classic BPF program that accepts a packet whose VRID is one of ours. A raw IPv4 socket sees the IP header
//! first, a raw IPv6 socket starts at the VRRP header; the VRID is the second byte of that.

use common::sys::raw::Instruction;

use crate::machine::id::{Family, Vrid};

// linux/bpf_common.h
const LOAD_BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
const LOAD_BYTE_INDEXED: u16 = 0x50; // BPF_LD | BPF_B | BPF_IND
const LOAD_HEADER_LENGTH: u16 = 0xb1; // BPF_LDX | BPF_B | BPF_MSH
const JUMP_GE: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const JUMP_GT: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K
const WHOLE: u32 = 0xffff;

/// The program that accepts these identifiers (ascending) and drops all else.
pub fn accept(family: Family, vrids: &[Vrid]) -> Vec<Instruction> {
    let mut program = match family {
        Family::Ipv4 => vec![plain(LOAD_HEADER_LENGTH, 0), plain(LOAD_BYTE_INDEXED, 1)],
        Family::Ipv6 => vec![plain(LOAD_BYTE, 1)],
    };
    for (first, last) in ranges(vrids) {
        program.push(jump(JUMP_GE, first, 0, 2));
        program.push(jump(JUMP_GT, last, 1, 0));
        program.push(plain(RETURN, WHOLE));
    }
    program.extend(drop_all());
    program
}

/// The program for a socket that only sends.
pub fn drop_all() -> Vec<Instruction> {
    vec![plain(RETURN, 0)]
}

fn ranges(vrids: &[Vrid]) -> Vec<(u8, u8)> {
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for vrid in vrids.iter().map(|vrid| vrid.get()) {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(vrid) => *last = vrid,
            _ => ranges.push((vrid, vrid)),
        }
    }
    ranges
}

fn plain(code: u16, operand: u32) -> Instruction {
    Instruction { code, jump_true: 0, jump_false: 0, operand }
}

fn jump(code: u16, operand: u8, jump_true: u8, jump_false: u8) -> Instruction {
    Instruction { code, jump_true, jump_false, operand: u32::from(operand) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would do, for the few instructions used here.
    fn run(program: &[Instruction], packet: &[u8]) -> u32 {
        let (mut a, mut x, mut at) = (0_u32, 0_usize, 0_usize);
        loop {
            let i = program[at];
            at += 1;
            match i.code {
                LOAD_BYTE => a = u32::from(packet[i.operand as usize]),
                LOAD_BYTE_INDEXED => a = u32::from(packet[x + i.operand as usize]),
                LOAD_HEADER_LENGTH => x = usize::from(packet[i.operand as usize] & 0xf) * 4,
                JUMP_GE => at += usize::from(if a >= i.operand { i.jump_true } else { i.jump_false }),
                JUMP_GT => at += usize::from(if a > i.operand { i.jump_true } else { i.jump_false }),
                _ => return i.operand,
            }
        }
    }

    #[test]
    fn only_our_identifiers_pass() {
        for ours in [vec![], vec![1], vec![51], vec![255], vec![1, 2, 3, 7, 9, 10, 255], (1..=255).collect()]
        {
            let vrids: Vec<Vrid> = ours.iter().filter_map(|vrid| Vrid::new(*vrid)).collect();
            for vrid in 0..=255 {
                let passes = if ours.contains(&vrid) { WHOLE } else { 0 };
                assert_eq!(run(&accept(Family::Ipv6, &vrids), &[0x31, vrid]), passes);
                for words in [5_u8, 15] {
                    let mut packet = vec![0; usize::from(words) * 4];
                    packet[0] = 0x40 | words;
                    packet.extend([0x21, vrid]);
                    assert_eq!(run(&accept(Family::Ipv4, &vrids), &packet), passes);
                }
            }
        }
    }
}
