"""Where a song repeats: a gap may start from what sounds elsewhere in it, among the same as around the gap.

A walk through the song, as in exemplar-based inpainting (for audio: Perraudin et al. 2018, "Inpainting of long audio segments with
similarity graphs"), here only to find what a sampler starts from: it enters the gap with what followed a passage like the one
before, leaves it with what preceded one like the one behind, and changes from one place to another where both sound alike.
"""

from collections.abc import Callable

import numpy as np

from engine.likeness import FFT, FLOOR, HOP, Likeness
from engine.seams import HEARD, sounding_on

AROUND, NEAR = 1.0, 0.5  # seconds on each side of the gap that are compared, and how far from it one counts 1 / e
LONGEST = 10.0  # seconds that are walked through at once
FARTHEST = 150.0  # seconds before and behind them that are searched: memory and time grow with it
SHORTEST_LAG = 0.25  # seconds
LAGS = 16  # that are tried of those that suit what is before the gap, behind it, and known in it
ALIKE = 8  # columns around a change of place that are compared
INSIDE = 0.5  # what unlikeness counts where places change, beside what it does at the gap's edges
CHANGE = 5.0  # dB^2 that a change of place costs beside in the middle of a gap, and twice that at its edges
LINED_UP = 0.1  # seconds on each side of a piece in which waveforms are laid over one another

Piece = tuple[int, int, int]
"""start, stop, lag in samples: from start to stop the song is what it is `lag` before (after, where that is negative)."""


def repeat(
    known: np.ndarray, mask: np.ndarray, sample_rate: int, on_column: Callable[[], None] = lambda: None
) -> np.ndarray | None:
    """known: (sources, channels, frames), mask: bool (sources, frames), with wanted cells between two times. The same shape with
    the wanted cells taken from elsewhere in the song; None where nothing there is of use. on_column: called now and then, and may
    raise."""
    out, mask = known.copy(), mask.copy()
    longest, farthest = (round(seconds * sample_rate) for seconds in (LONGEST, FARTHEST))
    while not mask.all():
        wanted = np.logical_not(mask.all(axis=0))
        start, stop = int(np.argmax(wanted)), len(wanted) - int(np.argmax(wanted[::-1]))
        gap = slice(start, stop if stop - start <= 1.5 * longest else start + longest)
        first = max(0, gap.start - farthest)
        song, told = out[..., first : gap.stop + farthest], mask[:, first : gap.stop + farthest]
        pieces = _walk(Likeness(song, told), told, slice(gap.start - first, gap.stop - first), sample_rate, on_column)
        if not pieces:
            return None
        np.copyto(song, _filled(song, told, pieces, sample_rate), where=~told[:, None])
        mask[:, gap] = True
    return out


def _walk(like: Likeness, mask: np.ndarray, gap: slice, sample_rate: int, on_column: Callable[[], None]) -> list[Piece]:
    """What fills the gap at the least cost, by dynamic programming over its columns and a few lags; empty where nothing does."""
    around, near, short = (round(seconds * sample_rate / HOP) for seconds in (AROUND, NEAR, SHORTEST_LAG))
    first, behind = min(gap.start // HOP, like.columns - 1), gap.stop // HOP
    inside = np.arange(first, max(first + 1, min(like.columns, -(-(gap.stop - FFT) // HOP) + 1)))
    sides = np.arange(max(0, first - around), first), np.arange(behind, min(like.columns, behind + around))
    entry, exit_ = (
        like.by_lag(at, np.exp(-np.abs(at - edge) / near)) for at, edge in zip(sides, (first, behind), strict=True)
    )
    wanted, a_while = np.logical_not(mask[:, gap].all(1)), min(short, len(inside) - 1)
    at_entry, onwards = _best(like, entry, wanted, inside[[0, a_while]], short, len(inside))
    at_exit, backwards = _best(like, exit_, wanted, inside[[-1, -1 - a_while]], short, -len(inside))
    by_known, _ = _best(like, like.by_lag(inside, np.ones(len(inside))), wanted, inside[:0], short, 0)
    lags = np.unique(np.concatenate([at_entry, onwards, at_exit, backwards, by_known]))
    if not lags.size:
        return []
    # With nothing behind to get to, to play the best passage once more is no change.
    once_more = np.isin(lags - lags[:, None], onwards[:1]) & (sides[1].size == 0)
    total, came = _at(entry, lags), []
    for column in inside:
        on_column()
        off_middle = abs(2 * column - inside[0] - inside[-1]) / len(inside)
        changed = total[:, None] + np.where(once_more, 0, _change(like, column - lags, CHANGE * (1 + off_middle)))
        came.append(changed.argmin(0))
        total = changed.min(0) + like.between(np.array([[column]]), (column - lags)[:, None])[0] / around
        total[~like.all_heard(column - lags, wanted)] = np.inf
    total = total + _at(exit_, lags)
    if not np.isfinite(total).any():
        return []
    path = [int(total.argmin())]
    for before in came[:0:-1]:
        path.append(int(before[path[-1]]))
    return _pieces(lags[path[::-1]], inside, gap)


def _best(
    like: Likeness, cost: np.ndarray, wanted: np.ndarray, at: np.ndarray, short: int, loop: int
) -> tuple[np.ndarray, np.ndarray]:
    """Lags in columns: the best of those by which the columns `at` can be taken from what is known; and the best that can be taken
    again and again to fill `loop` columns, negative where from behind the gap, with its multiples."""
    lags = np.arange(-like.columns, like.columns)
    fit = np.isfinite(cost) & (np.abs(lags) >= short) & like.all_heard(at[:, None] - lags, wanted).all(0)
    order = lags[fit][np.argsort(cost[fit], kind="stable")]
    again = order[order * loop > 0][:1]
    times = np.arange(1, 2 + -(-abs(loop) // abs(int(again[0])))) if again.size else again
    return order[:LAGS], times * again


def _at(cost: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """cost of lags; where it is not known as much as two sounds can differ, or nothing where it is known of none."""
    columns = len(cost) // 2
    inside = np.abs(lags) < columns
    found = np.where(inside, cost[lags * inside + columns], np.inf)
    return np.where(np.isfinite(found), found, FLOOR**2 if np.isfinite(cost).any() else 0.0)


def _change(like: Likeness, places: np.ndarray, fee: float) -> np.ndarray:
    """What it costs to go from each of some columns of the song to each other: (places, places)."""
    around = places[:, None] + np.arange(-ALIKE // 2, ALIKE // 2)
    cost = INSIDE * like.between(around, around) + fee
    np.fill_diagonal(cost, 0)
    return cost


def _pieces(lags: np.ndarray, inside: np.ndarray, gap: slice) -> list[Piece]:
    """lags: columns, of each column of the gap."""
    turns = np.flatnonzero(np.diff(lags)) + 1
    cuts = [gap.start, *np.clip(inside[turns] * HOP + FFT // 2, gap.start, gap.stop).tolist(), gap.stop]
    taken = (lags[[0, *turns]] * HOP).tolist()
    return [piece for piece in zip(cuts[:-1], cuts[1:], taken, strict=True) if piece[0] < piece[1]]


def _filled(known: np.ndarray, mask: np.ndarray, pieces: list[Piece], sample_rate: int) -> np.ndarray:
    """The pieces in their places, the waveform of each laid over what is around it, and each led over to the next."""
    out, frames, width = known.copy(), known.shape[-1], round(LINED_UP * sample_rate)
    end = pieces[-1][1]
    closed = end < frames and bool(mask[:, end].all())
    for start, stop, about in pieces:
        beside = [
            slice(max(0, start - width), start),
            slice(stop, min(stop + width, frames) if closed and stop == end else stop),
        ]
        lag = _to_the_sample(
            out, known, mask, (start, stop, about), [*beside, slice(start, min(start + 2 * width, stop))]
        )
        out[..., start:stop] = _lagging(known, slice(start, stop), lag)
        _meet(out, known, slice(start, stop), lag, sample_rate)
    if closed:  # here it is what is behind that sounds on, into the past
        last = slice(frames - end, frames - start)
        _meet(out[..., ::-1], known[..., ::-1], last, -lag, sample_rate)
    return out


def _to_the_sample(out: np.ndarray, known: np.ndarray, mask: np.ndarray, piece: Piece, at: list[slice]) -> int:
    """The piece's lag, moved by up to half a column to where its waveform goes best with what is in `out` at some times; within the
    piece that is only what is known."""
    start, stop, lag = piece
    shifts = np.arange(-HOP // 2, HOP // 2 + 1)
    wanted = ~mask[:, start:stop].all(1)
    unknown = np.r_[0, np.cumsum(~mask[wanted].all(0))]
    first, last = np.clip((start - lag - shifts, stop - lag - shifts), 0, known.shape[-1])
    shifts = shifts[(last - first == stop - start) & (unknown[last] == unknown[first])]
    if not shifts.size:  # it reaches beyond the song's last column, by more than it may be moved
        return lag
    fit, power = np.full((2, len(shifts)), 1e-9)
    for here in at:
        rows = ~wanted if here.start == start else np.ones_like(wanted)
        there = _lagging(known, slice(here.start - shifts[-1], here.stop - shifts[0]), lag)[rows]
        views = np.lib.stride_tricks.sliding_window_view(there, here.stop - here.start, axis=-1)
        views = views[..., shifts[-1] - shifts, :]
        fit += np.einsum("rct,rcst->s", out[..., here][rows], views)
        power += np.einsum("rcst,rcst->s", views, views)
    return lag + int(shifts[np.argmax(fit / np.sqrt(power))])


def _meet(out: np.ndarray, known: np.ndarray, where: slice, lag: int, sample_rate: int) -> None:
    """Adds to `out`, which there is `known` a lag before, what sounds on of what is before."""
    before = slice(max(0, where.start - HEARD), where.start)
    if before.start < before.stop:
        more = sounding_on(out[..., before] - _lagging(known, before, lag), sample_rate)
        there = out[..., where][..., : more.shape[-1]]
        there += more[..., : there.shape[-1]]


def _lagging(known: np.ndarray, where: slice, lag: int) -> np.ndarray:
    """known[..., t - lag] for t in `where`, zero outside the song."""
    at = np.arange(where.start, where.stop) - lag
    inside = (at >= 0) & (at < known.shape[-1])
    return np.where(inside, known[..., at * inside], 0)
