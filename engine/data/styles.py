"""Styles of music: how fast, how swung, how rich in harmony, and what each player tends to do in them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """tempo: bpm, low and high. swing: how often it swings. colour: how often a triad gets a seventh, ninth or suspension.

    modes: preferred ones, none for any. Grooves and playing styles are what the players prefer; a good part of the time they
    play something else all the same, so that no style of music gives its instruments away.
    """

    tempo: tuple[float, float]
    swing: float
    colour: float
    modes: tuple[str, ...]
    drums: tuple[str, ...]
    bass: tuple[str, ...]
    guitar: tuple[str, ...]
    piano: tuple[str, ...]


def _style(
    tempo: tuple[float, float],
    swing: float,
    colour: float,
    modes: str,
    *,
    drums: str,
    bass: str,
    guitar: str,
    piano: str,
):
    return Style(tempo, swing, colour, *(tuple(words.split()) for words in (modes, drums, bass, guitar, piano)))


STYLES = {
    "pop": _style(
        (84, 132), 0.1, 0.25, "major minor mixolydian",
        drums="pop rock disco ballad waltz six_eight", bass="roots with_kick long_notes octaves",
        guitar="strum arpeggio palm_mute double_stops", piano="blocks arpeggios tune pads",
    ),
    "rock": _style(
        (92, 168), 0.05, 0.05, "",
        drums="rock hard_rock half_time toms rock_waltz", bass="roots pedal_point with_kick riff",
        guitar="power_chords palm_mute riff lead strum", piano="blocks broken_octaves tremolo",
    ),
    "punk": _style(
        (140, 180), 0.0, 0.0, "major minor",
        drums="punk rock", bass="roots pedal_point", guitar="power_chords palm_mute strum", piano="blocks tremolo",
    ),
    "metal": _style(
        (90, 180), 0.0, 0.0, "minor phrygian",
        drums="double_bass_drum hard_rock half_time toms", bass="with_kick riff sixteenths pedal_point",
        guitar="palm_mute riff power_chords lead tremolo", piano="octave_tune arpeggios pads",
    ),
    "funk": _style(
        (86, 124), 0.3, 0.6, "dorian mixolydian blues",
        drums="funk linear_funk breakbeat", bass="slap riff with_kick octaves",
        guitar="scratch stabs riff double_stops", piano="clav electric_comp comping stabs",
    ),
    "disco": _style(
        (108, 132), 0.05, 0.4, "minor major dorian",
        drums="disco house motown", bass="octaves slap riff", guitar="scratch skank stabs",
        piano="comping broken_octaves stabs octave_tune",
    ),
    "house": _style(
        (115, 135), 0.15, 0.5, "minor dorian",
        drums="house techno percussion", bass="octaves riff with_kick sixteenths",
        guitar="scratch pad stabs palm_mute", piano="stabs blocks ostinato electric_comp",
    ),
    "soul": _style(
        (64, 112), 0.4, 0.65, "major dorian mixolydian",
        drums="motown boom_bap pop six_eight slow_gospel", bass="melodic with_kick arpeggio riff",
        guitar="double_stops skank stabs arpeggio", piano="electric_comp comping blocks ballad",
    ),
    "jazz": _style(
        (72, 180), 0.95, 0.95, "major minor dorian blues",
        drums="swing brushes jazz_waltz", bass="walking two_beat", guitar="chop lead pad stabs",
        piano="comping stride tune electric_comp runs",
    ),
    "bossa nova": _style(
        (90, 150), 0.0, 0.9, "major minor",
        drums="bossa_nova brushes samba", bass="two_beat tumbao", guitar="bossa lead fingerpicked",
        piano="comping tune electric_comp",
    ),
    "latin": _style(
        (84, 134), 0.0, 0.4, "minor major mixolydian",
        drums="songo son_clave samba reggaeton percussion", bass="tumbao arpeggio slap",
        guitar="strum double_stops bossa tremolo", piano="montuno octave_tune comping",
    ),
    "blues": _style(
        (60, 132), 0.85, 0.2, "blues mixolydian",
        drums="shuffle half_time_shuffle swing rock slow_gospel", bass="walking riff roots arpeggio",
        guitar="lead double_stops riff chop", piano="boogie stride comping tremolo",
    ),
    "country": _style(
        (84, 170), 0.3, 0.1, "major mixolydian",
        drums="train country waltz", bass="two_beat roots walking", guitar="fingerpicked strum lead double_stops",
        piano="stride boogie blocks tune",
    ),
    "reggae": _style(
        (66, 100), 0.4, 0.2, "",
        drums="reggae half_time percussion", bass="dub riff melodic", guitar="skank skank double_stops",
        piano="stabs comping electric_comp",
    ),
    "ballad": _style(
        (60, 84), 0.15, 0.4, "major minor",
        drums="ballad half_time brushes six_eight waltz", bass="long_notes roots melodic",
        guitar="arpeggio fingerpicked pad lead", piano="ballad arpeggios tune sparse",
    ),
    "hip hop": _style(
        (68, 104), 0.5, 0.6, "minor dorian phrygian",
        drums="boom_bap trap breakbeat half_time", bass="sub_drone with_kick riff dub",
        guitar="riff arpeggio pad skank", piano="electric_comp ostinato stabs sparse",
    ),
    "drum and bass": _style(
        (160, 178), 0.05, 0.4, "minor dorian",
        drums="drum_and_bass breakbeat half_time", bass="sub_drone riff long_notes dub",
        guitar="pad arpeggio stabs", piano="pads electric_comp arpeggios stabs",
    ),
    "synth pop": _style(
        (90, 150), 0.0, 0.2, "minor major",
        drums="pop techno house toms", bass="sixteenths octaves pedal_point arpeggio",
        guitar="palm_mute arpeggio pad riff", piano="ostinato arpeggios pads octave_tune",
    ),
    "folk": _style(
        (72, 144), 0.2, 0.1, "major dorian mixolydian",
        drums="train percussion brushes jig waltz country", bass="two_beat roots long_notes",
        guitar="fingerpicked strum arpeggio", piano="arpeggios blocks tune",
    ),
    "progressive": _style(
        (72, 156), 0.0, 0.5, "lydian dorian phrygian minor",
        drums="toms rock breakbeat linear_funk six_eight rock_waltz", bass="riff arpeggio melodic pedal_point",
        guitar="riff lead arpeggio tremolo", piano="ostinato runs arpeggios octave_tune",
    ),
    "ambient": _style(
        (60, 110), 0.0, 0.6, "lydian major dorian",
        drums="percussion hats_only ballad toms", bass="long_notes sub_drone pedal_point",
        guitar="pad feedback arpeggio tremolo", piano="pads sparse arpeggios ballad",
    ),
}  # fmt: skip
