"""Plots of what was measured."""

from pathlib import Path

from engine.evaluation.separation import Report


def draw_reports(path: Path, reports: list[Report]) -> None:
    """SI-SDR improvement with silent targets left out: a bar a source, with its interval, for one report; for several, a line a
    source over the number of network calls. The file's ending says the format."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(7, 4), layout="constrained")
    if len(reports) == 1:
        names = [*reports[0].sources, "all"]
        means = [reports[0].improvement(name, with_silent=False) for name in reports[0].sources]
        widths = [reports[0].interval(name) for name in reports[0].sources]
        axis.bar(names, [*means, reports[0].mean(with_silent=False)], yerr=[*widths, reports[0].interval()], capsize=4)
    else:
        reports = sorted(reports, key=lambda report: report.calls)
        calls = [report.calls for report in reports]
        for name in reports[0].sources:
            axis.plot(
                calls, [report.improvement(name, with_silent=False) for report in reports], marker=".", label=name
            )
        axis.plot(calls, [report.mean(with_silent=False) for report in reports], "k", marker="o", label="all")
        axis.set_xscale("log", base=2)
        axis.set_xticks(calls, labels=[str(count) for count in calls])
        axis.set_xlabel("network calls")
        axis.legend()
    axis.set_ylabel("SI-SDR improvement, dB")
    axis.grid(axis="y", alpha=0.3)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
