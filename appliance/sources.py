"""What can be listened to: the card, a virtual room or a recording; and what is played to it."""

from dataclasses import dataclass
from pathlib import Path

from appliance.config.schema import AudioConfig, Config
from appliance.emission.player import EmissionPlayer
from appliance.errors import SourceError
from appliance.hardware.alsa import AlsaAudio, find_device
from appliance.hardware.cards import SAMPLE_FORMATS, DeviceChoice
from appliance.hardware.paced import Paced
from appliance.ports import Audio
from appliance.types import Emission, Tones

_ROOM = "room:"


@dataclass(frozen=True, slots=True)
class Source:
    """An open source of audio and the carriers to listen for in it."""

    audio: Audio
    carriers_hz: tuple[float, ...]


def open_source(config: Config, spec: str, *, fast: bool = False) -> Source:
    """Open `alsa`, `room:SCENE` or a recording.

    Args:
        config: the card, the shape of its streams, and the carriers.
        spec: as on the command line.
        fast: a room or recording runs as fast as it can be heard, not as fast as it happened.

    Raises:
        HardwareError: the card cannot be used.
        SourceError: there is no such scene, it cannot carry the tones, or the recording cannot be read.
    """
    audio_config, carriers_hz = config.audio, config.emission.carriers_hz
    block_frames = audio_config.rate_hz * audio_config.block_ms // 1000
    if spec == "alsa":
        return Source(_open_card(audio_config), carriers_hz)
    audio: Audio
    if spec.startswith(_ROOM):
        # the room, and what scenes are made of, are much to load for a service that has a card
        from appliance.hardware.room import MAX_TRUE_HZ, VirtualRoom
        from appliance.simulation.scene_file import scene_named

        if max(carriers_hz) > MAX_TRUE_HZ:
            raise SourceError(
                f"{spec}: the virtual room's sound is true up to {MAX_TRUE_HZ:g} Hz; correct emission.carriers_hz"
            )
        audio = VirtualRoom(
            scene_named(spec.removeprefix(_ROOM)),
            rate_hz=audio_config.rate_hz,
            mics=4 if audio_config.mics == "auto" else audio_config.mics,
            block_frames=block_frames,
            speaker_full_scale_db_spl=audio_config.speaker_full_scale_db_spl,
            outputs=audio_config.outputs,
            tweeter=audio_config.tone_channels[0],
        )
    else:
        from appliance.hardware.wav import WavAudio  # libsndfile and soxr, which a service with a card never needs

        audio = WavAudio(Path(spec))
        carriers_hz = audio.carriers_hz
    return Source(audio if fast else Paced(audio), carriers_hz)


def choose_card(config: AudioConfig) -> DeviceChoice:
    """The card that the configuration names, or the one that can do most.

    Raises:
        HardwareError: there is none, or it cannot be used.
    """
    return find_device(
        config.capture,
        playback=None if config.playback in ("auto", "none") else config.playback,
        rate_hz=config.rate_hz,
        mics=None if config.mics == "auto" else config.mics,
        outputs=0 if config.playback == "none" else config.outputs,
    )


def _open_card(config: AudioConfig) -> AlsaAudio:
    choice = choose_card(config)
    return AlsaAudio(
        choice.capture,
        playback=choice.playback,
        rate_hz=choice.rate_hz,
        mics=choice.mics,
        outputs=choice.outputs,
        block_ms=config.block_ms,
        sample_formats=SAMPLE_FORMATS if config.format == "auto" else (config.format,),
    )


def wanted_emission(config: Config, source: Source) -> Emission:
    """What the configuration wants the tweeter to play; a recording holds whatever it holds."""
    return Emission(
        tones=Tones(carriers_hz=source.carriers_hz, level_db_spl=config.emission.level_db_spl),
        chirps=config.emission.wanted_chirps() if source.audio.outputs else None,
        on=config.emission.on or not source.audio.outputs,
    )


def make_player(config: Config, audio: Audio) -> EmissionPlayer | None:
    """What turns the wanted emission into samples for `audio`; None where it cannot play."""
    if not audio.outputs:
        return None
    return EmissionPlayer(
        rate_hz=audio.rate_hz,
        outputs=audio.outputs,
        tone_outputs=config.audio.tone_channels if audio.outputs == config.audio.outputs else None,
        fade_s=config.emission.fade_ms / 1000.0,
        full_scale_db_spl=config.audio.speaker_full_scale_db_spl,
    )
