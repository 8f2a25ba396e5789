"""Carries out the engine's effects: MQTT messages, HTTP requests, programs, sounds, the tweeter."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from appliance.errors import RoutineError
from appliance.ports import Player
from appliance.routines.effects import Announce, Effect, Play, Publish, Request, Start, StopPlaying, SwitchEmission
from appliance.routines.webhook import one_line, request

NO_PLAYER = "no sound can be played: audio.music_outputs names no channel that is open"


class PublishMessage(Protocol):
    """Sends one MQTT message or keeps it for later; raises when it will not."""

    def __call__(self, topic: str, payload: bytes, *, retain: bool, qos: int) -> None:
        """`qos` is 0, 1 or 2."""


class ActionRunner:
    """Carries out one effect at a time, or many side by side.

    Args:
        publish: sends an MQTT message.
        commands: the allow list: argument lists by name.
        switch_emission: lets the tweeter play or rest.
        player: plays and speaks; None where there is none, which may change once the playback is open.
    """

    def __init__(
        self,
        *,
        publish: PublishMessage,
        commands: Mapping[str, Sequence[str]],
        switch_emission: Callable[[bool], None],
        player: Player | None = None,
    ) -> None:
        self._publish = publish
        self._commands = {name: tuple(argv) for name, argv in commands.items()}
        self._switch_emission = switch_emission
        self.player = player

    def at_once(self, effect: Effect) -> bool:
        """Does what takes no time; False where the effect has to be awaited.

        Raises:
            RoutineError: it failed.
        """
        try:
            match effect:
                case Publish():
                    self._publish(effect.topic, effect.payload, retain=effect.retain, qos=effect.qos)
                case SwitchEmission():
                    self._switch_emission(effect.on)
                case StopPlaying():
                    self._heard().stop()
                case _:
                    return False
        except RoutineError:
            raise
        except Exception as error:
            # Whatever one routine's action meets, the others go on.
            raise RoutineError(one_line(error)) from error
        return True

    async def perform(self, effect: Effect) -> Any:
        """Does what takes time, to its end; a cancelled one leaves nothing behind. Returns the answer of a request.

        Raises:
            RoutineError: it failed or took too long.
        """
        limit_s = effect.timeout_s if isinstance(effect, (Request, Start)) else None
        try:
            async with asyncio.timeout(limit_s):
                return await self._perform(effect)
        except TimeoutError as error:
            raise RoutineError(f"not done within {limit_s:g} s" if limit_s else one_line(error)) from error
        except RoutineError:
            raise
        except Exception as error:
            raise RoutineError(one_line(error)) from error

    async def _perform(self, effect: Effect) -> Any:
        match effect:
            case Request():
                return await request(effect)
            case Start():
                await self._start(effect)
            case Play():
                await self._heard().play(effect.media, level_db=effect.level_db)
            case Announce():
                await self._heard().announce(effect.text, language=effect.language, level_db=effect.level_db)
            case _:
                self.at_once(effect)
        return None

    def _heard(self) -> Player:
        if self.player is None:
            raise RoutineError(NO_PLAYER)
        return self.player

    async def _start(self, effect: Start) -> None:
        argv = self._commands.get(effect.command)
        if argv is None:
            raise RoutineError(f"{effect.command} is not a command of routines.commands in the configuration")
        try:
            # Nothing is piped: a child that outlives the program would hold a pipe open, and we would wait for it.
            process = await asyncio.create_subprocess_exec(
                *_at_ordinary_priority(arguments(argv, effect.values)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise RoutineError(f"{effect.command} cannot be started: {error.strerror or error}") from error
        try:
            status = await process.wait()
        finally:
            if process.returncode is None:
                # Its own children go with it; one that changed its user cannot be signalled, nor waited for.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                    await process.wait()
        if status < 0:
            raise RoutineError(f"{effect.command} was ended by signal {-status}")
        if status > 0:
            raise RoutineError(f"{effect.command} ended with exit code {status}")


def _at_ordinary_priority(argv: list[str]) -> list[str]:
    """A program that the real-time service starts must not inherit its rank, and hold up sensing."""
    return argv if os.sched_getscheduler(0) == os.SCHED_OTHER else ["chrt", "--other", "0", *argv]


def arguments(argv: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """The argument list with its values: `{name}` as a whole argument becomes the value, and stays one argument.

    The program itself, which comes first, never takes a value.
    """
    places = {f"{{{name}}}": value for name, value in values.items()}
    return [argv[0], *(places.get(argument, argument) for argument in argv[1:])]
