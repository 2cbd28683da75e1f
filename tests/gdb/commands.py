"""Tries each command of gdb on commands.c, or on one of the programs that do the same in another language. `forwards`
says what any gdb says, also on the program itself; `both_ways` prints `ok NAME` for each command that leads back
to where it was before.

`names` is given: how the language calls things, and the lines of the source that are marked."""

import time

import gdb

FIRST_STEPS = 24


def run(command):
    return gdb.execute(command, to_string=True)


def value(expression):
    return int(gdb.parse_and_eval(expression))


def total():
    return value(names["total"])


def place():
    frame = gdb.newest_frame()
    return names["source"] in str(frame.find_sal().symtab), frame.find_sal().line


def at(mark):
    return "%s:%d" % (names["source"], names[mark])


def only(command):
    run("delete")
    run(command)


def answer(name):
    reply = run("maint packet qRRCmd:%s:-1" % name)
    return bytes.fromhex(reply.split('"')[-2]).decode().strip()


def position():
    return answer("retake-position")


def check(name, holds, *seen):
    print("ok" if holds else "bad", name, *([] if holds else seen))


def without_repeats(places):
    return [one for one, before in zip(places, [None] + places) if one != before]


def stack():
    names_of_frames = []
    frame = gdb.newest_frame()
    while frame is not None and frame.name() is not None and len(names_of_frames) < 3:
        names_of_frames.append(frame.name())
        frame = frame.older()
    return names_of_frames


def steps_to(mark, command):
    """Where each of some steps ends, up to a line."""
    places = [place()]
    while places[-1] != (True, names[mark]) and len(places) < FIRST_STEPS:
        run(command)
        places.append(place())
    return places


def find():
    return run("find /b %s, +%s, 0x6e, 0x65, 0x65" % (names["text"], names["length"]))


def forwards(start):
    """The same on a recording and on the program itself."""
    only("break " + at("write"))
    run(start)
    for _ in range(20):
        print("write", total(), value("n"), value("more"), stack())
        run("continue")
    # The last one came to an end.


def looks(start):
    """What there is to see in the middle."""
    only("break " + at("adds"))
    run(start)
    run("continue")
    run("delete")
    print("steps", without_repeats(steps_to("after", "step")), total())
    run("finish")
    print("finished", stack(), place())
    print("found", "1 pattern found" in find(), "needle" in run("x/s " + names["text"]))


def continue_both_ways():
    only("break " + at("write"))
    run("goto 0")
    there = []
    for _ in range(20):
        run("continue")
        there.append((position(), total(), place()))
    run("continue")
    end = position()
    back = []
    for _ in range(20):
        run("reverse-continue")
        back.append((position(), total(), place()))
    check("reverse-continue", there == back[::-1] and len(set(there)) == 20, there, back)
    run("reverse-continue")
    begin = position()
    run("reverse-stepi")
    check("ends", begin == position() == "1" and end not in there, begin, end)


def go_to(mark, times=3):
    only("break " + at(mark))
    run("goto 0")
    for _ in range(times):
        run("continue")
    run("delete")


def there_and_back(forward, backward, count):
    there = [position()]
    for _ in range(count):
        run(forward)
        there.append(position())
    back = [position()]
    for _ in range(count):
        run(backward)
        back.append(position())
    check(backward, there == back[::-1] and len(set(there)) == count + 1, there, back)


def instructions():
    go_to("call")
    there_and_back("stepi", "reverse-stepi", 60)
    go_to("adds")
    there_and_back("nexti", "reverse-nexti", 4)


def is_part(part, whole):
    """Whether all of a list is in another one, in this order."""
    rest = iter(whole)
    return all(any(other == one for other in rest) for one in part)


def lines():
    for forward, backward, to, passed in (
        ("step", "reverse-step", "after", ("adds", "call", "write", "after")),
        ("next", "reverse-next", "next", ("adds", "next")),
    ):
        go_to("adds")
        first = (total(), value("n"), stack())
        there = steps_to(to, forward)
        back = [place()]
        while place() != (True, names["adds"]) and len(back) < FIRST_STEPS:
            run(backward)
            back.append(place())
        # Some lines have several pieces of code; gdb leaves the first line of a function out backwards.
        same = is_part(without_repeats(back[::-1]), without_repeats(there))
        passes = all((True, names[mark]) in back for mark in passed)
        last = (total(), value("n"), stack())
        check(backward, same and passes and first == last, there, back, first, last)


def finish():
    go_to("twice")
    callee, caller = stack()[:2]
    run("finish")
    check("finish", stack()[0] == caller, stack())
    go_to("twice")
    run("reverse-finish")
    at_call = run("x/i $pc")
    check("reverse-finish", "call" in at_call and stack()[0] == caller, at_call, stack())
    run("stepi")
    check("called", stack()[0] == callee, stack())


def watch():
    go_to("call", 1)
    run("watch " + names["total"])
    there = [total()]
    for _ in range(6):
        run("continue")
        there.append(total())
    # It stands behind the last change, which is the first one backwards.
    back = [total()]
    for _ in range(6):
        run("reverse-continue")
        back.append(total())
    check("watch", back == there[::-1] and len(set(there)) == 7, there, back)


def checkpoint():
    go_to("write", 5)
    before = (position(), total())
    run("checkpoint")
    only("break " + at("write"))
    run("continue")
    run("continue")
    moved = total()
    run("restart 1")
    check("restart", (position(), total()) == before and moved != before[1], before, moved, total())
    run("run 100")
    check("run 100", answer("when").endswith(" 100"), answer("when"))


def call():
    go_to("write")
    before = (position(), total())
    if names["invoke"]:
        check("print f(x)", value(names["invoke"]) == 42)
    run("stepi")
    run("reverse-stepi")
    check("after the call", (position(), total()) == before, before)


def looking():
    go_to("write")
    count = len(gdb.selected_inferior().threads())
    listed = run("info threads").count("Thread ")
    stacks = run("thread apply all bt")
    check("info threads", count >= 2 and listed == count, count, listed)
    there = "\nThread " in stacks and stacks.count("#0 ") == count and "write" not in stacks
    check("thread apply all bt", there and stack()[0] in stacks, stacks)
    check("find", "1 pattern found" in find(), find())
    check("x/s", "a needle in the hay" in run("x/s " + names["text"]))


def conditions():
    for command, first, wanted in (("continue", "0", 999_999), ("reverse-continue", None, 0)):
        only("break %s if i == %d" % (at("hot"), wanted))
        if first is None:
            run("continue")
        else:
            run("goto " + first)
        began = time.time()
        run(command)
        took = time.time() - began
        check("condition", value("i") == wanted, value("i"))
        print("took", command, "%.2f" % took)


def both_ways():
    parts = (continue_both_ways, instructions, lines, finish, watch, checkpoint, call, looking, conditions)
    for part in parts:
        try:
            part()
        except (gdb.error, AttributeError, ValueError) as error:
            print("bad", part.__name__, error)
