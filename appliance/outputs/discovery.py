"""What Home Assistant is told of the device: one retained message, a pure function of the device's description.

Root keys are those that Home Assistant 2025.4 and later share; `qos` and `encoding` there are newer.
"""

from typing import Any

from appliance.outputs.payloads import EVENT_TYPES, HealthLevel, Status

# Home Assistant takes the text None for an unknown state; neither ON nor OFF may stand for it.
_OCCUPANCY = "{{ {'occupied': 'ON', 'vacant': 'OFF'}.get(value_json.presence) }}"
_MOTION = "{{ {true: 'ON', false: 'OFF'}.get(value_json.motion) }}"
_EVENT = "{{ dict(value_json, event_type=value_json.type) | to_json }}"
_PROBLEM = "{{ 'OFF' if value_json.state == 'ok' else 'ON' }}"


def discovery_message(*, node: str, base: str, prefix: str, version: str) -> tuple[str, dict[str, Any]]:
    """Topic and payload of the device's discovery; to be published retained.

    Args:
        node: this device's name, letters, digits, `_` and `-`.
        base: first part of our own topics.
        prefix: Home Assistant's discovery prefix, `homeassistant` unless its owner changed it.
        version: of this software.
    """
    object_id = f"{base.replace('/', '_')}_{node}"
    root = f"{base}/{node}"

    def component(name: str, platform: str, key: str, topic: str, **more: object) -> dict[str, Any]:
        return {
            "name": name,
            "p": platform,
            "uniq_id": f"{object_id}_{key}",
            "def_ent_id": f"{platform}.{object_id}_{key}".lower().replace("-", "_"),
            "stat_t": f"{root}/{topic}",
            **more,
        }

    payload: dict[str, Any] = {
        "dev": {
            "ids": [object_id],
            "name": f"Pipistrelle {node}",
            "mf": "Pipistrelle",
            "mdl": "Ultrasonic presence sensor",
            "sw": version,
        },
        "o": {"name": "pipistrelle", "sw": version},
        "avty_t": f"{root}/status",
        "pl_avail": Status.ONLINE.value,
        "pl_not_avail": Status.OFFLINE.value,
        "cmps": {
            "occupancy": component(
                "Occupancy", "binary_sensor", "occupancy", "presence", dev_cla="occupancy", val_tpl=_OCCUPANCY
            ),
            "motion": component("Motion", "binary_sensor", "motion", "motion", dev_cla="motion", val_tpl=_MOTION),
            "event": component("Event", "event", "event", "event", evt_typ=list(EVENT_TYPES), val_tpl=_EVENT),
            "speed": component(
                "Radial speed",
                "sensor",
                "speed",
                "motion",
                dev_cla="speed",
                unit_of_meas="m/s",
                stat_cla="measurement",
                suggested_display_precision=2,
                val_tpl="{{ value_json.radial_mps }}",
            ),
            "problem": component(
                "Problem",
                "binary_sensor",
                "problem",
                "health",
                dev_cla="problem",
                ent_cat="diagnostic",
                val_tpl=_PROBLEM,
            ),
            "health": component(
                "Health",
                "sensor",
                "health",
                "health",
                dev_cla="enum",
                options=[level.value for level in HealthLevel],
                ent_cat="diagnostic",
                val_tpl="{{ value_json.state }}",
                json_attr_t=f"{root}/health",
                json_attr_tpl="{{ {'faults': value_json.faults} | to_json }}",
            ),
        },
    }
    return f"{prefix}/device/{object_id}/config", payload
