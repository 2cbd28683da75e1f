"""Moves at random, forwards and backwards, in all units; compares what it sees at each moment with what it saw
there before."""

import hashlib
import os
import random

import gdb

MOVES = [
    "stepi", "reverse-stepi", "nexti", "reverse-nexti", "next", "reverse-next", "step", "reverse-step",
    "continue", "reverse-continue", "finish", "reverse-finish", "stepi 7", "reverse-stepi 7",
]

MOST = 256 << 10

MOVES_WITHOUT_LINES = ["stepi", "reverse-stepi", "continue", "continue", "stepi 7", "reverse-stepi 7"]


def run(command):
    return gdb.execute(command, to_string=True)


def moment():
    """The position, and everything there."""
    place = run("maint packet qRRCmd:retake-position:-1")
    thread = gdb.selected_thread()
    stack = int(gdb.parse_and_eval("(unsigned long) $sp"))
    # All registers, of the thread whose stack pointer was just read.
    seen = hashlib.sha256(run("maint packet g").encode())
    for start, length in writable(stack):
        seen.update(gdb.selected_inferior().read_memory(start, length).tobytes())
    return (place, thread.ptid[1]), seen.hexdigest()


def writable(stack):
    """Memory that may differ: what the program can write to, of large mappings only what lies on the stack."""
    for line in run("info proc mappings").splitlines():
        words = line.split()
        if len(words) < 5 or not words[0].startswith("0x") or not words[4].startswith("rw"):
            continue
        start, end = int(words[0], 16), int(words[1], 16)
        if end - start <= MOST:
            yield start, end - start
        elif start <= stack < end:
            yield stack, min(end - stack, MOST)


def go_to(key):
    place = bytes.fromhex(key[0].split('"')[-2]).decode().strip()
    run("goto " + place)


class Differs(Exception):
    pass


class Known:
    """What was seen at each moment, and how often."""

    def __init__(self):
        self.seen = {}
        self.visits = {}

    def look(self, way):
        key, seen = moment()
        if self.seen.setdefault(key, seen) != seen:
            raise Differs("differs at %s after %s" % (key, way))
        self.visits[key] = self.visits.get(key, 0) + 1
        return key


def walk(moves):
    random.seed(17)
    known, refused = Known(), 0
    for n in range(moves):
        # Without lines gdb takes a step to the end of a function for one line: that can be the whole program.
        has_lines = gdb.newest_frame().find_sal().line > 0
        command = random.choice(MOVES if has_lines else MOVES_WITHOUT_LINES)
        try:
            run(command)
        except gdb.error:
            # "finish" in the outermost frame, and the ends.
            refused += 1
        known.look("%s, which is move %d" % (command, n))
        if n % 20 == 19:
            # Another way to a moment that was visited.
            go_to(random.choice(list(known.seen)))
            known.look("goto after move %d" % n)
    # To each that was seen once, in any order, by another way.
    once = [key for key, visits in known.visits.items() if visits == 1]
    random.shuffle(once)
    for key in once:
        go_to(key)
        again = known.look("goto")
        if again[0] != key[0]:
            raise Differs("goto %s led to %s" % (key, again))
    total = sum(known.visits.values())
    print("all the same: %d moments, seen %d times, %d moves refused" % (len(known.seen), total, refused))


try:
    walk(int(os.environ.get("RETAKE_MOVES", "500")))
except Differs as error:
    print(error)
