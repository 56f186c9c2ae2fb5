"""Code in a file that ought to hold data."""


class Payload:
    """What a pickle can do: make a file when it is read."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))
