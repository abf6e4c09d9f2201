"""The names a program may rely on: adding one is a decision, losing one a break."""

import engine


def test_the_public_names_are_these():
    assert dir(engine) == [
        "Request", "StemweaveError", "evaluate", "list_models", "list_presets", "load_model", "load_preset", "perform", "prompt",
        "read_audio", "separate", "train", "write_audio",
    ]  # fmt: skip


def test_each_is_there_and_carries_a_docstring():
    for name in dir(engine):
        assert getattr(engine, name).__doc__
