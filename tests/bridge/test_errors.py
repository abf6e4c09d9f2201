"""Every error of the engine has one code of its own on the wire."""

import inspect
import pickle

from bridge.errors import CODES, INTERNAL, RemoteError, code_of
from engine import errors


def test_the_table_is_complete():
    kinds = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__}
    assert set(CODES) == kinds - {errors.StemweaveError}
    assert len(set(CODES.values())) == len(CODES)


def test_what_nobody_foresaw_is_internal():
    assert code_of(ZeroDivisionError()) == INTERNAL
    assert code_of(errors.AudioError("torn")) == "bad_audio"


def test_errors_survive_the_way_between_processes():
    for error in (errors.AudioError("torn", "splice"), errors.Cancelled(), RemoteError("limit", "much", "less", True)):
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), vars(copy)) == (type(error), vars(error))
