"""The composition root: the service that a source, the pipeline, outputs and routines make together."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance import __version__
from appliance.clock import Clock
from appliance.config.load import load_routines_of
from appliance.config.schema import Config
from appliance.controls import STATE_DIRECTORY, Controls, state_directory
from appliance.errors import ApplianceError, DeviceLost, HardwareError, PublishRejected, RoutineError
from appliance.events import DeviceLost as DeviceLostEvent
from appliance.events import Event, StreamHealth
from appliance.hardware.mixer import Mixer
from appliance.loop import AudioLoop, Request
from appliance.outputs.broker import broker_settings
from appliance.outputs.commands import CommandRejected, Value
from appliance.outputs.health import HealthMonitor, Notifier
from appliance.outputs.history import FILE_NAME, History
from appliance.outputs.mqtt import MqttOutput
from appliance.outputs.payloads import RoutineMessage, SettingsState
from appliance.outputs.publisher import EventPublisher
from appliance.pipeline import Pipeline, Step
from appliance.ports import Audio
from appliance.routines.absent import NoRoutines
from appliance.sensing import make_pipeline, make_snippet_writer
from appliance.snippets.answer import Answer
from appliance.sources import Source, make_player
from appliance.updates import updates_of

if TYPE_CHECKING:
    from appliance.routines.actions import ActionRunner
    from appliance.routines.effects import Note
    from appliance.routines.host import RoutineHost

_log = logging.getLogger(__name__)

_DELIVER_S = 0.2
"""Stream time between two deliveries without an event: routines' timers and health look at the clock this often."""

_HEALTH_S = 60.0
_LOOK_AT_FILE_S = 2.0
_LOOK_FOR_CARD_S = 1.0
_WAIT_FOR_CARD_S = 60.0
"""Then the process ends, and the one that follows asks everything anew. systemd's TimeoutStartSec must be longer."""

_MESSAGES_WAITING = 1000
"""MQTT messages for routines that may wait for their turn; a flood beyond it is passed over, and said."""


@dataclass(frozen=True, slots=True)
class _Message:
    """An MQTT message on its way to routines."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class _ByHand:
    """A routine that somebody starts."""

    routine_id: str


class Service:
    """Listens, decides, tells the broker and runs routines, until the source ends or `stop` is called.

    It is made before the card is opened, so that the owner's faults come first and nothing starts because of them.

    Args:
        config: as loaded.
        clock: wall-clock time for messages and routines.
        observe: gets each step with its stream time, in the thinking thread.
        safe_mode: why the service runs without what it can do without, history and the events of a former run among
            it; empty for a service as usual.

    Raises:
        ConfigError: the routines file cannot be used.
        OutputError: the broker's settings cannot be used.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        observe: Callable[[Step, float], None] = lambda _step, _t_s: None,
        safe_mode: str = "",
    ) -> None:
        self._config = config
        self._clock = clock
        self._observe = observe
        self._notifier = Notifier(os.environ)
        self._safe_mode = safe_mode
        self._health = HealthMonitor(
            notifier=self._notifier, version=__version__, monotonic_s=time.monotonic, safe_mode=bool(safe_mode)
        )
        self.restart_wanted = False
        self._state_directory = state_directory(os.environ)
        self._updates = updates_of(os.environ)
        self._controls = Controls(
            config,
            directory=self._state_directory,
            request=self._request,
            tell=self._tell_settings,
            restart=self.restart,
        )
        # settings are read with care; the other files of a former run may be why it ended
        directory = None if safe_mode else self._state_directory
        self._output = self._make_output(config, directory)
        self._history = History(directory / FILE_NAME, sink=self._output, clock=clock.now) if directory else None
        sink = self._history or self._output
        self._publisher = (
            EventPublisher(sink, clock.now, self._health, config.mqtt.no_occupancy_since) if sink else None
        )
        self._runner: ActionRunner | None = None
        self._routines = self._make_routines(config)
        self._snippets = make_snippet_writer(config, self._state_directory or STATE_DIRECTORY, self._tell_error)
        self._deliveries: asyncio.Queue[tuple[Sequence[Event], float] | _Message | _ByHand | None] = asyncio.Queue()
        self._messages_waiting = 0
        self._flooded = False
        self._listened: dict[str, Callable[[], None]] = {}
        self._delivered_s = 0.0
        self._last_s = 0.0
        self._ready = False
        self._stopping = False
        self._faults: tuple[str, ...] = ()
        self._timer: asyncio.TimerHandle | None = None
        self._telling = self._card_was_missing = False

    def _make_routines(self, config: Config) -> "RoutineHost | NoRoutines":
        settings, directory = config.routines, self._state_directory
        if settings.file is None:
            return NoRoutines()
        # 8 % of what a start takes, for which a device without routines need not wait
        from appliance.routines.actions import ActionRunner
        from appliance.routines.effects import Instant
        from appliance.routines.host import RoutineHost, local_zone
        from appliance.routines.store import PendingFile
        from appliance.routines.sun import SunTimes

        zone = local_zone()
        self._runner = ActionRunner(
            publish=self._publish,
            commands=settings.commands,
            switch_emission=lambda on: self._controls.command("emission", on),
        )
        return RoutineHost(
            load=lambda: load_routines_of(config),
            file=settings.file,
            runner=self._runner,
            now=lambda: Instant(self._clock.elapsed_s(), self._clock.now().astimezone(zone)),
            on_error=self._tell_error,
            on_note=self._tell_routine,
            listen=self._listen,
            sun=SunTimes(*settings.position) if settings.position else None,
            pending=PendingFile(directory / "routines.json") if directory else None,
        )

    def _make_output(self, config: Config, directory: Path | None) -> MqttOutput | None:
        mqtt = config.mqtt
        if not mqtt.enabled:
            return None
        return MqttOutput(
            settings=broker_settings(mqtt),
            node=config.node,
            base=mqtt.base_topic,
            discovery_prefix=mqtt.discovery_prefix,
            version=__version__,
            memory=directory / "events.sqlite" if directory else None,
            clock=self._clock.now,
            no_occupancy_since=bool(mqtt.no_occupancy_since),
            captures=config.captures.on,
            updates=self._updates is not None,
            on_command=self._command,
        )

    async def wait_for(self, open_card: Callable[[], Source]) -> Source:
        """Open the source. Where systemd listens, a card that is not there is told, and looked for for a minute.

        Raises:
            HardwareError: the card cannot be used.
            SourceError: there is no such source.
        """
        until_s = time.monotonic() + _WAIT_FOR_CARD_S
        try:
            while True:
                try:
                    return open_card()
                except HardwareError as error:
                    if not self._notifier.heard or time.monotonic() >= until_s:
                        raise
                    self._say_no_card(error)
                await asyncio.sleep(_LOOK_FOR_CARD_S)
        except BaseException:
            await self._close_outputs()
            raise

    async def run(self, source: Source) -> None:
        """Serve; the source is closed at the end, whatever comes.

        Raises:
            DeviceLost: the card went away; it was said on MQTT before.
            SourceError: the recording is damaged.
        """
        try:
            self._source = source
            applied = self._controls.applied(self._config)
            self._pipeline = make_pipeline(applied, source, put=self._snippets.put if self._snippets else None)
            mixer = self._make_mixer(source.audio)
            if self._runner:
                self._runner.player = mixer
            self._audio = AudioLoop(
                audio=source.audio,
                pipeline=self._pipeline,
                player=make_player(self._config, source.audio),
                sounds=mixer,
                deliver=self._deliver,
            )
            await self._serve()
        finally:
            source.audio.close()

    def _make_mixer(self, audio: Audio) -> Mixer | None:
        """None where nothing is to be heard, and where the source has not the channels that are named."""
        config = self._config.audio
        if not config.music_channels or audio.outputs != config.outputs:
            return None
        return Mixer(
            rate_hz=audio.rate_hz,
            outputs=config.music_channels,
            peak=config.music_peak,
            wake=lambda: self._audio.request(_nothing),
        )

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        for stop_signal in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(stop_signal, self.stop)
        self._loop.add_signal_handler(signal.SIGHUP, self._routines.reload)
        self._begin_to_tell()
        self._controls.announce()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._routines.start(tasks)
                beats = [tasks.create_task(self._beat()), tasks.create_task(self._look_at_files())]
                deliver = tasks.create_task(self._deliver_all())
                try:
                    await self._audio.run()
                except DeviceLost as lost:
                    self._say_device_lost(lost)
                    raise
                finally:
                    self._deliveries.put_nowait(None)
                    await deliver
                    await self._routines.finish()
                    for beat in beats:
                        beat.cancel()
        except BaseExceptionGroup as group:
            # The task group wraps what ended it; `except*` would wrap it again.
            known, unknown = group.split(ApplianceError)
            if known is None or unknown is not None:
                raise
            raise known.exceptions[0] from None
        finally:
            self._controls.close()
            await self._close_outputs()

    def _begin_to_tell(self) -> None:
        """Begin to connect to the broker, and say what is known before the first block; again changes nothing."""
        if self._telling:
            return
        self._telling = True
        if self._output:
            self._output.start()
        if self._publisher:
            self._publisher.start()
        if self._safe_mode:
            self._tell_error(f"safe mode: {self._safe_mode}")

    async def _close_outputs(self) -> None:
        for kept in (self._snippets, self._history):
            if kept:
                await asyncio.to_thread(kept.close)
        if self._output:
            await asyncio.to_thread(self._output.close)

    @property
    def resting(self) -> bool:
        """Whether the source rests, because no emission is wanted."""
        return self._audio.resting

    def stop(self) -> None:
        """Fade out and end; asking again changes nothing."""
        if self._stopping:
            return
        self._stopping = True
        _log.info("stopping")
        self._health.stopping()
        self._audio.stop()

    def _deliver(self, step: Step, t_s: float) -> None:
        """In the thinking thread: hand over what the event loop has to know."""
        self._observe(step, t_s)
        if step.events or self.resting or t_s - self._delivered_s >= _DELIVER_S:
            self._delivered_s = t_s
            self._loop.call_soon_threadsafe(self._deliveries.put_nowait, (step.events, t_s))

    async def _deliver_all(self) -> None:
        while (delivery := await self._deliveries.get()) is not None:
            if isinstance(delivery, (_Message, _ByHand)):
                if isinstance(delivery, _ByHand):
                    self._begin_routine(delivery.routine_id)
                else:
                    self._messages_waiting -= 1
                    self._routines.message(delivery.topic, delivery.payload, retained=delivery.retained)
                if self.resting:
                    self._wake_for_timer()
                continue
            events, t_s = delivery
            if not self._ready:
                self._ready = True
                self._health.ready()
                self._health.status("safe mode" if self._safe_mode else "sensing")
                if self._card_was_missing and self._publisher:
                    self._publisher.publish_health()
            self._last_s = t_s
            self._clock.follow(t_s)
            resting = self.resting
            if resting:
                self._health.rested()
            else:
                self._health.audio_processed(t_s)
            if self._publisher:
                self._publisher.advance(t_s)
            for event in events:
                self._log_faults(event)
                if self._publisher:
                    self._publisher.handle(event)
                self._routines.handle(event)
            self._routines.advance()
            if resting:
                self._wake_for_timer()

    def _log_faults(self, event: Event) -> None:
        """The log tells of faults too, once each time they change: not everybody has a broker."""
        if isinstance(event, StreamHealth) and event.faults != self._faults:
            if "model_failed" in set(event.faults) - set(self._faults):
                _log.error("%s; the threshold detector judges", event.cause)
            self._faults = event.faults
            if event.faults:
                _log.warning("%s: %s", self._source.audio.name, ", ".join(event.faults))
            else:
                _log.info("%s: well again", self._source.audio.name)

    async def _beat(self) -> None:
        """Feed the watchdog and publish health, each at its pace."""
        interval_s = min(self._notifier.watchdog_interval_s or _HEALTH_S, _HEALTH_S)
        published_s = time.monotonic()
        while True:
            await asyncio.sleep(interval_s)
            self._health.watchdog_tick()
            if self.resting:
                self._audio.request(_nothing)  # a thread that sleeps shows that it lives by its answer
            if self._publisher and time.monotonic() - published_s >= _HEALTH_S:
                published_s = time.monotonic()
                self._publisher.publish_health()

    async def _look_at_files(self) -> None:
        while True:
            self._look_at_updates()
            await asyncio.sleep(_LOOK_AT_FILE_S)
            self._routines.look_at_file()

    def _look_at_updates(self) -> None:
        if self._updates and self._output and (told := self._updates.look()):
            self._output.publish_state("update", told.state)
            if told.error:
                _log.warning("update: %s", told.error)
                self._output.refuse_command("update", told.error)

    def _wake_for_timer(self) -> None:
        """Look after what routines wait for when it is over: while the source rests no block does."""
        if self._timer is not None:
            self._timer.cancel()
        wait_s = self._routines.wait_s()
        if wait_s is not None:
            self._timer = self._loop.call_later(max(wait_s, _DELIVER_S), self._audio.request, _nothing)

    def _say_no_card(self, error: HardwareError) -> None:
        if self._card_was_missing:
            return
        self._card_was_missing = True
        self._health.device_missing()
        self._begin_to_tell()
        self._health.status(f"waiting for the sound card: {error}")
        self._tell_error(str(error))

    def _say_device_lost(self, lost: DeviceLost) -> None:
        events: list[Event] = [DeviceLostEvent(self._last_s, self._source.audio.name, str(lost))]
        events += self._pipeline.give_up(t_s=self._last_s, cause="device lost")
        self._deliveries.put_nowait((events, self._last_s))

    def _request(self, request: Request) -> None:
        self._audio.request(request)

    def restart(self) -> None:
        """From any thread: end as if asked to, but as a service that begins anew."""
        self.restart_wanted = True
        _log.info("restarting")
        self._audio.stop()

    def _listen(self, topics: frozenset[str]) -> None:
        """Have the messages of these topics brought to routines, and of no others."""
        if self._output is None:
            if topics:
                _log.warning("routines wait for MQTT messages, but mqtt.enabled is false in the configuration")
            return
        for gone in self._listened.keys() - topics:
            self._listened.pop(gone)()
        for topic in sorted(topics - self._listened.keys()):
            try:
                self._listened[topic] = self._output.subscribe(topic, self._heard)
            except PublishRejected as error:
                self._tell_error(f"routines: {error}")

    def _heard(self, topic: str, payload: bytes, retained: bool) -> None:
        """In the network thread: hand over to the event loop, or pass over what floods."""

        def take() -> None:
            if self._messages_waiting == _MESSAGES_WAITING:
                if not self._flooded:
                    self._tell_error(f"routines: {_MESSAGES_WAITING} messages wait; those behind are passed over")
                self._flooded = True
                return
            self._flooded = self._flooded and self._messages_waiting > 0
            self._messages_waiting += 1
            self._deliveries.put_nowait(_Message(topic, payload, retained))

        self._loop.call_soon_threadsafe(take)

    def _command(self, name: str, value: Value) -> None:
        """In the network thread."""
        if name == "routine":
            self._loop.call_soon_threadsafe(self._deliveries.put_nowait, _ByHand(str(value)))
        elif name == "wrong":
            from appliance.snippets.keeper import keep_now  # what keeps snippets is loaded where some are kept

            self._audio.request(keep_now(Answer(str(value)), lambda words: self._refuse(name, words)))
        elif name == "update":
            if self._updates is None:
                raise CommandRejected("only the SD-card image updates itself")
            self._updates.install()
        else:
            self._controls.command(name, value)

    def _begin_routine(self, routine_id: str) -> None:
        try:
            self._routines.begin(routine_id)
        except RoutineError as error:
            self._refuse("routine", str(error))

    def _refuse(self, command: str, words: str) -> None:
        _log.warning("%s", words)
        if self._output:
            self._output.refuse_command(command, words)

    def _publish(self, topic: str, payload: bytes, *, retain: bool, qos: int) -> None:
        if self._output is None:
            raise PublishRejected("mqtt.enabled is false in the configuration")
        self._output.publish_raw(topic, payload, retain=retain, qos=qos)

    def _tell_settings(self, state: SettingsState) -> None:
        if self._output:
            self._output.publish_state("settings", state)

    def _tell_routine(self, note: "Note") -> None:
        if self._output:
            words = note.words.removeprefix(f"routine {note.routine_id}: ")
            self._output.publish_routine(
                RoutineMessage(at=note.at.utc, routine=note.routine_id, outcome=note.outcome, message=words)
            )

    def _tell_error(self, message: str) -> None:
        _log.error("%s", message)
        if self._output:
            self._output.publish_error(message)


def _nothing(_pipeline: Pipeline, _t_s: float) -> list[Event]:
    """A request that only wants an answer."""
    return []
