"""Every key of appliance.yaml with its type, range and default; default.yaml says the same in words."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PlainValidator, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from appliance.dsp.carriers import HIGHEST_HZ, carrier_limits_hz
from appliance.dsp.chirp import (
    HIGHEST_CHIRP_HZ,
    LOWEST_CHIRP_HZ,
    MAX_PULSE_FADE_S,
    MAX_PULSE_S,
    MAX_PULSES_HZ,
    MIN_PULSE_FADE_S,
    MIN_PULSE_S,
    MIN_PULSES_HZ,
    MIN_SWEEP_HZ,
)
from appliance.dsp.ranges import highest_centre_hz
from appliance.emission.limit import amplitude_for
from appliance.fields import Choice, Matching, NotEmpty, PlainModel, Range, Topic, Wanted, refusal
from appliance.physics import MAX_LEVEL_DB_SPL, MIN_CARRIER_HZ
from appliance.presence.machine import MAX_HOLD_S, MIN_HOLD_S
from appliance.presence.sensitivity import MAX_SENSITIVITY, MIN_SENSITIVITY, false_alarms_per_day
from appliance.types import MAX_CARRIERS, MAX_MICS, Chirps

MIN_CARRIER_SPACING_HZ = 2_500.0
"""The Doppler bands on either side of two carriers must not touch."""

MIN_CHIRP_DISTANCE_HZ = 2_000.0
"""From a chirp's band to a tone: 900 Hz lie between the band and what the down-converter takes (1100 Hz from the
carrier), so that of a chirp with fades of 2 ms no more than -56 dB of its energy comes into the tone's band."""

MIN_MUSIC_PEAK = 0.1
"""Of full scale: music that could not come closer is better refused than played too faintly to be heard."""

_PCM_NAME = r"[!-~]([ -~]{0,198}[!-~])?"
SHIPPED_MODEL = "motion"
"""What `sensing.model` calls the model that comes with the software."""

_TEXT = r"[^\x00-\x1f\x7f]{1,1000}"


def _file_path(found: object, info: ValidationInfo) -> Path | None:
    """A path; a relative one starts at the directory of the configuration file, where there is one."""
    if found is None:
        return None
    if not isinstance(found, (str, Path)) or not str(found) or "\0" in str(found):
        raise PydanticCustomError("plain", "must be the path of a file, or null")
    return Path((info.context or {}).get("directory", "")) / found


_FilePath = Annotated[Path | None, PlainValidator(_file_path)]


def _model_path(found: object, info: ValidationInfo) -> Path | None:
    """A path as others are, but for the one name that is none."""
    return Path(SHIPPED_MODEL) if found == SHIPPED_MODEL else _file_path(found, info)


_FALSE_ALARMS_PER_DAY = Range(false_alarms_per_day(MIN_SENSITIVITY), false_alarms_per_day(MAX_SENSITIVITY))
_Channels = Annotated[tuple[int, ...], Field(strict=False)]
_Argument = Annotated[str, Matching(r"[^\x00]*", "text (put a number in quotes)")]


def _indices(channels: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(channel - 1 for channel in channels)


class AudioConfig(PlainModel):
    """The card: what is opened, and the shape of its streams."""

    capture: Annotated[str, Matching(_PCM_NAME, "an ALSA PCM name such as hw:CARD=NAME, or auto")] = "auto"
    playback: Annotated[str, Matching(_PCM_NAME, "an ALSA PCM name such as hw:CARD=NAME, auto or none")] = "auto"
    rate_hz: Annotated[Literal[192_000, 96_000], Choice()] = 192_000
    mics: Annotated[
        Annotated[int, Field(ge=1, le=MAX_MICS)] | Literal["auto"],
        Wanted(f"a whole number from 1 to {MAX_MICS}, or auto"),
    ] = "auto"
    outputs: Annotated[int, Range(1, 8)] = 2
    tone_outputs: Annotated[_Channels | Literal["all"], Wanted("a list of channels, or all")] = "all"
    music_outputs: Annotated[_Channels, Wanted("a list of channels")] = ()
    format: Annotated[Literal["auto", "S32_LE", "S24_3LE"], Choice()] = "auto"
    block_ms: Annotated[int, Range(5, 50)] = 10
    speaker_full_scale_db_spl: Annotated[float, Range(60, 130)] = 90.0
    tweeter_distance_m: Annotated[float, Range(0, 1)] = 0.06

    @property
    def tone_channels(self) -> tuple[int, ...]:
        """Indices of the channels that carry tones, from 0."""
        return tuple(range(self.outputs)) if self.tone_outputs == "all" else _indices(self.tone_outputs)

    @property
    def music_channels(self) -> tuple[int, ...]:
        """Indices of the channels that carry music, from 0."""
        return _indices(self.music_outputs)

    @property
    def music_peak(self) -> float:
        """What of full scale music may reach: all of it, or on a channel with tones what their cap leaves."""
        if not set(self.music_channels) & set(self.tone_channels):
            return 1.0
        return 1.0 - amplitude_for(MAX_LEVEL_DB_SPL, full_scale_db_spl=self.speaker_full_scale_db_spl)

    @model_validator(mode="after")
    def _channels_are_there(self) -> Self:
        faults = []
        for key in ("tone_outputs", "music_outputs"):
            channels: tuple[int, ...] | str = getattr(self, key)
            if channels == "all":
                continue
            if len(set(channels)) < len(channels) or any(not 1 <= int(n) <= self.outputs for n in channels):
                faults.append(refusal((key,), f"must be different channels from 1 to {self.outputs} (outputs)"))
            elif not channels and key == "tone_outputs":
                faults.append(refusal((key,), "must name a channel; playback: none is for listening only"))
        if self.music_outputs and self.playback == "none":
            faults.append(refusal(("music_outputs",), "must be [] where playback is none"))
        if not faults and self.music_peak < MIN_MUSIC_PEAK:
            message = f"must be other channels than tone_outputs, whose cap leaves {self.music_peak:.2f} of full scale"
            faults.append(refusal(("music_outputs",), message))
        if faults:
            raise ValidationError.from_exception_data("Audio", faults)
        return self


class ChirpsConfig(PlainModel):
    """Chirps that tell how far something is: from where to where, how long, how often, how loud at 1 m."""

    start_hz: Annotated[float, Range(LOWEST_CHIRP_HZ, HIGHEST_CHIRP_HZ)] = 34_000.0
    stop_hz: Annotated[float, Range(LOWEST_CHIRP_HZ, HIGHEST_CHIRP_HZ)] = 43_000.0
    pulse_ms: Annotated[float, Range(MIN_PULSE_S * 1000, MAX_PULSE_S * 1000)] = 5.0
    fade_ms: Annotated[float, Range(MIN_PULSE_FADE_S * 1000, MAX_PULSE_FADE_S * 1000)] = 2.0
    pulses_hz: Annotated[float, Range(MIN_PULSES_HZ, MAX_PULSES_HZ)] = 20.0
    level_db_spl: Annotated[float, Range(40, MAX_LEVEL_DB_SPL)] = 70.0

    @model_validator(mode="after")
    def _sweep_is_wide(self) -> Self:
        if abs(self.stop_hz - self.start_hz) < MIN_SWEEP_HZ:
            message = f"must be at least {MIN_SWEEP_HZ:.10g} Hz from start_hz, {self.start_hz:.10g}"
            raise ValidationError.from_exception_data("Chirps", [refusal(("stop_hz",), message)])
        return self


class EmissionConfig(PlainModel):
    """Tones and chirps: which, how loud at 1 m, and how gently tones come and go."""

    on: bool = True
    carriers_hz: Annotated[tuple[Annotated[float, Range(MIN_CARRIER_HZ, HIGHEST_HZ)], ...], Field(strict=False)] = (
        40_000.0,
    )
    level_db_spl: Annotated[float, Range(40, MAX_LEVEL_DB_SPL)] = 75.0
    fade_ms: Annotated[int, Range(50, 1000)] = 100
    chirps: ChirpsConfig | None = None

    def wanted_chirps(self) -> Chirps | None:
        """The chirps as the rest of the appliance knows them."""
        chirps = self.chirps
        if chirps is None:
            return None
        return Chirps(
            start_hz=chirps.start_hz,
            stop_hz=chirps.stop_hz,
            pulse_s=chirps.pulse_ms / 1000.0,
            fade_s=chirps.fade_ms / 1000.0,
            pulses_hz=chirps.pulses_hz,
            level_db_spl=chirps.level_db_spl,
        )

    @field_validator("carriers_hz")
    @classmethod
    def _keep_apart(cls, carriers_hz: tuple[float, ...]) -> tuple[float, ...]:
        if not 1 <= len(carriers_hz) <= MAX_CARRIERS:
            raise PydanticCustomError("plain", f"must be a list of 1 to {MAX_CARRIERS} numbers")
        for lower_hz, upper_hz in pairwise(sorted(carriers_hz)):
            if upper_hz - lower_hz < MIN_CARRIER_SPACING_HZ:
                message = f"{lower_hz:.10g} and {upper_hz:.10g} are less than {MIN_CARRIER_SPACING_HZ:.10g} Hz apart"
                raise PydanticCustomError("plain", message)
        return carriers_hz

    @model_validator(mode="after")
    def _chirps_fit_tones(self) -> Self:
        if self.chirps is None:
            return self
        faults = []
        low_hz, high_hz = sorted((self.chirps.start_hz, self.chirps.stop_hz))
        for carrier_hz in self.carriers_hz:
            if low_hz - MIN_CHIRP_DISTANCE_HZ < carrier_hz < high_hz + MIN_CHIRP_DISTANCE_HZ:
                message = (
                    f"{low_hz:.10g} to {high_hz:.10g} come closer than {MIN_CHIRP_DISTANCE_HZ:.10g} Hz "
                    f"to the tone at {carrier_hz:.10g}"
                )
                faults.append(refusal(("chirps",), message))
        together_db_spl = 20.0 * math.log10(
            10.0 ** (self.level_db_spl / 20.0) + 10.0 ** (self.chirps.level_db_spl / 20.0)
        )
        if together_db_spl > MAX_LEVEL_DB_SPL:
            message = (
                f"makes {together_db_spl:.1f} dB SPL together with emission.level_db_spl {self.level_db_spl:.10g}; "
                f"{MAX_LEVEL_DB_SPL:.10g} is the cap"
            )
            faults.append(refusal(("chirps", "level_db_spl"), message))
        if faults:
            raise ValidationError.from_exception_data("Emission", faults)
        return self


class SensingConfig(PlainModel):
    """How long somebody is believed to be there, how rare a false alarm shall be, and what judges."""

    hold_s: Annotated[float, Range(MIN_HOLD_S, MAX_HOLD_S)] = 120.0
    false_alarms_per_day: Annotated[float, _FALSE_ALARMS_PER_DAY] = 0.03
    model: Annotated[Path | None, PlainValidator(_model_path)] = None
    pets: bool = False

    @model_validator(mode="after")
    def _pets_need_a_model(self) -> Self:
        """A setting that changes nothing would lull its owner."""
        if self.pets and self.model is None:
            message = "needs sensing.model: the threshold detector cannot tell a pet from a person"
            raise ValidationError.from_exception_data("Sensing", [refusal(("pets",), message)])
        return self


class CapturesConfig(PlainModel):
    """Snippets of doubtful moments: whether they are kept, where, how many, and how doubtful a moment must be."""

    on: bool = False
    directory: _FilePath = None
    max_mb: Annotated[int, Range(10, 10_000)] = 100
    before_s: Annotated[float, Range(5, 20)] = 15.0
    after_s: Annotated[float, Range(1, 10)] = 5.0
    doubt: Annotated[float, Range(0, 1)] = 0.4


class MqttConfig(PlainModel):
    """The broker, and the names under which we speak to it."""

    enabled: bool = True
    host: Annotated[str, Matching(_TEXT, "a host name or address")] = "localhost"
    port: Annotated[int, Range(1, 65_535)] = 1883
    username: Annotated[Annotated[str, Matching(_TEXT, "")] | None, Wanted("text, or null")] = None
    password_file: _FilePath = None
    protocol: Annotated[Literal[5, "3.1.1"], Choice()] = 5
    tls: bool = False
    tls_ca_file: _FilePath = None
    tls_certificate_file: _FilePath = None
    tls_key_file: _FilePath = None
    base_topic: Annotated[str, Topic()] = "pipistrelle"
    discovery_prefix: Annotated[
        Annotated[str, Topic()] | None, Wanted("an MQTT topic without +, # or NUL, or null")
    ] = "homeassistant"
    no_occupancy_since: Annotated[tuple[Annotated[int, Range(1, 86_400)], ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _tls_files_are_used(self) -> Self:
        """A file that is named but not used would lull its owner."""
        named = [name for name in ("tls_ca_file", "tls_certificate_file", "tls_key_file") if getattr(self, name)]
        faults = [refusal((name,), "is not used while mqtt.tls is false") for name in named if not self.tls]
        if not faults and (self.tls_certificate_file is None) != (self.tls_key_file is None):
            missing = "tls_key_file" if self.tls_certificate_file else "tls_certificate_file"
            faults = [refusal((named[-1],), f"needs mqtt.{missing} too")]
        if faults:
            raise ValidationError.from_exception_data("MqttConfig", faults)
        return self


class RoutinesConfig(PlainModel):
    """The file of routines, the commands they may start as argument lists by name, and where the sun is looked for."""

    file: _FilePath = None
    commands: dict[
        Annotated[str, Matching(r"[A-Za-z0-9_-]{1,64}", "a name of 1 to 64 letters, digits, _ or -")],
        Annotated[tuple[_Argument, ...], Field(strict=False), NotEmpty()],
    ] = Field(default_factory=dict)
    position: Annotated[
        Annotated[
            tuple[Annotated[float, Field(ge=-90, le=90)], Annotated[float, Field(ge=-180, le=180)]], Field(strict=False)
        ]
        | None,
        Wanted("[latitude, longitude] in degrees such as [52.5, 13.4], or null"),
    ] = None


class UpdatesConfig(PlainModel):
    """Where the SD-card image looks for newer versions of itself."""

    url: Annotated[
        Annotated[str, Matching(r"https?://[!-~]{1,1000}", "")] | None, Wanted("a URL with http or https, or null")
    ] = None


class Config(PlainModel):
    """The whole of appliance.yaml. Every key has a default, so that `Config()` is the file with nothing in it."""

    node: Annotated[
        str,
        Matching(
            r"[a-z0-9][a-z0-9_-]{0,31}",
            "1 to 32 of a-z, 0-9, _ and -, and begin with a letter or digit",
        ),
    ] = "pipistrelle"
    audio: AudioConfig = AudioConfig()
    emission: EmissionConfig = EmissionConfig()
    sensing: SensingConfig = SensingConfig()
    captures: CapturesConfig = CapturesConfig()
    mqtt: MqttConfig = MqttConfig()
    routines: RoutinesConfig = RoutinesConfig()
    updates: UpdatesConfig = UpdatesConfig()

    @field_validator("audio", "emission", "sensing", "captures", "mqtt", "routines", "updates", mode="before")
    @classmethod
    def _empty_means_defaults(cls, found: Any) -> Any:
        """A section whose keys are all commented out is null to YAML."""
        return {} if found is None else found

    @model_validator(mode="after")
    def _carriers_fit_rate(self) -> Self:
        _, highest_hz = carrier_limits_hz(self.audio.rate_hz)
        too_high = [index for index, carrier_hz in enumerate(self.emission.carriers_hz) if carrier_hz > highest_hz]
        places: list[tuple[str | int, ...]] = [("emission", "carriers_hz", index) for index in too_high]
        if chirps := self.emission.chirps:
            ends_hz = {"start_hz": chirps.start_hz, "stop_hz": chirps.stop_hz}
            places += [("emission", "chirps", key) for key, end_hz in ends_hz.items() if end_hz > highest_hz]
        at_rate = f"while audio.rate_hz is {self.audio.rate_hz}"
        faults = [refusal(place, f"must be at most {highest_hz:.10g} {at_rate}") for place in places]
        highest_centre = highest_centre_hz(self.audio.rate_hz)
        if chirps and (chirps.start_hz + chirps.stop_hz) / 2.0 > highest_centre:
            message = f"the middle of the sweep must be at most {highest_centre:.10g} {at_rate}"
            faults.append(refusal(("emission", "chirps"), message))
        if faults:
            raise ValidationError.from_exception_data("Config", faults)
        return self
