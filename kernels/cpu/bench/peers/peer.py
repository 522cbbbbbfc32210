"""What a peer is: a class with these members. compare.py knows nothing else of it."""


class Missing(Exception):
    """The peer can't be measured here; the text says why."""


class Peer:
    name = ""  # of the row
    arithmetic = "fp32"  # or "int8": which of the machine's multiply limits is its own; "": the error tells
    tolerance = 1e-4  # of the relative L2 error against its own dequantised weights

    def version(self):
        """Of the package; the first thing called, and the place to say Missing."""
        raise NotImplementedError

    def setup(self, work):
        """Packs work.copies weights for work.m rows. Called once for each m; what an earlier call packed may be kept."""
        raise NotImplementedError

    def run(self, turn):
        """The work.per linears of work.group_of(turn): the only thing that is timed."""
        raise NotImplementedError

    def begin(self):
        """Before a slice of runs."""

    def end(self):
        """After it: no thread of the peer may go on spinning for long."""

    def empty(self):
        """A run of next to nothing, to see what calling costs; False if there is no such thing."""
        return False

    def reference(self, copy):
        """[n, k] float32: what copy `copy` computes with."""
        return self.work.weight.dequantised(copy)

    def note(self):
        """One line on how it was set up, "" if there is nothing to say."""
        return ""

    def close(self):
        """Frees the weights."""
