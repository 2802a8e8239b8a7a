"""What the modules of the exporter share: the error they stop with, names, and digests."""

import hashlib

import numpy as np


class ExportError(Exception):
    def __init__(self, error, hint=""):
        super().__init__(error)
        self.error, self.hint = error, hint


def last_line(problem):
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return lines[-1] if lines else type(problem).__name__


def sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def path_of(variable):
    """block1_conv1/kernel: the name of a Keras variable, the same in every export."""
    return variable.path


def signature_name(name):
    return name.replace("/", "_")
