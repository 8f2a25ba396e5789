"""What Home Assistant is told of the device: one retained message, a pure function of the device's description.

Root keys are those that Home Assistant 2025.4 and later share; `qos` and `encoding` there are newer.
"""

from dataclasses import dataclass
from typing import Any

from appliance.outputs.commands import COMMANDS, Numbers
from appliance.outputs.payloads import EVENT_TYPES, HealthLevel, Mode, Status
from appliance.snippets.answer import Answer

# Home Assistant takes the text None for an unknown state; neither ON nor OFF may stand for it.
_OCCUPANCY = "{{ {'occupied': 'ON', 'vacant': 'OFF'}.get(value_json.presence) }}"
_MOTION = "{{ {true: 'ON', false: 'OFF'}.get(value_json.motion) }}"
_EVENT = "{{ dict(value_json, event_type=value_json.type) | to_json }}"
_DIRECTION = "{{ None if not value_json.radial_mps else 'towards' if value_json.radial_mps > 0 else 'away' }}"
_CONFIDENCE = "{{ (value_json.confidence * 100) | round(1) }}"
_EMISSION = "{{ 'on' if value_json.emission else 'off' }}"
_PROBLEM = "{{ 'OFF' if value_json.state == 'ok' else 'ON' }}"


@dataclass(frozen=True, slots=True)
class _Device:
    """What its components have in common: the stem of their ids, and where its topics begin."""

    object_id: str
    root: str

    def component(self, name: str, platform: str, key: str, topic: str | None, **more: object) -> dict[str, Any]:
        return {
            "name": name,
            "p": platform,
            "uniq_id": f"{self.object_id}_{key}",
            "def_ent_id": f"{platform}.{self.object_id}_{key}".lower().replace("-", "_"),
            **({"stat_t": f"{self.root}/{topic}"} if topic else {}),
            **more,
        }

    def sensor(self, name: str, key: str, topic: str, template: str, **more: object) -> dict[str, Any]:
        return self.component(name, "sensor", key, topic, val_tpl=template, **more)

    def control(self, name: str, platform: str, command: str, template: str, **more: object) -> dict[str, Any]:
        return self.component(
            name, platform, command, "settings", cmd_t=f"{self.root}/set/{command}", val_tpl=template, **more
        )

    def number(self, name: str, command: str, **more: object) -> dict[str, Any]:
        takes = COMMANDS[command].takes
        assert isinstance(takes, Numbers)
        template = f"{{{{ value_json.{command} }}}}"
        limits = {"min": takes.low, "max": takes.high, "step": 1}
        return self.control(name, "number", command, template, ent_cat="config", **limits, **more)


def _sensing(device: _Device) -> dict[str, dict[str, Any]]:
    measured = {"stat_cla": "measurement"}
    return {
        "occupancy": device.component(
            "Occupancy", "binary_sensor", "occupancy", "presence", dev_cla="occupancy", val_tpl=_OCCUPANCY
        ),
        "motion": device.component("Motion", "binary_sensor", "motion", "motion", dev_cla="motion", val_tpl=_MOTION),
        "event": device.component("Event", "event", "event", "event", evt_typ=list(EVENT_TYPES), val_tpl=_EVENT),
        "speed": device.sensor(
            "Radial speed",
            "speed",
            "motion",
            "{{ value_json.radial_mps }}",
            dev_cla="speed",
            unit_of_meas="m/s",
            suggested_display_precision=2,
            **measured,
        ),
        "direction": device.sensor(
            "Direction", "direction", "motion", _DIRECTION, dev_cla="enum", options=["towards", "away"]
        ),
        "confidence": device.sensor("Confidence", "confidence", "presence", _CONFIDENCE, unit_of_meas="%", **measured),
    }


def _controls(device: _Device) -> dict[str, dict[str, Any]]:
    modes = [mode.value for mode in Mode]
    return {
        "hold": device.number("Hold time", "hold_s", unit_of_meas="s", dev_cla="duration", mode="box"),
        "sensitivity": device.number("Sensitivity", "sensitivity", mode="slider"),
        "emission": device.control("Emission", "switch", "emission", _EMISSION, pl_on="on", pl_off="off"),
        "mode": device.control("Mode", "select", "mode", "{{ value_json.mode }}", options=modes),
        "restart": device.component(
            "Restart",
            "button",
            "restart",
            None,
            cmd_t=f"{device.root}/set/restart",
            pl_prs="restart",
            dev_cla="restart",
            ent_cat="config",
        ),
    }


def _answers(device: _Device) -> dict[str, dict[str, Any]]:
    """What somebody presses who sees that the device is wrong."""
    names = {Answer.NOBODY: "Wrong, nobody is here", Answer.SOMEBODY: "Wrong, somebody is here"}
    return {
        f"wrong_{answer}": device.component(
            name, "button", f"wrong_{answer}", None, cmd_t=f"{device.root}/set/wrong", pl_prs=answer.value,
            ent_cat="diagnostic",
        )
        for answer, name in names.items()
    }  # fmt: skip


def _diagnostics(device: _Device) -> dict[str, dict[str, Any]]:
    diagnostic = {"ent_cat": "diagnostic"}
    return {
        "problem": device.component(
            "Problem", "binary_sensor", "problem", "health", dev_cla="problem", val_tpl=_PROBLEM, **diagnostic
        ),
        "health": device.sensor(
            "Health",
            "health",
            "health",
            "{{ value_json.state }}",
            dev_cla="enum",
            options=[level.value for level in HealthLevel],
            json_attr_t=f"{device.root}/health",
            json_attr_tpl="{{ {'faults': value_json.faults} | to_json }}",
            **diagnostic,
        ),
        "lost_frames": device.sensor(
            "Lost frames",
            "lost_frames",
            "health",
            "{{ value_json.lost_frames }}",
            stat_cla="total_increasing",
            **diagnostic,
        ),
        "uptime": device.sensor(
            "Uptime",
            "uptime",
            "health",
            "{{ value_json.uptime_s }}",
            dev_cla="duration",
            unit_of_meas="s",
            **diagnostic,
        ),
    }


def _update(device: _Device) -> dict[str, Any]:
    return device.component(
        "Update",
        "update",
        "update",
        "update",
        cmd_t=f"{device.root}/set/update",
        pl_inst="install",
        dev_cla="firmware",
        ent_cat="config",
        tit="Pipistrelle",
    )


def discovery_message(
    *, node: str, base: str, prefix: str, version: str, no_occupancy_since: bool, captures: bool, updates: bool
) -> tuple[str, dict[str, Any]]:
    """Topic and payload of the device's discovery; to be published retained.

    Args:
        node: this device's name, letters, digits, `_` and `-`.
        base: first part of our own topics.
        prefix: Home Assistant's discovery prefix, `homeassistant` unless its owner changed it.
        version: of this software.
        no_occupancy_since: whether presence tells for how long nobody has been there.
        captures: whether captures are kept of what it judges wrongly.
        updates: whether the system can be updated by a command.
    """
    device = _Device(f"{base.replace('/', '_')}_{node}", f"{base}/{node}")
    components = _sensing(device) | _controls(device) | _diagnostics(device)
    if captures:
        components |= _answers(device)
    if no_occupancy_since:
        components["no_occupancy_since"] = device.sensor(
            "No occupancy since",
            "no_occupancy_since",
            "presence",
            "{{ value_json.no_occupancy_since }}",
            dev_cla="duration",
            unit_of_meas="s",
        )
    if updates:
        components["update"] = _update(device)
    payload = {
        "dev": {
            "ids": [device.object_id],
            "name": f"Pipistrelle {node}",
            "mf": "Pipistrelle",
            "mdl": "Ultrasonic presence sensor",
            "sw": version,
        },
        "o": {"name": "pipistrelle", "sw": version},
        "avty_t": f"{device.root}/status",
        "pl_avail": Status.ONLINE.value,
        "pl_not_avail": Status.OFFLINE.value,
        "cmps": components,
    }
    return f"{prefix}/device/{device.object_id}/config", payload
