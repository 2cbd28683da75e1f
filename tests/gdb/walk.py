"""Moves at random, forwards and backwards, in all units; compares what it sees at each moment with what it saw
there before."""

import hashlib
import random

import gdb

MOVES = [
    "stepi", "reverse-stepi", "nexti", "reverse-nexti", "next", "reverse-next", "step", "reverse-step",
    "continue", "reverse-continue", "finish", "reverse-finish", "stepi 7", "reverse-stepi 7",
]

MOVES_WITHOUT_LINES = ["stepi", "reverse-stepi", "continue", "continue", "stepi 7", "reverse-stepi 7"]


def run(command):
    return gdb.execute(command, to_string=True)


def moment():
    """The position, and everything there."""
    place = run("maint packet qRRCmd:retake-position:-1")
    thread = gdb.selected_thread()
    names = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip eflags fs_base".split()
    values = [run("output/x $" + name) for name in names]
    seen = hashlib.sha256(repr(values).encode())
    seen.update(run("output $xmm0").encode())
    stack = int(gdb.parse_and_eval("(unsigned long) $sp"))
    for start, length in ((stack, 512), (int(gdb.parse_and_eval("(unsigned long) &total")), 8)):
        seen.update(gdb.selected_inferior().read_memory(start, length).tobytes())
    return (place, thread.ptid[1]), seen.hexdigest()


random.seed(17)
known, again, failed = {}, 0, []
for n in range(500):
    # Without lines gdb takes a step to the end of a function for one line: that can be the whole program.
    has_lines = gdb.newest_frame().find_sal().line > 0
    command = random.choice(MOVES if has_lines else MOVES_WITHOUT_LINES)
    try:
        run(command)
    except gdb.error as error:
        # "finish" in the outermost frame, and the ends.
        failed.append(str(error))
    key, seen = moment()
    if key in known:
        again += 1
        if known[key] != seen:
            print("differs at", key, "after", n, command)
            break
    known[key] = seen
    if n % 20 == 19:
        # Another way to a moment that was visited.
        (place, _), _ = random.choice(list(known.items()))
        place = bytes.fromhex(place.split('"')[-2]).decode().strip()
        run("goto " + place)
        key, seen = moment()
        if known.get(key, seen) != seen:
            print("differs at", key, "after goto", place)
            break
        again += 1
else:
    print("all the same", len(known), "moments,", again, "seen again,", len(failed), "refused")
