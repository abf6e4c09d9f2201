"""What is built, by checkers other than ours, and its size. (Debian and PyPI have a checker for LV2 alone; VST3 and CLAP are loaded
by the hosts of the other tests.)"""

import subprocess
from pathlib import Path

FOREIGN = Path(__file__).parent / "foreign.ttl"


def validated(folder: Path) -> subprocess.CompletedProcess:
    """LV2's own schema on everything a bundle says of itself."""
    files = [*map(str, folder.glob("*.ttl")), str(FOREIGN)]
    return subprocess.run(["lv2_validate", *files], capture_output=True, text=True)


def test_the_lv2_bundle_is_valid_and_the_checker_would_tell(formats, tmp_path):
    bundle = formats / "stemweave.lv2"
    run = validated(bundle)
    assert run.returncode == 0, run.stdout + run.stderr
    for part in bundle.glob("*.ttl"):
        (tmp_path / part.name).write_text(part.read_text().replace("lv2:minimum", "lv2:minimun"))
    assert validated(tmp_path).returncode != 0


def test_all_formats_together_are_small(formats):
    files = [path for path in formats.rglob("*") if path.is_file()]
    assert {path.relative_to(formats).parts[0] for path in files} >= {
        "stemweave.vst3",
        "stemweave.clap",
        "stemweave.lv2",
        "stemweave",
    }
    assert sum(path.stat().st_size for path in files) < 5_000_000
