"""The doctor: what it finds, what it advises, and that nothing it meets knocks it over."""

import importlib.metadata
import os
import socket
import sys
from types import SimpleNamespace

import pytest
from support.servers import running

from bridge import doctor, play
from bridge.doctor import Finding, examine, onnx_providers, ports, sound_devices, torchaudio, verdict, versions
from bridge.errors import VERSION, RemoteError
from bridge.ports import free_port
from engine.errors import ResourceError


@pytest.fixture
def stranger():
    """(a TCP port, a UDP port), both held by somebody who speaks no protocol of ours."""
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(("127.0.0.1", 0))
        yield tcp.getsockname()[1], udp.getsockname()[1]


def test_free_ports_are_well():
    assert [(f.outcome, f.found.split(";")[0]) for f in ports(free_port(), free_port())] == [("ok", "free")] * 2


def test_strangers_are_named_and_another_port_is_advised(stranger):
    for finding, port, option in zip(ports(*stranger), stranger, ("--port", "--osc-port"), strict=True):
        assert finding.outcome == "warning"
        assert f"process {os.getpid()}" in finding.found
        assert f"{option} {doctor.elsewhere(port)}" in finding.remedy


def test_a_port_to_go_to_is_always_a_port():
    assert [doctor.elsewhere(port) for port in (27182, 65525, 65526, 65535)] == [27192, 65535, 65516, 65525]


def test_a_server_and_its_osc_port_are_recognised():
    with running(osc_port=0) as server:
        here, osc = ports(server.port, server._osc.port)
    assert (here.outcome, osc.outcome) == ("ok", "ok")
    assert f"session {server.session[:8]}" in here.found
    assert "the same server" in osc.found


def test_a_server_of_another_version_is_no_stranger(monkeypatch, stranger):
    def refuse(*_):
        raise RemoteError(VERSION, "The client speaks protocol 1.0, this server 2.0.", "Update the older of the two.")

    monkeypatch.setattr(doctor, "Client", refuse)
    finding = ports(stranger[0], free_port())[0]
    assert finding.outcome == "warning"
    assert "of another version" in finding.found
    assert "Update" in finding.remedy


def test_torchaudio_works_whatever_torch_is():
    assert [finding.outcome for finding in torchaudio()] == ["ok"]


def test_a_torchaudio_that_cannot_be_imported_is_told_and_spares_the_main_job(monkeypatch):
    monkeypatch.setitem(sys.modules, "engine.torchaudio_shim", None)
    (finding,) = torchaudio()
    assert finding.outcome == "warning"
    assert "torchaudio" in finding.remedy


def test_providers_that_do_not_start_are_not_called_usable(monkeypatch):
    """onnxruntime names all it was built with and takes the CPU instead, without an error."""

    class Session:
        def __init__(self, model, providers):
            print("EP Error ... Falling back")
            if providers == ["BrokenExecutionProvider"]:
                raise RuntimeError("no such library")

        def get_providers(self):
            return ["CPUExecutionProvider"]

    names = ["BrokenExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    fake = SimpleNamespace(
        get_available_providers=lambda: names,
        InferenceSession=Session,
        set_default_logger_severity=lambda level: None,
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", fake)
    (finding,) = onnx_providers()
    assert finding.found == "built for Broken, CUDA, CPU; usable here: CPU"


def test_the_real_onnxruntime_is_asked_without_noise(capfd):
    (finding,) = onnx_providers()
    assert finding.outcome == "ok"
    assert "CPU" in finding.found.split("usable here:")[1]
    assert capfd.readouterr() == ("", "")


def test_the_automatic_back_end_is_told_with_its_reason(monkeypatch):
    from engine.backends import auto
    from engine.backends.auto import Choice

    monkeypatch.setattr(auto, "remembered", lambda card, device: None)
    assert "not measured yet" in doctor.automatic().found
    choice = Choice("quick", "2.00 times as fast", {"quick": "2.00 times as fast", "slow": "0.10 times as fast"})
    monkeypatch.setattr(auto, "remembered", lambda card, device: choice)
    assert doctor.automatic().found == "quick for 'default' on cpu: 2.00 times as fast; slow: 0.10 times as fast"


def installed(monkeypatch, **others: str | None) -> dict[str, Finding]:
    """The findings where packages have these versions; None: not installed."""
    real = importlib.metadata.version

    def version(package: str) -> str:
        found = others.get(package.replace("-", "_"), "")
        if found is None:
            raise importlib.metadata.PackageNotFoundError(package)
        return found or real(package)

    monkeypatch.setattr(importlib.metadata, "version", version)
    return {finding.check: finding for finding in versions()}


def test_two_onnxruntimes_in_one_environment_are_a_warning(monkeypatch):
    both = installed(monkeypatch, onnxruntime="1.24", onnxruntime_gpu="1.24")
    assert both["one onnxruntime"].outcome == "warning"
    assert "pip uninstall" in both["one onnxruntime"].remedy
    assert "one onnxruntime" not in installed(monkeypatch, onnxruntime=None, onnxruntime_gpu="1.24")


def test_a_missing_package_is_a_problem(monkeypatch):
    assert installed(monkeypatch, soxr=None)["soxr"].outcome == "problem"


def test_no_sound_is_a_warning_with_what_to_install(monkeypatch):
    def missing():
        raise ResourceError("PortAudio is not installed.", "apt-get install libportaudio2")

    monkeypatch.setattr(play, "sounddevice", missing)
    (finding,) = sound_devices()
    assert (finding.outcome, finding.remedy) == ("warning", "apt-get install libportaudio2")
    monkeypatch.setattr(play, "sounddevice", lambda: SimpleNamespace(query_devices=list))
    assert sound_devices()[0].found == "no output device"


def test_a_check_that_fails_is_a_finding_and_the_others_go_on(monkeypatch):
    def half_installed():
        raise ImportError("libtorch.so: cannot open shared object file")

    monkeypatch.setattr(doctor, "CHECKS", {half_installed: "problem", versions: "problem"})
    findings = {finding.check: finding for finding in examine(free_port(), free_port())}
    assert findings["half installed"].outcome == "problem"
    assert "libtorch.so" in findings["half installed"].found
    assert findings["python"].outcome == "ok"
    assert verdict(list(findings.values())) == 1


def test_only_problems_make_it_fail():
    assert verdict([Finding("a", "ok", ""), Finding("b", "warning", "")]) == 0
    assert verdict([Finding("a", "ok", ""), Finding("b", "problem", "")]) == 1
