"""The benchmark of the bridge: what its rows say, on sizes small enough for every test. How fast is nobody's business here."""

from bridge.bench.rates import bench_bridge
from bridge.cli.data import SUITES


def test_every_way_is_measured_beside_bare_pyzmq_and_all_jobs_of_all_clients_end():
    rows = bench_bridge(rounds=1, mib=4, clients=5, jobs=3)
    for row in rows:
        assert set(row) <= set(SUITES["bridge"].values())
        assert row["value"] > 0
        if "ratio" in row:
            assert row["ratio"] > 0
            assert row["beside"] > 0
    upload, _, _, download, *_, done, fair = rows
    for row, way in ((upload, "upload"), (download, "download")):
        assert row["what"] == f"{way} of 4 MiB"
        assert row["met"] == (row["ratio"] >= 0.7)
    assert (done["value"], done["beside"], done["met"]) == (15, 15, True)
    assert fair["ratio"] >= 1
    assert sum("cancel" in row["what"] for row in rows) == 4
    assert sum("over the socket" in row["what"] for row in rows) == 4
