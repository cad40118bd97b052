"""The one exception that means "your input", as opposed to "our bug"."""


class InputError(ValueError):
    """Report a mistake in what the user gave: what, where, the value, and the way out, in one line.

    The command line prints it without a traceback and exits with code 2; every other exception is a
    defect of the workbench and keeps its traceback.
    """
