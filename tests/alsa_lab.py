"""PCMs of the real ALSA library that need no sound card: files and programs in the place of the converters."""

from pathlib import Path

CAPTURE = 'pcm.{name} {{ type file slave.pcm {{ type null }} file "/dev/null" infile "{path}" format raw }}'
PLAYBACK = 'pcm.{name} {{ type file slave.pcm {{ type null }} file "{path}" format raw }}'


def use_configuration(monkeypatch, folder: Path, *definitions: str) -> None:
    """Let ALSA know `definitions` besides those of the system; it notices the change by itself."""
    path = folder / "asound.conf"
    path.write_text("\n".join(["</usr/share/alsa/alsa.conf>", *definitions]) + "\n")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(path))
