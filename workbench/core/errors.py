"""The exceptions that mean "your input" and "your machine", as opposed to "our bug"."""


class InputError(ValueError):
    """Report a mistake in what the user gave: what, where, the value, and the way out, in one line.

    The command line prints it without a traceback and exits with code 2; every exception but this and the one
    below is a defect of the workbench and keeps its traceback.
    """


class LostWorkerError(RuntimeError):
    """Report that what the work ran on went away, and the way out, in one line.

    The command line prints it without a traceback and exits with code 1.
    """
