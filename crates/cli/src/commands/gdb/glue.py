"""Commands of a recording: when, goto, restart, checkpoint, back, forward."""


def commands_of_recordings():
    """All of it is in here: gdb runs what people write in the same namespace."""
    import gdb

    def ask(name, *arguments):
        """Asks the server; gives its text."""
        thread = gdb.selected_thread()
        tid = thread.ptid[1] if thread is not None and thread.ptid[1] else -1
        parts = [name, str(tid)] + [argument.encode().hex() for argument in arguments]
        reply = gdb.execute("maint packet qRRCmd:" + ":".join(parts), to_string=True)
        for line in reply.splitlines():
            if line.startswith("received: "):
                text = line[len("received: "):].strip().strip('"')
                return bytes.fromhex(text).decode(errors="replace").strip("\n")
        raise gdb.GdbError("this needs a connection to a recording")

    def follow(answer):
        """The server has gone to another moment: the next step is answered there, unless the thread that would step
        does not live there."""
        if answer.startswith("restart "):
            gdb.execute("run " + answer.split()[1], to_string=True)
        elif answer:
            raise gdb.GdbError(answer)
        else:
            # What gdb remembers of the thread is of another moment, at which other code may have been there.
            gdb.execute("maint flush register-cache", to_string=True)
            # It believes that it is where it was, and would show half of a line.
            gdb.execute("with suppress-cli-notifications on -- stepi", to_string=True)
        # Libraries that were loaded on the way were not seen.
        gdb.execute("sharedlibrary", to_string=True)
        gdb.execute("frame")

    class Telling(gdb.Command):
        """A command whose answer is text."""

        def __init__(self, name, text, command_class=gdb.COMMAND_STATUS):
            self.__doc__ = text
            self.name = name
            super().__init__(name, command_class)

        def invoke(self, argument, from_tty):
            print(ask(self.name, *argument.split()))

    class Going(gdb.Command):
        """A command that goes to another moment."""

        def __init__(self, name, text, ask_for):
            self.__doc__ = text
            self.ask_for = ask_for
            super().__init__(name, gdb.COMMAND_RUNNING)

        def invoke(self, argument, from_tty):
            follow(ask(*self.ask_for(argument.strip())))

    class Hits(gdb.Command):
        """List all arrivals at a place over the whole recording; `goto POSITION` goes to one of them."""

        def __init__(self):
            super().__init__("retake-hits", gdb.COMMAND_STATUS, gdb.COMPLETE_LOCATION)

        def invoke(self, argument, from_tty):
            _, found = gdb.decode_line(argument)
            print(ask("retake-hits", *[hex(place.pc) for place in found or []]))

    class Checkpoint(gdb.Command):
        """Remember this moment: `restart N` comes back to it."""

        def __init__(self):
            super().__init__("checkpoint", gdb.COMMAND_RUNNING)

        def invoke(self, argument, from_tty):
            print(ask("checkpoint", argument or place()))

    def place():
        """Where the program is, for people."""
        try:
            frame = gdb.newest_frame()
            line = frame.find_sal()
            name = frame.name() or hex(frame.pc())
            if line.symtab is None:
                return name
            return "%s () at %s:%d" % (name, line.symtab.filename, line.line)
        except gdb.error:
            return "?"

    def restart(argument):
        """What to go to: a checkpoint by its number, or the start."""
        if not argument:
            return ("retake-goto", "0")
        return ("retake-goto", argument if argument.startswith("c") else "c" + argument)

    def remember(event):
        """`back` and `forward` go through the moments at which gdb stopped."""
        try:
            ask("rr-history-push")
        except gdb.error:
            pass

    Telling("when", "Say how many events have happened, and the exact position.")
    Telling("when-ticks", "Say the tick of this moment, which `run tTICK` comes back to.")
    Telling("when-tid", "Say which thread stopped.")
    Telling("elapsed-time", "Say how long the program had run.")
    Telling("retake-calls", "Say who runs while a function is called, or set it: alone, all.")
    Telling("info checkpoints", "List the moments that `checkpoint` has remembered.")
    Telling("delete checkpoint", "Forget the moment of this number.")
    Checkpoint()
    Hits()
    Going("goto", "Go to an event (17), or to any position (17+2041@0x401136).", lambda to: ("retake-goto", to))
    Going("seek-ticks", "Go to a tick.", lambda to: ("retake-goto", "t" + to))
    Going("restart", "Go to a checkpoint by its number; without one to the start.", restart)
    Going("back", "Go to the moment of the stop before.", lambda _: ("back",))
    Going("forward", "Undo `back`.", lambda _: ("forward",))

    class Refused(gdb.Command):
        """A recording cannot do anything that it did not do."""

        def invoke(self, argument, from_tty):
            raise gdb.GdbError("a recording cannot do anything that it did not do")

    Refused("jump", gdb.COMMAND_RUNNING)

    gdb.events.stop.connect(remember)
    gdb.execute("set can-use-hw-watchpoints 1")


commands_of_recordings()
