"""The error that a person at the command line can put right."""


class OperatorError(Exception):
    """Something in the environment is in the way: a setting, a permission, a version, a disk.

    Its message is one line that names what is wrong and what to do; the command line prints it without a traceback.
    """


class WrongUsage(OperatorError):
    """What was asked for cannot be: an argument names what there is not, or a value that the rules do not allow."""
