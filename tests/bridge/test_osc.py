"""OSC by real datagrams: jobs on files, answers to the sender's port, numbers in any dress."""

import uuid
from contextlib import ExitStack

import numpy as np
import pytest
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from support.audio import BAD, bad
from support.osc import Patch, engine_by_osc
from support.servers import song

from bridge.client import Client
from bridge.errors import RemoteError
from bridge.osc.addresses import ADDRESSES, REPLIES, ROOT
from bridge.osc.endpoint import MOST_REPLY_PORTS, task_usages
from engine.audio import read_audio, write_audio


@pytest.fixture(scope="module")
def osc_server(tmp_path_factory):
    with engine_by_osc(tmp_path_factory) as server:
        yield server


@pytest.fixture
def patch(osc_server):
    patch = Patch(osc_server._osc.port)
    yield patch
    patch.socket.close()


def test_questions_are_answered_at_the_port_they_came_from(patch):
    patch.send("/ping")
    assert patch.hear("/pong") == []
    patch.send("/version")
    assert len(patch.hear("/version")) == 2
    patch.send("/models")
    assert "default" in patch.hear("/models")
    patch.send("/status")
    assert len(patch.hear("/status")) == 5


@pytest.mark.parametrize("seed", [(), (3,), (3.0,), ("123456789012",)])
def test_a_file_is_separated_into_files(patch, tmp_path, seed):
    song = 0.1 * np.random.default_rng(0).standard_normal((2, 30_000)).astype(np.float32)
    write_audio(tmp_path / "song.wav", song, 44100)
    patch.send("/separate", str(tmp_path / "song.wav"), str(tmp_path / "out"), *seed)
    (job,) = patch.hear("/job/accepted")
    assert patch.hear("/job/progress")[0] == job
    named = {}
    for _ in range(5):
        same, stem, path = patch.hear("/job/stem")
        assert same == job
        named[stem] = path
    assert patch.hear("/job/done") == [job]
    stems = [read_audio(path).samples for path in named.values()]
    np.testing.assert_allclose(sum(stems), song, atol=1e-6)


@pytest.fixture
def stems(tmp_path):
    """A folder with two stems of half a second."""
    (tmp_path / "stems").mkdir()
    for seed, name in enumerate(("bass", "guitar")):
        audio = 0.1 * np.random.default_rng(seed).standard_normal((1, 22050)).astype(np.float32)
        write_audio(tmp_path / "stems" / f"{name}.wav", audio, 44100)
    return str(tmp_path / "stems")


def test_every_task_has_a_short_address(patch, stems, tmp_path, monkeypatch):
    """By the presets that come with it, on a tiny model; what is known comes back as it was."""
    clip, out = f"{stems}/bass.wav", str(tmp_path / "out")
    calls = {
        "/generate": [out + "0", 0.3, "drums,bass", "7"], "/accompany": [stems, out + "1", "drums"],
        "/infill": [stems, out + "2", "0.2", 0.4], "/regenerate": [stems, out + "3", 0.2, 0.4, "guitar", 3.0],
        "/continue": [stems, out + "4", 0.2], "/transition": [stems, stems, out + "5", 0.2],
        "/restyle": [stems, clip, out + "6", "-", 1],
    }  # fmt: skip
    assert set(calls) | {"/separate"} == {address for address, _ in task_usages()}
    for address, arguments in calls.items():
        patch.send(address, *arguments)
        (job,) = patch.hear("/job/accepted")
        assert patch.hear("/job/done") == [job], address
    for task in (1, 4):
        known = read_audio(tmp_path / f"out{task}" / "bass.wav").samples
        assert np.array_equal(known[:, :22050], read_audio(clip).samples)


def test_a_subscriber_hears_of_jobs_of_others_until_its_time_is_up(osc_server, patch, stems, tmp_path):
    listener = Patch(osc_server._osc.port)
    listener.send("/subscribe", "3000")
    assert listener.hear("/subscribed") == [3000.0]
    patch.send("/accompany", stems, str(tmp_path / "out"), "drums")
    (job,) = patch.hear("/job/accepted")
    assert listener.hear("/job/done") == patch.hear("/job/done") == [job]
    listener.send("/subscribe", 0)
    assert listener.hear("/subscribed") == [0.0]
    patch.send("/accompany", stems, str(tmp_path / "again"), "drums")
    patch.hear("/job/done")
    listener.send("/ping")
    assert listener.hear("/pong") == []  # and nothing before it
    listener.socket.close()


def test_a_subscriber_hears_of_jobs_over_zeromq_and_the_status_counts_what_ended(osc_server, patch):
    def ended() -> list[int]:
        patch.send("/status")
        return patch.hear("/status")[2:]

    done, failed, cancelled = ended()
    patch.send("/subscribe")
    patch.hear("/subscribed")
    job = str(uuid.uuid4())
    with Client(f"tcp://127.0.0.1:{osc_server.port}") as client:
        client.separate(song(1000), 44100, job=job)
        assert patch.hear("/job/accepted") == [job[:8]]
        assert patch.hear("/job/progress")[0] == job[:8]
        assert patch.hear("/job/done") == [job[:8]]
        with pytest.raises(RemoteError):
            client.separate(song(1000), 44100, overrides={"steps": 0})
    while (heard := patch.next())[0] != "/job/error":
        pass
    assert heard[1][1] == "bad_preset"
    patch.send("/subscribe", 0)
    patch.hear("/subscribed")
    assert ended() == [done + 1, failed + 1, cancelled]


def test_who_sends_and_hears_by_two_sockets_names_the_port_it_hears_at(osc_server, patch, stems, tmp_path):
    """As Max does; others are answered as before, and the job is the sender's."""
    ear, other = Patch(patch.port), Patch(patch.port)
    at = ear.socket.getsockname()[1]
    patch.send("/reply", float(at))
    assert ear.hear("/replying") == [at]
    patch.send("/accompany", stems, str(tmp_path / "out"), "drums")
    (job,) = ear.hear("/job/accepted")
    assert ear.hear("/job/done") == [job]
    patch.send("/generate", str(tmp_path / "long"), 100)
    (job,) = ear.hear("/job/accepted")
    patch.send("/job/cancel", job)
    assert ear.hear("/job/cancelled") == [job]
    other.send("/ping")
    assert other.hear("/pong") == []
    patch.send("/reply", 0)
    assert patch.hear("/replying") == [0]  # and nothing before it
    ear.socket.close()
    other.socket.close()


@pytest.mark.parametrize("port", [-1, 65536, "many", float("nan")])
def test_a_port_that_is_none_is_refused(patch, port):
    patch.send("/reply", port)
    code, text = patch.hear("/error")
    assert code == "bad_arguments"
    assert "/stemweave/reply port" in text


def test_a_server_does_not_answer_answers(patch):
    """Told to reply at another server, or at itself, it would talk for ever."""
    patch.send("/reply", patch.port)
    assert patch.hear("/error")[0] == "bad_arguments"
    for reply in set(REPLIES) - set(ADDRESSES):
        patch.send(reply)
    patch.send("/ping")
    assert patch.hear("/pong") == []  # and nothing before it


def test_ports_named_long_ago_are_forgotten_first(patch):
    with ExitStack() as stack:
        ear, *senders = (Patch(patch.port) for _ in range(MOST_REPLY_PORTS + 2))
        for one in (ear, *senders):
            stack.enter_context(one.socket)
        for sender in senders:
            sender.send("/reply", ear.socket.getsockname()[1])
            ear.hear("/replying")
        senders[0].send("/ping")
        assert senders[0].hear("/pong") == []
        senders[1].send("/ping")
        assert ear.hear("/pong") == []
        for sender in senders:  # or the system gives their port to a later test, which would then hear nothing
            sender.send("/reply", 0)
            sender.hear("/replying")


@pytest.mark.parametrize(("kind", "words"), BAD.items())
def test_bad_audio_is_told_and_the_server_goes_on(patch, tmp_path, kind, words):
    patch.send("/separate", str(bad(tmp_path, kind)), str(tmp_path / "out"))
    (job,) = patch.hear("/job/accepted")
    failed, code, text = patch.hear("/job/error")
    assert (failed, code, words in text) == (job, "bad_audio", True), text
    assert not (tmp_path / "out").exists()
    patch.send("/ping")
    assert patch.hear("/pong") == []


@pytest.mark.parametrize(
    ("shape", "level", "rate"),
    [
        ((2, 5000), 0.0, 44100), ((1, 5000), 0.1, 44100), ((2, 1), 0.1, 44100), ((2, 5000), 0.1, 8000),
        ((2, 5000), 0.1, 192_000),
    ],
    ids=["silence", "mono", "one sample", "8 kHz", "192 kHz"],
)  # fmt: skip
def test_odd_audio_is_separated_all_the_same(patch, tmp_path, shape, level, rate):
    audio = level * np.random.default_rng(0).standard_normal(shape, np.float32)
    write_audio(tmp_path / "odd.wav", audio, rate)
    patch.send("/separate", str(tmp_path / "odd.wav"), str(tmp_path / "out"))
    (job,) = patch.hear("/job/accepted")
    assert patch.hear("/job/done") == [job]
    stems = [read_audio(path) for path in (tmp_path / "out").glob("*.wav")]
    assert {stem.sample_rate for stem in stems} == {rate}
    np.testing.assert_allclose(sum(stem.samples for stem in stems), audio, atol=1e-5)


@pytest.mark.parametrize("arguments", [(), ("one",), (1, 2), ("a", "b", "many")])
def test_wrong_arguments_are_answered_with_the_right_ones(patch, arguments):
    patch.send("/separate", *arguments)
    code, text = patch.hear("/error")
    assert code == "bad_arguments"
    assert "path outdir" in text


@pytest.mark.parametrize("path", ["song.wav", "./song.wav", "", "~nobody-of-that-name/song.wav", "bass=song.wav"])
def test_a_path_that_does_not_begin_at_the_root_is_refused(patch, tmp_path, path):
    """It would mean the folder that the server happens to run in."""
    there = str(tmp_path / "there")
    for call in (("/accompany", path, there), ("/separate", there, path), ("/transition", there, path, there, 1.0)):
        patch.send(*call)
        code, text = patch.hear("/error")
        assert (code, "begins with / or ~/" in text, call[0] in text) == ("bad_arguments", True, True), call


def test_a_folder_for_stems_is_a_path_and_nothing_else(patch, stems, tmp_path):
    for relative in (f"x={tmp_path}/out", f"after:{tmp_path}/out"):
        patch.send("/accompany", stems, relative, "drums")
        assert patch.hear("/error")[0] == "bad_arguments"
    out = tmp_path / "bpm=120" / "out"
    patch.send("/separate", f"{tmp_path}/none.wav", str(out))
    (job,) = patch.hear("/job/accepted")
    assert patch.hear("/job/error")[:2] == [job, "bad_audio"]


def test_a_tilde_is_the_users_home(patch, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_audio(tmp_path / "bass.wav", np.full((1, 1000), 0.5, np.float32), 44100)
    patch.send("/accompany", "bass=~/bass.wav", "~/stems", "drums")
    (job,) = patch.hear("/job/accepted")
    assert patch.hear("/job/done") == [job]
    assert (tmp_path / "stems" / "drums.wav").exists()


def test_a_take_of_the_users_is_kept_and_one_of_stemweaves_made_anew(patch, tmp_path):
    """Click, record, click."""
    folder = tmp_path / "takes"
    for bass in (None, None, np.full((1, 1000), 0.5, np.float32)):
        if bass is not None:
            write_audio(folder / "bass.wav", bass, 44100)
        patch.send("/generate", str(folder), 0.1)
        (job,) = patch.hear("/job/accepted")
        if bass is None:
            assert patch.hear("/job/done") == [job]
    failed, code, text = patch.hear("/job/error")
    assert (failed, code, "holds bass.wav, which stemweave did not write" in text) == (job, "no_resource", True)
    assert np.array_equal(read_audio(folder / "bass.wav").samples, bass)


def test_unknown_addresses_jobs_and_garbage(patch):
    patch.send("/nonsense")
    assert patch.hear("/error")[0] == "unknown_address"
    patch.send("/job/cancel", "no-such-job")
    assert patch.hear("/job/error")[1] == "unknown_job"
    rng = np.random.default_rng(0)
    for _ in range(25):
        for _ in range(20):  # few enough at once that the system drops none, the ping least of all
            patch.socket.sendto(rng.bytes(int(rng.integers(0, 200))), ("127.0.0.1", patch.port))
        patch.send("/ping")
        assert patch.hear("/pong") == []


def test_a_bundle_is_done_in_order(patch):
    bundle = OscBundleBuilder(IMMEDIATELY)
    bundle.add_content(patch.message("/version"))
    bundle.add_content(patch.message("/ping"))
    patch.socket.sendto(bundle.build().dgram, ("127.0.0.1", patch.port))
    assert OscMessage(patch.socket.recv(65536)).address == f"{ROOT}/version"
    assert OscMessage(patch.socket.recv(65536)).address == f"{ROOT}/pong"


def test_the_readme_lists_every_address():
    from pathlib import Path

    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for address in [*ADDRESSES, *REPLIES]:
        assert f"`{ROOT}{address}" in readme, address
