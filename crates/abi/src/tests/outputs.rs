use super::{Call, Memory};
use crate::{Errno, nr, resolve};

#[track_caller]
fn check(no: retake_model::SyscallNo, args: &[u64], result: i64, expect: &[(u64, u64)]) {
    let mem = Memory::new();
    assert_eq!(Call::enter(no, args, &mem).outputs(result), expect);
}

#[test]
fn a_read_writes_as_much_as_it_says() {
    check(nr::READ, &[3, 0x2000, 100], 7, &[(0x2000, 7)]);
    check(nr::READ, &[3, 0x2000, 100], 0, &[]);
    check(nr::READ, &[3, 0x2000, 100], -11, &[]);
    check(nr::READ, &[3, 0x2000, 5], 7, &[(0x2000, 5)]);
}

#[test]
fn a_result_may_be_the_needed_size() {
    check(nr::GETXATTR, &[1, 1, 0x2000, 0], 30, &[]);
    check(nr::GETGROUPS, &[0, 0x2000], 4, &[]);
    check(nr::GETGROUPS, &[8, 0x2000], 3, &[(0x2000, 12)]);
    // MSG_TRUNC: longer than the buffer.
    check(nr::RECVFROM, &[3, 0x2000, 10, 0x20, 0, 0], 500, &[(0x2000, 10)]);
}

#[test]
fn fixed_structures_only_on_success() {
    check(nr::FSTAT, &[3, 0x2000], 0, &[(0x2000, 144)]);
    check(nr::FSTAT, &[3, 0x2000], -9, &[]);
    check(nr::CLOCK_GETTIME, &[0, 0x2000], 0, &[(0x2000, 16)]);
    check(nr::GETTIMEOFDAY, &[0x2000, 0], 0, &[(0x2000, 16)]);
    check(nr::RT_SIGACTION, &[10, 0, 0, 8], 0, &[]);
}

#[test]
fn remaining_time_only_after_an_interruption() {
    for code in [-4, -512, -514, -516] {
        check(nr::NANOSLEEP, &[0x2000, 0x2010], code, &[(0x2010, 16)]);
    }
    check(nr::NANOSLEEP, &[0x2000, 0x2010], 0, &[]);
    check(nr::CLOCK_NANOSLEEP, &[0, 0, 0x2000, 0x2010], -516, &[(0x2010, 16)]);
    check(nr::CLOCK_NANOSLEEP, &[0, 1, 0x2000, 0x2010], -514, &[]);
}

#[test]
fn polls_write_also_when_interrupted() {
    check(nr::POLL, &[0x2000, 3, 1000], -514, &[(0x2000, 24)]);
    check(nr::PPOLL, &[0x2000, 1, 0x2100, 0, 8], 0, &[(0x2000, 8), (0x2100, 16)]);
    check(
        nr::SELECT,
        &[65, 0x2000, 0, 0x2040, 0x2080],
        1,
        &[(0x2000, 16), (0x2040, 16), (0x2080, 16)],
    );
    check(nr::SELECT, &[65, 0x2000, 0, 0x2040, 0x2080], -514, &[(0x2080, 16)]);
    check(nr::EPOLL_WAIT, &[3, 0x2000, 16, u64::MAX], 2, &[(0x2000, 24)]);
}

#[test]
fn length_words_clamp_to_the_value_at_entry() {
    let mem = Memory::new();
    mem.put32(0x2100, 10);
    let call = Call::enter(nr::ACCEPT, &[3, 0x2000, 0x2100], &mem);
    mem.put32(0x2100, 28);
    assert_eq!(call.outputs(4), [(0x2000, 10), (0x2100, 4)]);
    mem.put32(0x2100, 2);
    assert_eq!(call.outputs(4), [(0x2000, 2), (0x2100, 4)]);
    assert_eq!(call.outputs(-11), []);
    let anonymous = Call::enter(nr::ACCEPT, &[3, 0, 0x2100], &mem);
    assert_eq!(anonymous.outputs(4), []);
}

#[test]
fn a_short_option_buffer_still_gets_its_length() {
    let mem = Memory::new();
    mem.put32(0x2100, 4);
    let call = Call::enter(nr::GETSOCKOPT, &[3, 1, 31, 0x2000, 0x2100], &mem);
    mem.put32(0x2100, 40);
    assert_eq!(call.outputs(-34), [(0x2100, 4)]);
}

#[test]
fn scattered_reads_fill_buffers_in_order() {
    let mem = Memory::new();
    mem.put_iovecs(0x2000, &[(0x3000, 10), (0x3100, 0), (0x3200, 10)]);
    let call = Call::enter(nr::READV, &[3, 0x2000, 3], &mem);
    assert_eq!(call.outputs(10), [(0x3000, 10)]);
    assert_eq!(call.outputs(13), [(0x3000, 10), (0x3200, 3)]);
    assert_eq!(call.outputs(999), [(0x3000, 10), (0x3200, 10)]);
    assert_eq!(call.outputs(-11), []);
}

#[test]
fn messages() {
    let mem = Memory::new();
    mem.put_message(0x2000);
    let call = Call::enter(nr::RECVMSG, &[3, 0x2000, 0], &mem);
    mem.put32(0x2008, 110);
    mem.put64(0x2028, 24);
    let expected =
        [(0x3000, 28), (0x2008, 4), (0x3100, 42), (0x3200, 24), (0x2028, 8), (0x2030, 4)];
    assert_eq!(call.outputs(42), expected);
    assert_eq!(call.outputs(-11), []);
}

#[test]
fn many_messages() {
    let mem = Memory::new();
    for at in [0x2000, 0x2040, 0x2080] {
        mem.put_message(at);
    }
    let call = Call::enter(nr::RECVMMSG, &[3, 0x2000, 3, 0, 0x2700], &mem);
    mem.put32(0x2038, 5);
    mem.put32(0x2078, 6);
    let found = call.outputs(2);
    assert!(found.contains(&(0x3100, 5)) && found.contains(&(0x3100, 6)), "{found:x?}");
    assert!(found.contains(&(0x2038, 4)) && found.contains(&(0x2078, 4)), "{found:x?}");
    assert!(!found.contains(&(0x20b8, 4)), "the third message was not received");
    assert_eq!(found.last(), Some(&(0x2700, 16)));
    assert_eq!(call.outputs(-11), []);
}

#[test]
fn sent_lengths_are_written() {
    check(nr::SENDMMSG, &[3, 0x2000, 4, 0], 2, &[(0x2000, 128)]);
}

#[test]
fn waits() {
    check(nr::WAIT4, &[0, 0x2000, 0, 0x2100], 77, &[(0x2000, 4), (0x2100, 144)]);
    check(nr::WAIT4, &[0, 0x2000, 1, 0x2100], 0, &[]);
    let mem = Memory::new();
    let call = Call::enter(nr::WAITID, &[0, 0, 0x2000, 4, 0x2100], &mem);
    assert_eq!(call.outputs(0), [(0x2000, 12), (0x2010, 12)], "no child: no usage");
    assert_eq!(call.outputs(-10), [(0x2000, 12), (0x2010, 12)]);
    mem.put32(0x2000, 17);
    assert_eq!(call.outputs(0), [(0x2000, 12), (0x2010, 12), (0x2100, 144)]);
}

#[test]
fn file_handles() {
    let mem = Memory::new();
    mem.put32(0x2000, 128);
    let args = [0, 0x1100, 0x2000, 0x2200, 0];
    let call = Call::enter(nr::NAME_TO_HANDLE_AT, &args, &mem);
    mem.put32(0x2000, 12);
    assert_eq!(call.outputs(0), [(0x2000, 8), (0x2008, 12), (0x2200, 4)]);
    assert_eq!(call.outputs(-75), [(0x2000, 8), (0x2200, 4)], "EOVERFLOW");
}

#[test]
fn extents_and_interfaces() {
    let mem = Memory::new();
    mem.put32(0x2000 + 24, 2);
    let call = Call::enter(nr::IOCTL, &[3, 0xc020_660b, 0x2000], &mem);
    mem.put32(0x2000 + 20, 5);
    assert_eq!(call.outputs(0), [(0x2000, 32), (0x2020, 112)]);
    assert_eq!(call.outputs(-53), [(0x2000, 32)], "EBADR");

    mem.put32(0x2400, 80);
    mem.put64(0x2408, 0x3000);
    let call = Call::enter(nr::IOCTL, &[3, 0x8912, 0x2400], &mem);
    mem.put32(0x2400, 40);
    assert_eq!(call.outputs(0), [(0x2400, 4), (0x3000, 40)]);
}

#[test]
fn odd_sizes() {
    check(nr::MSGRCV, &[1, 0x2000, 100, 0, 0], 5, &[(0x2000, 13)]);
    check(nr::MINCORE, &[0x1000, 4097, 0x2000], 0, &[(0x2000, 2)]);
    check(nr::GET_MEMPOLICY, &[0, 0x2000, 65, 0, 0], 0, &[(0x2000, 8)]);
    check(nr::IOCTL, &[3, 0x8100_4506, 0x2000], 20, &[(0x2000, 20)]);
    check(nr::IOCTL, &[3, 0x8004_4506, 0x2000], 20, &[(0x2000, 4)]);
    check(nr::CLONE, &[0x0010_0000, 0, 0x2000, 0, 0], 9, &[(0x2000, 4)]);
    check(nr::CLONE, &[0x11, 0, 0x2000, 0, 0], 9, &[]);
    check(nr::FUTEX, &[0x2000, 5, 1, 1, 0x2004, 0], 1, &[(0x2004, 4)]);
    check(nr::CAPGET, &[0x2000, 0x2008], 0, &[(0x2000, 4), (0x2008, 24)]);
    // modify_ldt gives an error as an unsigned 32-bit number.
    check(nr::MODIFY_LDT, &[0, 0x2000, 64], 0xffff_ffea, &[]);
}

#[test]
fn values_behind_a_structure() {
    let mem = Memory::new();
    mem.put64(0x2000, 0x3000);
    mem.put32(0x2008, 10);
    let call = Call::enter(nr::GETXATTRAT, &[0, 0x1100, 0, 0x1100, 0x2000, 16], &mem);
    assert_eq!(call.outputs(30), [(0x3000, 10)]);
    mem.put32(0x2800, 600);
    let call = Call::enter(nr::STATMOUNT, &[0x1100, 0x2800, 512, 0], &mem);
    assert_eq!(call.outputs(0), [(0x2800, 512)]);
}

#[test]
fn refused_calls_write_nothing() {
    check(nr::IO_GETEVENTS, &[0, 0, 0, 0x2000, 0x2100], -38, &[]);
    check(nr::SCHED_SETAFFINITY, &[0, 8, 0x2000], 0, &[]);
}

#[test]
fn null_and_wrapping_pointers_give_nothing() {
    check(nr::FSTAT, &[3, 0], 0, &[]);
    check(nr::FSTAT, &[3, u64::MAX - 8], 0, &[]);
    check(nr::READV, &[3, u64::MAX - 8, 1024], 10, &[]);
    check(nr::RECVMSG, &[3, 0x99_9999, 0], 10, &[]);
}

#[test]
fn halfway_faults_and_unknown_calls_are_not_exact() {
    let efault = Errno::EFAULT.to_result();
    assert!(!resolve(nr::READ, &[0; 6]).outputs_are_exact(efault));
    assert!(resolve(nr::WRITE, &[0; 6]).outputs_are_exact(efault));
    assert!(resolve(nr::READ, &[0; 6]).outputs_are_exact(5));
    assert!(!resolve(nr::IOCTL, &[3, 0x1234, 0, 0, 0, 0]).outputs_are_exact(0));
    assert!(!resolve(nr::SEMCTL, &[0, 0, 13, 0, 0, 0]).outputs_are_exact(0));
}

#[test]
fn a_call_that_failed_halfway_may_have_written_all_of_its_buffers() {
    let mem = Memory::new();
    mem.put_iovecs(0x2000, &[(0x3000, 100), (0x10, 50)]);
    let found = |no, args: &[u64]| {
        let call = Call::enter(no, args, &mem);
        let row = crate::resolve(no, &call.args);
        assert!(!row.outputs_are_exact(-14));
        let mut found = Vec::new();
        crate::possible_outputs(&row, &call.args, &call.before, &mem, &mut |addr, len| {
            found.push((addr.get(), len));
        });
        found
    };
    assert_eq!(found(nr::STAT, &[1, 0x3fa0]), [(0x3fa0, 144)]);
    assert_eq!(found(nr::GETCWD, &[0x3ffe, 100]), [(0x3ffe, 100)]);
    // The array of buffers itself is listed too: it holds what it held.
    assert_eq!(found(nr::READV, &[3, 0x2000, 2]), [(0x2000, 32), (0x3000, 100), (0x10, 50)]);
}

#[test]
fn the_size_of_attributes_is_written_also_when_no_module_answers() {
    let mem = Memory::new();
    mem.put32(0x2000, 256);
    let call = Call::enter(nr::LSM_GET_SELF_ATTR, &[100, 0x3000, 0x2000, 0], &mem);
    mem.put32(0x2000, 0);
    assert_eq!(call.outputs(-95), [(0x2000, 4)]);
}
