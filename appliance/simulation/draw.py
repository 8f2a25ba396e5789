"""Pictures of a scene: the plan of its room with all that moves, and the spectrogram that the microphones get."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.cancel.clutter import ClutterCanceller
from appliance.errors import SourceError
from appliance.features.doppler import Doppler
from appliance.simulation.baseband import PCM_RATE_HZ, BasebandRoom
from appliance.simulation.scenes import Scene
from appliance.simulation.sounds import Bursts, SteadyTone
from appliance.simulation.things import Thing
from appliance.types import Tones

_COLOURS = {"person": "#1f77b4", "fan": "#7f7f7f", "dog": "#8c564b", "cat": "#e377c2", "vacuum": "#2ca02c"}
_OTHER = "#ff7f0e"
_TRACK_HZ = 10.0
_MAX_COLUMNS = 2_000
_DYNAMIC_DB = 45.0
_FRAMES_HZ = 8.0
_MAX_FRAMES = 240
_PICTURE_DPI, _ANIMATION_DPI = 110, 70


def spectrogram(
    scene: Scene, *, tones: Tones, mics: int = 4
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Times (s), radial velocities (m/s) and power (dBFS, [velocities, times]) without what stands still.

    The first carrier's, the mean of the microphones.
    """
    room = BasebandRoom(scene, tones=tones, mics=mics)
    doppler = Doppler(carriers_hz=tones.carriers_hz, mics=mics, rate_hz=room.rate_hz, pcm_rate_hz=PCM_RATE_HZ)
    clutter = ClutterCanceller()
    level = np.zeros((len(tones.carriers_hz), mics), np.float32)
    times, powers, behind = [], [], 0
    thin = max(1, math.ceil(scene.duration_s / doppler.hop_s / _MAX_COLUMNS))
    while (block := room.read(4.0)) is not None:
        for frame in doppler.process(clutter.process(block, frozen=False), carrier_dbfs=level):
            behind += 1
            if behind % thin == 0:
                times.append(frame.t_s)
                powers.append(10.0 ** (frame.power_dbfs[0] / 10.0))
    if not powers:
        raise SourceError(f"{scene.name}: too short for a spectrogram; make duration_s longer")
    power_dbfs = 10.0 * np.log10(np.mean(powers, axis=1).T)
    return np.array(times), doppler.velocity_mps[0].astype(np.float64), power_dbfs


def draw_picture(scene: Scene, path: Path, *, tones: Tones) -> None:
    """The plan above, with the ways of all that moves, and the spectrogram below.

    Raises:
        SourceError: the libraries that draw are missing, or the file cannot be written.
    """
    pyplot = _pyplot()
    figure, plan, spectrum = _figure(pyplot, scene, dpi=_PICTURE_DPI)
    _draw_room(plan, scene)
    for thing in (*scene.people, *scene.things):
        _draw_way(plan, thing, scene)
    _draw_sounds(plan, scene)
    _draw_spectrogram(spectrum, *spectrogram(scene, tones=tones), figure)
    _legend(plan)
    _save(lambda: figure.savefig(path), path)
    pyplot.close(figure)


def draw_animation(scene: Scene, path: Path, *, tones: Tones) -> None:
    """The same as a moving picture in real time, or in quick motion where the scene is long.

    Raises:
        SourceError: the libraries that draw are missing, or the file cannot be written.
    """
    pyplot = _pyplot()
    from PIL import Image

    figure, plan, spectrum = _figure(pyplot, scene, dpi=_ANIMATION_DPI)
    _draw_room(plan, scene)
    _draw_sounds(plan, scene)
    _draw_spectrogram(spectrum, *spectrogram(scene, tones=tones), figure)
    things = (*scene.people, *scene.things)
    dots = [plan.scatter([], [], color=_colour(thing), label=thing.kind, zorder=4, animated=True) for thing in things]
    _legend(plan)
    now = spectrum.axvline(0.0, color="white", linewidth=1.2, animated=True)
    clock = plan.text(0.01, 0.01, "", transform=plan.transAxes, animated=True)
    # what stands still is drawn once, what moves on top of it
    figure.canvas.draw()
    still = figure.canvas.copy_from_bbox(figure.bbox)
    frames = min(_MAX_FRAMES, max(2, round(scene.duration_s * _FRAMES_HZ)))
    pictures: list[Image.Image] = []
    for t_s in np.linspace(0.0, scene.duration_s, frames):
        figure.canvas.restore_region(still)
        for dot, thing in zip(dots, things, strict=True):
            look = thing.reflectors(np.array([t_s]))
            dot.set_offsets(look.places[0, :, :2])
            dot.set_sizes(_sizes(look.strength[0]))
            plan.draw_artist(dot)
        now.set_xdata([t_s, t_s])
        spectrum.draw_artist(now)
        clock.set_text(f"{t_s:.1f} s")
        plan.draw_artist(clock)
        shot = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())
        pictures.append(
            shot.quantize(palette=pictures[0], dither=Image.Dither.NONE) if pictures else shot.quantize(255)
        )
    frame_ms = (
        max(20, round(1000.0 * scene.duration_s / frames)) if frames < _MAX_FRAMES else round(1000.0 / _FRAMES_HZ)
    )
    _save(lambda: pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=frame_ms, loop=0), path)
    pyplot.close(figure)


def draw_spectrogram(
    title: str,
    path: Path,
    *,
    t_s: NDArray[np.float64],
    velocity_mps: NDArray[np.float64],
    power_dbfs: NDArray[np.float64],
) -> None:
    """A spectrogram of radial velocity alone: times (s), velocities (m/s), power [velocities, times].

    Raises:
        SourceError: the libraries that draw are missing, or the file cannot be written.
    """
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(9.0, 4.0), layout="constrained", dpi=_PICTURE_DPI)
    axes.set_title(title)
    _draw_spectrogram(axes, t_s, velocity_mps, power_dbfs, figure)
    _save(lambda: figure.savefig(path), path)
    pyplot.close(figure)


def _pyplot() -> Any:
    try:
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise SourceError("drawing needs matplotlib: pip install 'pipistrelle[simulation]'") from error
    return plt


def _save(save: Any, path: Path) -> None:
    try:
        save()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise SourceError(f"{path}: the picture cannot be written: {reason}") from error


def _figure(pyplot: Any, scene: Scene, *, dpi: int) -> tuple[Any, Any, Any]:
    shape = {"height_ratios": [1.35, 1.0]}
    figure, (plan, spectrum) = pyplot.subplots(
        2, 1, figsize=(9.0, 9.5), gridspec_kw=shape, layout="constrained", dpi=dpi
    )
    plan.set_title(f"{scene.name}: {scene.duration_s:g} s")
    return figure, plan, spectrum


def _draw_room(plan: Any, scene: Scene) -> None:
    length, width, height = scene.size_m
    plan.add_patch(_rectangle(length, width))
    plan.plot(*scene.device_m[:2], marker="s", color="black", markersize=8, linestyle="none", zorder=5)
    plan.annotate("device", scene.device_m[:2], xytext=(6, 6), textcoords="offset points")
    plan.text(length - 0.05, 0.05, f"{length:g} x {width:g} x {height:g} m", ha="right", va="bottom", color="0.4")
    ends = [length] + [
        float(thing.reflectors(np.linspace(0.0, scene.duration_s, 32)).places[..., 0].max()) for thing in scene.people
    ]
    plan.set_xlim(-0.25, min(max(ends), length + 1.5) + 0.25)
    plan.set_ylim(-0.25, width + 0.25)
    plan.set_aspect("equal")
    plan.set_xlabel("x (m)")
    plan.set_ylabel("y (m)")


def _rectangle(length: float, width: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((0.0, 0.0), length, width, fill=True, facecolor="#fafaf5", edgecolor="black", linewidth=2.0)


def _draw_way(plan: Any, thing: Thing, scene: Scene) -> None:
    """The way of a thing's middle, and its scatterers where it ends."""
    t_s = np.linspace(0.0, scene.duration_s, max(2, min(4000, int(scene.duration_s * _TRACK_HZ))))
    look = thing.reflectors(t_s)
    middle = look.places[..., :2].mean(axis=1)
    colour = _colour(thing)
    plan.plot(middle[:, 0], middle[:, 1], color=colour, linewidth=1.4, alpha=0.7, zorder=3)
    plan.scatter(
        look.places[-1, :, 0], look.places[-1, :, 1], s=_sizes(look.strength[-1]), color=colour, alpha=0.85,
        label=thing.kind, zorder=4,
    )  # fmt: skip
    far = np.linalg.norm(middle[-1] - middle[0])
    if far > 0.3:
        plan.plot(*middle[0], marker="o", markerfacecolor="none", color=colour, markersize=7, zorder=4)


def _draw_sounds(plan: Any, scene: Scene) -> None:
    for sound in scene.sounds:
        if isinstance(sound, (Bursts, SteadyTone)):
            place = scene.device_m if isinstance(sound, Bursts) and sound.on_case else sound.at_m
            plan.plot(
                *place[:2], marker="*", color="#d62728", markersize=12, linestyle="none", label=sound.kind, zorder=4
            )


def _legend(plan: Any) -> None:
    handles, labels = plan.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    if once:
        plan.legend(once.values(), once.keys(), loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False)


def _draw_spectrogram(
    axes: Any, t_s: NDArray[np.float64], velocity_mps: NDArray[np.float64], power_dbfs: NDArray[np.float64], figure: Any
) -> None:
    shown = np.abs(velocity_mps) < 4.2
    floor = float(np.percentile(power_dbfs[shown], 20)) - 2.0
    extent = (0.0, t_s[-1], velocity_mps[shown][0], velocity_mps[shown][-1])
    mesh = axes.imshow(
        power_dbfs[shown], cmap="magma", vmin=floor, vmax=floor + _DYNAMIC_DB, extent=extent, aspect="auto",
        origin="lower", interpolation="nearest",
    )  # fmt: skip
    axes.set_xlabel("time (s)")
    axes.set_ylabel("radial velocity (m/s), + nearer")
    figure.colorbar(mesh, ax=axes, label="dBFS", pad=0.01, fraction=0.04)


def _colour(thing: Thing) -> str:
    return _COLOURS.get(thing.kind, _OTHER)


def _sizes(strength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Areas of dots: their echoes' energy, on a scale of dB."""
    db = 20.0 * np.log10(np.maximum(np.abs(strength), 1e-4))
    return np.asarray(np.clip(4.0 + 2.5 * (db + 45.0), 4.0, 90.0))
