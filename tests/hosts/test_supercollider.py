"""The shipped class in SuperCollider itself: sclang starts jobs on a live server, scsynth holds and plays the stems."""

import os
import re
import socket
import subprocess
from pathlib import Path

import jack
import numpy as np
import pytest
import soundfile
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.udp_client import SimpleUDPClient
from support.osc import engine_by_osc
from support.servers import PATIENCE, until

from bridge.osc.addresses import ROOT
from bridge.osc.endpoint import task_usages
from bridge.ports import free_port

CLASSES = Path(__file__).parents[2] / "plugin_stub" / "hosts" / "supercollider"
RATE = 44100
FRAMES = 30_000
BOOT = int(5 * PATIENCE)  # times scsynth is asked whether it is there, five a second


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with engine_by_osc(tmp_path_factory) as server:
        yield server


@pytest.fixture
def jackd(monkeypatch):
    """A JACK server without sound hardware, at 44.1 kHz, which scsynth finds."""
    monkeypatch.setenv("JACK_DEFAULT_SERVER", f"stemweave-{os.getpid()}")
    command = [
        "jackd",
        "-n",
        os.environ["JACK_DEFAULT_SERVER"],
        "--no-realtime",
        "-t",
        "60000",
        "-d",
        "dummy",
        "-r",
        str(RATE),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(answering, "a JACK server")
            yield
        finally:
            process.terminate()


def answering() -> bool:
    try:
        jack.Client("probe", no_start_server=True).close()
    except jack.JackError:
        return False
    return True


def command(folder: Path, code: str) -> dict:
    """How to run sclang without a window on code, knowing the shipped class and nothing of the user's: arguments for subprocess."""
    script, settings = folder / "session.scd", folder / "sclang.yaml"
    script.write_text(
        f'SystemClock.sched({3 * PATIENCE}) {{ "took too long".postln; 1.exit }};\nStemweave.patience = {PATIENCE};\n{code}'
    )
    settings.write_text(f"includePaths: ['{CLASSES}']\nexcludePaths: []\n")
    (folder / "home").mkdir(mode=0o700)
    home = {"HOME": f"{folder}/home", "XDG_RUNTIME_DIR": f"{folder}/home"}
    headless = {
        "QT_QPA_PLATFORM": "offscreen",
        "QTWEBENGINE_DISABLE_SANDBOX": "1",
    }  # its help browser's sandbox refuses root
    return {"args": ["sclang", "-D", "-l", str(settings), str(script)], "env": os.environ | home | headless}


def sclang(folder: Path, code: str) -> str:
    """Run code until it exits; what it posted. An error in it fails the test."""
    run = subprocess.run(**command(folder, code), capture_output=True, text=True, timeout=4 * PATIENCE)
    assert run.returncode == 0, run.stdout[-4000:]
    assert "ERROR" not in run.stdout, run.stdout[-4000:]
    return run.stdout


def song_file(folder: Path, channels: int = 2) -> Path:
    path = folder / "song.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal((FRAMES, channels)), RATE, subtype="FLOAT")
    return path


# What is heard of the stereo bus 0 from the moment of play on, nearly a second, as a file.
TAPE = """
~tape = { |path, play|
    var buffer = Buffer.alloc(s, 40000, 2), done = Condition.new;
    s.sync;
    SynthDef(\\tape, { RecordBuf.ar(In.ar(0, 2), buffer, loop: 0, doneAction: 2) }).add;
    s.sync;
    s.bind {
        Synth.tail(RootNode(s), \\tape).onFree { done.unhang };
        play.value;
    };
    done.hang;
    buffer.write(path, "wav", "float");
    s.sync;
};
"""


@pytest.mark.parametrize("channels", [1, 2])
def test_the_class_separates_and_plays_the_stems_from_buffers_in_sync(server, jackd, tmp_path, channels):
    """A stem that were a single sample late would not add up to the song with the others."""
    song = song_file(tmp_path, channels)
    posted = sclang(
        tmp_path,
        TAPE
        + f"""
        s = Server(\\test, NetAddr("127.0.0.1", {free_port()}), ServerOptions().numInputBusChannels_(0));
        s.waitForBoot({{
            Stemweave({server._osc.port}).separate("{song}", "{tmp_path}/stems").load(s) {{ |stems|
                fork {{
                    stems.buffers.keysValuesDo {{ |name, buffer|
                        buffer.write("{tmp_path}/%.wav".format(name), "wav", "float")
                    }};
                    ~tape.("{tmp_path}/all.wav") {{ stems.play }};
                    ~tape.("{tmp_path}/later.wav") {{ stems.amp(\\bass, 0); stems.play(from: 0.25) }};
                    0.exit
                }}
            }}
        }}, {BOOT});
        """,
    )
    assert "stemweave separate accepted" in posted
    assert "stemweave separate progress" in posted
    stems = {path.stem: audio(path) for path in (tmp_path / "stems").glob("*.wav")}
    assert len(stems) == 5
    for name, stem in stems.items():
        np.testing.assert_array_equal(audio(tmp_path / f"{name}.wav"), stem)
    whole = audio(song)
    later = (whole - stems["bass"])[RATE // 4 :]
    for tape, expected in (("all", whole), ("later", later)):
        recorded = audio(tmp_path / f"{tape}.wav")
        start = np.flatnonzero(recorded.any(axis=1))[0]
        assert start < 64  # a block of scsynth's
        assert np.abs(recorded[start : start + len(expected)] - expected).max() < 1e-6


def test_stems_of_a_folder_are_loaded_without_a_job(jackd, tmp_path):
    song_file(tmp_path).rename(tmp_path / "drums.wav")
    posted = sclang(
        tmp_path,
        f"""
        s = Server(\\test, NetAddr("127.0.0.1", {free_port()}), ServerOptions().numInputBusChannels_(0));
        s.waitForBoot({{
            StemweaveStems.folder(s, "{tmp_path}") {{ |stems|
                stems.buffers.keysValuesDo {{ |name, buffer| [name, buffer.numFrames].postln }};
                0.exit
            }}
        }}, {BOOT});
        """,
    )
    assert f"[ drums, {FRAMES} ]" in posted


def test_a_folder_without_stems_is_told(tmp_path):
    posted = sclang(
        tmp_path, f'StemweaveStems.folder(Server(\\test, NetAddr("127.0.0.1", {free_port()})), "{tmp_path}"); 0.exit;'
    )
    assert "there are no WAV files in" in posted


def test_errors_and_questions_are_answered(server, tmp_path):
    posted = sclang(
        tmp_path,
        f"""
        w = Stemweave({server._osc.port});
        w.separate("{tmp_path}/none.wav", "{tmp_path}/stems").on {{ |job|
            if(job.isOver) {{
                w.start(\\separate, "only a path").on {{ |job|
                    job.error.postln;
                    w.ask("/models") {{ |... names| [\\models, names].postln; w.ask("/ping") {{ \\pong.postln; 0.exit }} }}
                }}
            }}
        }};
        """,
    )
    assert re.search("separate error bad_audio There is no file", posted)
    assert "[ bad_arguments, Use: /stemweave/separate path outdir" in posted
    assert "[ models, [ default ] ]" in posted
    assert "\npong\n" in posted


@pytest.mark.parametrize("when", ["at once", "accepted"])
def test_a_job_is_cancelled_before_and_after_it_has_an_id(server, tmp_path, when):
    """Generating 100 s would take many minutes."""
    cancel = {
        "at once": "j.cancel;",
        "accepted": "j.on { |job, event| if(event == \\accepted) { job.cancel } };",
    }[when]
    posted = sclang(
        tmp_path,
        f"""
        j = Stemweave({server._osc.port}).generate("{tmp_path}/out", 100);
        j.on {{ |job| if(job.isOver) {{ 0.exit }} }};
        {cancel}
        """,
    )
    assert "stemweave generate cancelled" in posted
    assert not (tmp_path / "out").exists()


def test_no_answer_is_told(tmp_path):
    posted = sclang(
        tmp_path,
        f"""
        Stemweave.patience = 0.5;
        Stemweave({free_port()}).generate("/out", 3).on {{ |job| [job.state, job.error[0]].postln; 0.exit }};
        """,
    )
    assert "[ error, no_answer ]" in posted


def test_a_job_whose_request_is_lost_does_not_take_the_answer_of_the_next(tmp_path):
    accepted = OscMessageBuilder(f"{ROOT}/job/accepted")
    accepted.add_arg("the-second")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(PATIENCE)
        code = f"""
            Stemweave.patience = 2;
            w = Stemweave({server.getsockname()[1]});
            ~lost = w.generate("/lost", 3);
            w.generate("/out", 3).on {{ |job| [job.id, ~lost.state].postln; 0.exit }};
            SystemClock.sched(1) {{ Stemweave.patience = {PATIENCE} }};
        """
        with subprocess.Popen(**command(tmp_path, code), stdout=subprocess.PIPE, text=True) as patch:
            server.recv(65536)
            _, patch_address = server.recvfrom(65536)
            server.sendto(accepted.build().dgram, patch_address)
            posted, _ = patch.communicate(timeout=4 * PATIENCE)
    assert "[ the-second, error ]" in posted


def test_every_task_is_asked_for_as_the_table_of_addresses_says(tmp_path):
    usages = dict(task_usages())
    calls = [
        f"w.{task[1:]}({', '.join(repr(name.strip('[]')) for name in usage.split())});"
        for task, usage in usages.items()
    ]
    code = "\n".join(calls).replace("'", '"')
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(PATIENCE)
        sclang(
            tmp_path,
            f"""
            Stemweave.patience = 0.01;  // nobody answers
            w = Stemweave({listener.getsockname()[1]});
            {code}
            w.accompany("~/stems", "x=~/out", [\\bass, \\drums]);
            w.generate("/out", 2.5, nil, 7).on {{ 0.exit }};
            """,
        )
        heard = [OscMessage(listener.recv(65536)) for _ in range(len(usages) + 2)]
    for message, (address, usage) in zip(heard, usages.items(), strict=False):
        assert message.address == ROOT + address
        assert message.params == [name.strip("[]") for name in usage.split()]
    home = f"{tmp_path}/home"
    assert heard[-2].params == [f"{home}/stems", f"x={home}/out", "bass,drums"]
    assert heard[-1].params == ["/out", 2.5, "-", 7]


def test_two_clients_at_once_hear_each_of_their_own_jobs_only(server, tmp_path):
    """python-osc's own client has a job running while one of sclang waits behind it."""
    song = song_file(tmp_path)
    code = f"""
        thisProcess.addOSCRecvFunc {{ |message| ("heard" + message).postln }};
        Stemweave({server._osc.port}).separate("{song}", "{tmp_path}/stems").on {{ |job| if(job.isOver) {{ 0.exit }} }};
    """
    with SimpleUDPClient("127.0.0.1", server._osc.port, family=socket.AF_INET) as other:
        other.send_message(f"{ROOT}/generate", [f"{tmp_path}/out", 100])
        until(lambda: server.jobs.count().get("running"), "the first job runs")
        with subprocess.Popen(**command(tmp_path, code), stdout=subprocess.PIPE, text=True) as patch:
            until(lambda: server.jobs.count().get("queued"), "the second waits")
            told = []
            for message in other.get_messages(PATIENCE):
                told.append(message)
                if message.address == f"{ROOT}/job/progress":
                    other.send_message(f"{ROOT}/job/cancel", message.params[:1])
                if message.address == f"{ROOT}/job/cancelled":
                    break
            posted, _ = patch.communicate(timeout=4 * PATIENCE)
        told += other.get_messages(0.1)
    heard = re.findall(r"heard \[ /stemweave(/\S+), ([\w-]+)", posted)
    assert {job for _, job in heard} == set(re.findall(r"separate accepted (\S+)", posted))
    assert {"/job/accepted", "/job/progress", "/job/stem", "/job/done"} == {address for address, _ in heard}
    assert len({message.params[0] for message in told}) == 1
    assert not {job for _, job in heard} & {message.params[0] for message in told}


def audio(path: Path) -> np.ndarray:
    """(frames, channels) float32."""
    return soundfile.read(path, dtype="float32", always_2d=True)[0]
