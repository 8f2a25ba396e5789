"""Each fault of the owner's files with its exact line, column and words; and whatever comes, no traceback."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance import config as config_package
from appliance import routines as routines_package
from appliance.config.load import load_config, load_routines
from appliance.config.schema import Config
from appliance.errors import ConfigError

# A fault a line: what stands in appliance.yaml, and what `pipistrelle check` says behind the file's name.
CONFIG_FAULTS = [
    # The file
    (b"node: caf\xe9\n", "1:10: file: is not UTF-8 text"),
    ("node: a\naudio:\n  ä: \xff\n".encode("latin-1"), "3:3: file: is not UTF-8 text"),
    ("node: a\n".encode("utf-16"), "1:1: file: is not UTF-8 text"),
    (b"#" * 1_000_001, "1:1: file: is larger than 1000000 bytes"),
    ("- node\n", "1:1: file: must be a mapping of keys, not a list"),
    ("\n\nnode\n", "3:1: file: must be a mapping of keys, not one value"),
    # YAML
    ("audio:\n\tmics: 1\n", "2:1: yaml: a tab stands where YAML wants spaces"),
    ("node: a\nmqtt:\n  host: b: c\n", "3:10: yaml: a second `key:` on this line; put the text in quotes"),
    ("node: a\x07\n", "1:8: yaml: a control character is not allowed"),
    ("node: a\n--- \nnode: b\n", "2:1: yaml: only one YAML document is allowed in a file"),
    ("node: &name a\n", "1:7: yaml: anchors (&) and aliases (*) are not supported; write the value out"),
    ("node: *name\n", "1:7: yaml: anchors (&) and aliases (*) are not supported; write the value out"),
    ("node: !secret name\n", "1:7: yaml: tags are not supported (found !secret)"),
    ("? [a]\n: b\n", "1:3: yaml: a key must be plain text"),
    ("node: " + "[" * 33 + "]" * 33, "1:38: yaml: nested deeper than 32 levels"),
    ("node: " + "[" * 100_000, "1:38: yaml: nested deeper than 32 levels"),
    ('node: "\\ud800"\n', "1:7: yaml: half a surrogate pair is not a character"),
    ('node: a\nx: "\\Uffffffff"\n', "2:1: yaml: an escape behind this place is out of range"),
    # Keys
    ("node: a\nnode: b\n", "2:1: node: is given twice; the first is on line 1"),
    ("mqtt: {port: 1, port: 2}\n", "1:17: mqtt.port: is given twice; the first is on line 1"),
    ("nods: a\n", "1:1: nods: is not a known key (did you mean node?)"),
    ("audio:\n  fromat: auto\n", "2:3: audio.fromat: is not a known key (did you mean format?)"),
    ("Mqtt: {}\n", "1:1: Mqtt: is not a known key (did you mean mqtt?)"),
    ("weather: fine\n", "1:1: weather: is not a known key"),
    ('"a\\nb": 1\n', "1:1: 'a\\nb': is not a known key"),
    ("audio: 5\n", "1:8: audio: must be a mapping of keys"),
    # node and audio
    ("node: No\n", "1:7: node: must be 1 to 32 of a-z, 0-9, _ and -, and begin with a letter or digit"),
    ("node:\n", "1:1: node: must be 1 to 32 of a-z, 0-9, _ and -, and begin with a letter or digit"),
    ("audio:\n  capture: 1\n", "2:12: audio.capture: must be an ALSA PCM name such as hw:CARD=NAME, or auto"),
    ('audio:\n  playback: ""\n', "2:13: audio.playback: must be an ALSA PCM name such as hw:CARD=NAME, auto or none"),
    ("audio:\n  rate_hz: 48000\n", "2:12: audio.rate_hz: must be 192000 or 96000"),
    ("audio:\n  mics: 9\n", "2:9: audio.mics: must be a whole number from 1 to 8, or auto"),
    ("audio:\n  outputs: 0\n", "2:12: audio.outputs: must be a whole number from 1 to 8"),
    ("audio:\n  tone_outputs: 1\n", "2:17: audio.tone_outputs: must be a list of channels, or all"),
    ("audio:\n  tone_outputs: [3]\n", "2:17: audio.tone_outputs: must be different channels from 1 to 2 (outputs)"),
    (
        "audio:\n  playback: none\n  music_outputs: [1]\n",
        "3:18: audio.music_outputs: must be [] where playback is none",
    ),
    ("audio:\n  music_outputs: all\n", "2:18: audio.music_outputs: must be a list of channels"),
    (
        "audio:\n  music_outputs: [1]\n  speaker_full_scale_db_spl: 80\n",
        "2:18: audio.music_outputs: must be other channels than tone_outputs, whose cap leaves 0.00 of full scale",
    ),
    ("audio:\n  format: S24_3L\n", "2:11: audio.format: must be auto, S32_LE or S24_3LE (did you mean S24_3LE?)"),
    ("audio:\n  block_ms: 5.5\n", "2:13: audio.block_ms: must be a whole number from 5 to 50"),
    (
        "audio:\n  speaker_full_scale_db_spl: 131\n",
        "2:30: audio.speaker_full_scale_db_spl: must be a number from 60 to 130",
    ),
    ("audio:\n  tweeter_distance_m: -1\n", "2:23: audio.tweeter_distance_m: must be a number from 0 to 1"),
    # emission and sensing
    ("emission:\n  on: yes\n", "2:7: emission.on: must be true or false"),
    ("emission:\n  carriers_hz: 40000\n", "2:16: emission.carriers_hz: must be a list"),
    ("emission:\n  carriers_hz: []\n", "2:16: emission.carriers_hz: must be a list of 1 to 4 numbers"),
    (
        "emission:\n  carriers_hz: [33000, 36000, 39000, 42000, 45000]\n",
        "2:16: emission.carriers_hz: must be a list of 1 to 4 numbers",
    ),
    (
        "emission:\n  carriers_hz:\n    - 40000\n    - 31999\n",
        "4:7: emission.carriers_hz[1]: must be a number from 32000 to 90000",
    ),
    (
        "emission:\n  carriers_hz: [50000, 40000, 42499.5]\n",
        "2:16: emission.carriers_hz: 40000 and 42499.5 are less than 2500 Hz apart",
    ),
    (
        "audio: {rate_hz: 96000}\nemission:\n  carriers_hz: [40000, 45001, 60000]\n",
        (
            "3:24: emission.carriers_hz[1]: must be at most 45000 while audio.rate_hz is 96000\n"
            "3:31: emission.carriers_hz[2]: must be at most 45000 while audio.rate_hz is 96000"
        ),
    ),
    ("emission:\n  level_db_spl: 81\n", "2:17: emission.level_db_spl: must be a number from 40 to 80"),
    ("emission:\n  fade_ms: 0\n", "2:12: emission.fade_ms: must be a whole number from 50 to 1000"),
    ("emission:\n  chirps: 5\n", "2:11: emission.chirps: must be a mapping of keys"),
    (
        "emission:\n  chirps: {stop_hx: 1}\n",
        "2:12: emission.chirps.stop_hx: is not a known key (did you mean stop_hz?)",
    ),
    (
        (
            "emission:\n  carriers_hz: [48000]\n  chirps:\n    start_hz: 33999\n    stop_hz: 46001\n    pulse_ms: 4.9\n"
            "    fade_ms: 2.1\n    pulses_hz: 9\n    level_db_spl: 81\n"
        ),
        (
            "4:15: emission.chirps.start_hz: must be a number from 34000 to 46000\n"
            "5:14: emission.chirps.stop_hz: must be a number from 34000 to 46000\n"
            "6:15: emission.chirps.pulse_ms: must be a number from 5 to 40\n"
            "7:14: emission.chirps.fade_ms: must be a number from 1 to 2\n"
            "8:16: emission.chirps.pulses_hz: must be a number from 10 to 25\n"
            "9:19: emission.chirps.level_db_spl: must be a number from 40 to 80"
        ),
    ),
    (
        "audio: {rate_hz: 96000}\nemission:\n  carriers_hz: [36000]\n  chirps: {start_hz: 39000, stop_hz: 45000}\n",
        "4:11: emission.chirps: the middle of the sweep must be at most 41000 while audio.rate_hz is 96000",
    ),
    (
        "emission:\n  carriers_hz: [46000]\n  chirps: {start_hz: 39000, stop_hz: 34001}\n",
        "3:38: emission.chirps.stop_hz: must be at least 5000 Hz from start_hz, 39000",
    ),
    (
        "emission:\n  carriers_hz: [44999, 40000]\n  chirps: {}\n",
        (
            "3:11: emission.chirps: 34000 to 43000 come closer than 2000 Hz to the tone at 44999\n"
            "3:11: emission.chirps: 34000 to 43000 come closer than 2000 Hz to the tone at 40000"
        ),
    ),
    (
        "emission:\n  carriers_hz: [45000]\n  level_db_spl: 78\n  chirps: {level_db_spl: 70}\n",
        ("4:26: emission.chirps.level_db_spl: makes 80.9 dB SPL together with emission.level_db_spl 78; 80 is the cap"),
    ),
    (
        "audio: {rate_hz: 96000}\nemission:\n  carriers_hz: [33000]\n  chirps: {start_hz: 45001, stop_hz: 36000}\n",
        "4:22: emission.chirps.start_hz: must be at most 45000 while audio.rate_hz is 96000",
    ),
    ("sensing:\n  hold_s: 1:30\n", "2:11: sensing.hold_s: must be a number from 5 to 3600"),
    ("sensing:\n  false_alarms_per_day: 0\n", "2:25: sensing.false_alarms_per_day: must be a number from 0.001 to 100"),
    ("sensing:\n  model: 1\n", "2:10: sensing.model: must be the path of a file, or null"),
    ("sensing:\n  pets: 1\n", "2:9: sensing.pets: must be true or false"),
    (
        "sensing:\n  pets: true\n",
        "2:9: sensing.pets: needs sensing.model: the threshold detector cannot tell a pet from a person",
    ),
    ("captures:\n  on: yes\n", "2:7: captures.on: must be true or false"),
    ("captures:\n  directory: 1\n", "2:14: captures.directory: must be the path of a file, or null"),
    ("captures:\n  max_mb: 0\n", "2:11: captures.max_mb: must be a whole number from 10 to 10000"),
    ("captures:\n  before_s: 60\n", "2:13: captures.before_s: must be a number from 5 to 20"),
    ("captures:\n  after_s: 0\n", "2:12: captures.after_s: must be a number from 1 to 10"),
    ("captures:\n  doubt: 2\n", "2:10: captures.doubt: must be a number from 0 to 1"),
    # mqtt and routines
    ("mqtt:\n  enabled: 1\n", "2:12: mqtt.enabled: must be true or false"),
    ("mqtt:\n  host: 1\n", "2:9: mqtt.host: must be a host name or address"),
    ("mqtt:\n  port: 1883.0\n", "2:9: mqtt.port: must be a whole number from 1 to 65535"),
    ('mqtt:\n  username: ""\n', "2:13: mqtt.username: must be text, or null"),
    (
        "mqtt:\n  no_occupancy_since: 10\n",
        "2:23: mqtt.no_occupancy_since: must be a list",
    ),
    (
        "mqtt:\n  no_occupancy_since: [10, 0]\n",
        "2:28: mqtt.no_occupancy_since[1]: must be a whole number from 1 to 86400",
    ),
    ("mqtt:\n  protocol: 3.1\n", "2:13: mqtt.protocol: must be 5 or 3.1.1"),
    ("mqtt:\n  tls: on\n", "2:8: mqtt.tls: must be true or false"),
    ("mqtt:\n  tls_ca_file: 1\n", "2:16: mqtt.tls_ca_file: must be the path of a file, or null"),
    ("mqtt:\n  tls_certificate_file: 1\n", "2:25: mqtt.tls_certificate_file: must be the path of a file, or null"),
    ("mqtt:\n  tls_key_file: 1\n", "2:17: mqtt.tls_key_file: must be the path of a file, or null"),
    ("mqtt:\n  tls_ca_file: ca.pem\n", "2:16: mqtt.tls_ca_file: is not used while mqtt.tls is false"),
    (
        "mqtt:\n  tls: true\n  tls_key_file: our.key\n",
        "3:17: mqtt.tls_key_file: needs mqtt.tls_certificate_file too",
    ),
    ("mqtt:\n  password_file: 1\n", "2:18: mqtt.password_file: must be the path of a file, or null"),
    (
        "mqtt:\n  base_topic: a/#\n",
        "2:15: mqtt.base_topic: must be an MQTT topic: 1 to 65535 bytes without +, # or NUL",
    ),
    (
        "mqtt:\n  discovery_prefix: +\n",
        "2:21: mqtt.discovery_prefix: must be an MQTT topic without +, # or NUL, or null",
    ),
    ("routines:\n  file: []\n", "2:9: routines.file: must be the path of a file, or null"),
    ("routines:\n  commands: [a]\n", "2:13: routines.commands: must be a mapping of keys"),
    (
        "routines:\n  commands:\n    a b: [x]\n",
        "3:10: routines.commands.a b: must be a name of 1 to 64 letters, digits, _ or -",
    ),
    ("routines:\n  commands:\n    a: aplay x\n", "3:8: routines.commands.a: must be a list"),
    ("routines:\n  commands:\n    a: []\n", "3:8: routines.commands.a: must not be empty"),
    (
        "routines:\n  commands:\n    a: [sleep, 5]\n",
        "3:16: routines.commands.a[1]: must be text (put a number in quotes)",
    ),
    (
        "routines:\n  position: [91, 0]\n",
        "2:13: routines.position: must be [latitude, longitude] in degrees such as [52.5, 13.4], or null",
    ),
    ("updates:\n  url: ftp://x\n", "2:8: updates.url: must be a URL with http or https, or null"),
    # All at once, and what lies between keys although others are wrong
    (
        "audio: {rate_hz: 96000, mics: 0}\nemission: {carriers_hz: [80000]}\nmqtt: {port: 0, port: 1}\nx: 1\n",
        (
            "1:31: audio.mics: must be a whole number from 1 to 8, or auto\n"
            "2:26: emission.carriers_hz[0]: must be at most 45000 while audio.rate_hz is 96000\n"
            "3:14: mqtt.port: must be a whole number from 1 to 65535\n"
            "3:17: mqtt.port: is given twice; the first is on line 3\n"
            "4:1: x: is not a known key"
        ),
    ),
]

# The same for routines.yaml; the allow list is `chime`.
RULE = "- id: a\n  triggers:\n    - %s\n  actions:\n    - %s\n"
MOTION = "trigger: motion"
PUBLISH = "{action: mqtt.publish, topic: t, payload: p}"
FOR = 'must be seconds, "HH:MM:SS" or a mapping of hours, minutes and seconds, from 5 s to 366 days, or 0'
ANY_FOR = 'must be seconds, "HH:MM:SS" or a mapping of hours, minutes and seconds, from 0 to 366 days'
NOWHERE = "is given nowhere: by variables, set_value or response_variable"
LIGHT = "  actions: [{action: set_value, name: light, value: 1}]\n"
STATE = f"- id: a\n  triggers: [{{{MOTION}}}]\n  conditions:\n    - {{condition: state, name: lihgt, state: 1}}\n"
REST = f"triggers: [{{{MOTION}}}], actions: [{PUBLISH}]"
KINDS = "mqtt.publish, webhook, command, play, stop_playing, announce, emission, set_value, delay, routine or choose"
ROUTINE_FAULTS = [
    ("id: a\n", "1:1: file: must be a list of routines, not a mapping"),
    ("- a\n", "1:3: routines[0]: must be a mapping of keys"),
    (
        "- id: a\n- alias: b\n",
        (
            "1:3: a.triggers: is missing\n1:3: a.actions: is missing\n"
            "2:3: routines[1].id: is missing\n2:3: routines[1].triggers: is missing\n"
            "2:3: routines[1].actions: is missing"
        ),
    ),
    (
        f"- id: Light On\n  triggers: [{{{MOTION}}}]\n  actions: [{PUBLISH}]\n",
        "1:7: Light On.id: must be 1 to 64 of a-z, 0-9 and _",
    ),
    (RULE % (MOTION, PUBLISH) * 2, "6:7: a.id: is used twice; the first is on line 1"),
    (
        "- id: a\n  trigger:\n    - trigger: motion\n  triggers: []\n  actions: {}\n",
        (
            "2:3: a.trigger: is not a known key (did you mean triggers?)\n"
            "4:13: a.triggers: must not be empty\n5:12: a.actions: must be a list"
        ),
    ),
    (f"- id: a\n  alias: 5\n  triggers: [{{{MOTION}}}]\n  actions: [{PUBLISH}]\n", "2:10: a.alias: must be text"),
    # Triggers
    (
        RULE % ("trigger: presense", PUBLISH),
        "3:16: a.triggers[0].trigger: must be presence, motion, mqtt, time, sun or health (did you mean presence?)",
    ),
    (RULE % ("to: vacant", PUBLISH), "3:7: a.triggers[0].trigger: is missing"),
    (RULE % ("trigger: presence", PUBLISH), "3:7: a.triggers[0].to: is missing"),
    (
        RULE % ("{trigger: presence, to: empty}", PUBLISH),
        "3:31: a.triggers[0].to: must be unknown, vacant or occupied",
    ),
    (
        RULE % ("{trigger: presence, to: occupid}", PUBLISH),
        "3:31: a.triggers[0].to: must be unknown, vacant or occupied (did you mean occupied?)",
    ),
    (RULE % ("{trigger: presence, to: vacant, for: 5 min}", PUBLISH), f"3:44: a.triggers[0].for: {FOR}"),
    (
        RULE % ("{trigger: presence, to: vacant, fro: 5}", PUBLISH),
        "3:39: a.triggers[0].fro: is not a known key (did you mean for?)",
    ),
    (RULE % ("{trigger: motion, kind: breathing}", PUBLISH), "3:31: a.triggers[0].kind: must be major or minor"),
    # Conditions
    (
        (
            f"- id: a\n  triggers: [{{{MOTION}}}]\n  conditions:\n    - condition: time\n    - condition: time\n"
            f"      after: 6:00\n      before: 06:00\n    - condition: time\n      after: 25:00\n"
            f"    - condition: presence\n      state: true\n    - condition: tim\n  actions: [{PUBLISH}]\n"
        ),
        (
            "4:7: a.conditions[0]: needs after, before, weekday or several of them\n"
            "5:7: a.conditions[1]: after and before must differ\n"
            "9:14: a.conditions[2].after: must be a time of day from 00:00 to 23:59:59, as HH:MM or HH:MM:SS, "
            "sunrise or sunset\n"
            "11:14: a.conditions[3].state: must be unknown, vacant or occupied\n"
            "12:18: a.conditions[4].condition: must be time, presence, state or expression (did you mean time?)"
        ),
    ),
    # Actions
    (
        RULE % (MOTION, "action: publish"),
        f"5:15: a.actions[0].action: must be {KINDS} (did you mean mqtt.publish?)",
    ),
    (
        RULE % (MOTION, "{action: mqtt.publish, topic: a/+/b}"),
        (
            "5:7: a.actions[0].payload: is missing\n"
            "5:37: a.actions[0].topic: must be an MQTT topic: 1 to 65535 bytes without +, # or NUL"
        ),
    ),
    (
        RULE % (MOTION, "{action: mqtt.publish, topic: t, payload: [1], qos: 3, retain: ON}"),
        (
            "5:49: a.actions[0].payload: must be text, a number, true, false or a mapping\n"
            "5:59: a.actions[0].qos: must be 0, 1 or 2\n5:70: a.actions[0].retain: must be true or false"
        ),
    ),
    (
        RULE % (MOTION, "{action: webhook, url: ftp://x, method: post, json: [.nan], timeout_s: 61}"),
        (
            "5:30: a.actions[0].url: must be an address that begins with http:// or https://, "
            "in ASCII and without a user name\n"
            "5:47: a.actions[0].method: must be GET, POST, PUT, PATCH or DELETE (did you mean POST?)\n"
            "5:59: a.actions[0].json: must not hold .inf or .nan: JSON has no such numbers\n"
            "5:78: a.actions[0].timeout_s: must be a number from 0.1 to 60"
        ),
    ),
    (
        RULE % (MOTION, "{action: command, command: chim, timeout_s: 0}"),
        (
            "5:34: a.actions[0].command: is not a command of routines.commands in the configuration "
            "(did you mean chime?)\n5:51: a.actions[0].timeout_s: must be a number from 0.1 to 3600"
        ),
    ),
    (RULE % (MOTION, "{action: command, command: [ls]}"), "5:34: a.actions[0].command: must be the name of a command"),
    (
        RULE % (MOTION, "{action: command, command: chime, values: {soudn: x, sound: 5}}"),
        "5:67: a.actions[0].values.sound: must be text (put a number in quotes)",
    ),
    (
        RULE % (MOTION, "{action: command, command: chime, values: {soudn: x}}"),
        (
            "5:57: a.actions[0].values.soudn: the command chime has no argument {soudn} in the configuration "
            "(did you mean sound?)"
        ),
    ),
    (
        RULE % (MOTION, "{action: announce, text: '{a'}"),
        ("5:32: a.actions[0].text: holds a brace that is no value; values are written {name} or {name.step}"),
    ),
    (
        RULE % (MOTION, "{action: delay, for: -1}"),
        (f"5:28: a.actions[0].for: {ANY_FOR}"),
    ),
    (
        RULE % (MOTION, "{action: emission, state: of}"),
        "5:33: a.actions[0].state: must be on or off (did you mean off?)",
    ),
    (
        RULE % (MOTION, "{action: play, media: welcome.flac}"),
        ("5:29: a.actions[0].media: must be the path of a file from / on, or an http or https address"),
    ),
    (
        RULE % (MOTION, "{action: set_value, name: Armed, value: [1]}"),
        (
            "5:33: a.actions[0].name: must be a name of a-z, 0-9 and _ that begins with a letter\n"
            "5:47: a.actions[0].value: must be text, a number, true or false"
        ),
    ),
    (
        RULE % (MOTION, "{action: choose, options: [{conditions: [], actions: []}]}"),
        ("5:47: a.actions[0].options[0].conditions: must not be empty"),
    ),
    (
        RULE % (MOTION, "{action: choose, options: [{conditions: [{condition: tme}], actions: [{action: dely}]}]}"),
        (
            "5:60: a.actions[0].options[0].conditions[0].condition: must be "
            "time, presence, state or expression (did you mean time?)\n"
            f"5:86: a.actions[0].options[0].actions[0].action: must be {KINDS} (did you mean delay?)"
        ),
    ),
    # Triggers that came later
    (
        RULE % ("{trigger: presence, to: vacant, for: 3, if_already: go}", PUBLISH),
        (f"3:44: a.triggers[0].for: {FOR}\n3:59: a.triggers[0].if_already: must be start, fire or ignore"),
    ),
    (
        RULE % ("{trigger: motion, direction: toward, speed_above_mps: 2, speed_below_mps: -1}", PUBLISH),
        (
            "3:36: a.triggers[0].direction: must be towards or away (did you mean towards?)\n"
            "3:81: a.triggers[0].speed_below_mps: must be a number from 0 to 10"
        ),
    ),
    (
        RULE % ("{trigger: motion, speed_above_mps: 2, speed_below_mps: 1}", PUBLISH),
        ("3:7: a.triggers[0]: speed_above_mps must be less than speed_below_mps"),
    ),
    (
        RULE % ("{trigger: mqtt, topic: home/+}", PUBLISH),
        ("3:30: a.triggers[0].topic: must be an MQTT topic: 1 to 65535 bytes without +, # or NUL"),
    ),
    (
        RULE % ("{trigger: mqtt, topic: a, value: b}", PUBLISH),
        ("3:7: a.triggers[0]: value needs a payload to be compared with"),
    ),
    (
        RULE % ("{trigger: time, at: noon, weekday: monday}", PUBLISH),
        (
            "3:27: a.triggers[0].at: must be a time of day from 00:00 to 23:59:59, as HH:MM or HH:MM:SS\n"
            "3:42: a.triggers[0].weekday: must be mon, tue, wed, thu, fri, sat or sun (did you mean mon?)"
        ),
    ),
    (
        RULE % ("{trigger: sun, event: sunrice, offset: 13:00:00}", PUBLISH),
        (
            "3:29: a.triggers[0].event: must be sunrise or sunset (did you mean sunrise?)\n"
            '3:46: a.triggers[0].offset: must be seconds or "HH:MM:SS", with a minus for earlier, up to 12 hours'
        ),
    ),
    (
        RULE % ("{trigger: sun, event: sunset}", PUBLISH),
        ("3:29: a.triggers[0].event: the place of the device is not configured: give routines.position"),
    ),
    (
        RULE % ("{trigger: health, event: gone, fault: silense}", PUBLISH),
        (
            "3:32: a.triggers[0].event: must be appears or goes (did you mean goes?)\n"
            "3:45: a.triggers[0].fault: must be clipping, device_lost, frames_lost, "
            "model_failed, silence or tone_missing (did you mean silence?)"
        ),
    ),
    # The routine
    (
        f"- {{id: a, mode: paralel, {REST}}}\n",
        ("1:17: a.mode: must be single, restart, queued or parallel (did you mean parallel?)"),
    ),
    (
        f"- {{id: a, max: 5, {REST}}}\n",
        ("1:16: a.max: belongs to mode queued or parallel"),
    ),
    (
        f"- {{id: a, cooldown: soon, {REST}}}\n",
        (f"1:21: a.cooldown: {ANY_FOR}"),
    ),
    (
        f"- {{id: a, variables: {{x: {{topic: a/#}}, B: 1}}, {REST}}}\n",
        (
            "1:34: a.variables.x.topic: must be an MQTT topic: 1 to 65535 bytes without +, # or NUL\n"
            "1:43: a.variables.B: must be a name of a-z, 0-9 and _ that begins with a letter\n"
            "1:43: a.variables.B: must be a mapping of keys"
        ),
    ),
    # Between parts and routines
    (
        RULE % (MOTION, "{action: mqtt.publish, topic: t, payload: '{wether.t}'}"),
        (f"5:49: a.actions[0].payload: the value wether {NOWHERE}"),
    ),
    (
        STATE + "    - {condition: expression, expression: lihgt > 1 + nobody}\n" + LIGHT,
        (
            f"4:32: a.conditions[0].name: the value lihgt {NOWHERE} (did you mean light?)\n"
            f"5:43: a.conditions[1].expression: the value lihgt {NOWHERE} (did you mean light?)\n"
            f"5:43: a.conditions[1].expression: the value nobody {NOWHERE}"
        ),
    ),
    (
        STATE + "    - {condition: expression, expression: a.__class__() > nobody}\n" + LIGHT,
        ("5:43: a.conditions[1].expression: may call abs, float, int, len, max, min, round, str, nothing else"),
    ),
    (RULE % (MOTION, "{action: routine, routine: b}"), ("5:34: a.actions[0].routine: there is no routine b")),
    (
        RULE % (MOTION, "{action: routine, routine: a}"),
        ("5:34: a.actions[0].routine: routines start each other in a circle: a -> a"),
    ),
    (
        RULE % (MOTION, "{action: routine, routine: b}")
        + (RULE % (MOTION, "{action: routine, routine: c}")).replace("id: a", "id: b")
        + (RULE % (MOTION, "{action: routine, routine: b}")).replace("id: a", "id: c"),
        ("15:34: c.actions[0].routine: routines start each other in a circle: b -> c -> b"),
    ),
]


def _faults_of(load, file):
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert caught.value.exit_code == 78
    lines = str(caught.value).split("\n")
    assert all(line.startswith(f"{file}:") for line in lines)
    return "\n".join(line.removeprefix(f"{file}:") for line in lines)


def _load_rules(file):
    return load_routines(file, commands={"chime": ["aplay", "{sound}"]}, place_known=False)


@pytest.mark.parametrize(("text", "said"), CONFIG_FAULTS, ids=range(len(CONFIG_FAULTS)))
def test_a_fault_in_the_configuration(tmp_path, text, said):
    file = tmp_path / "appliance.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert _faults_of(load_config, file) == said


@pytest.mark.parametrize(("text", "said"), ROUTINE_FAULTS, ids=range(len(ROUTINE_FAULTS)))
def test_a_fault_in_the_routines(tmp_path, text, said):
    file = tmp_path / "routines.yaml"
    file.write_text(text, encoding="utf-8")
    assert _faults_of(_load_rules, file) == said


def test_every_key_of_the_configuration_has_a_fault_here():
    said = "\n".join(fault for _, fault in CONFIG_FAULTS)
    for section, field in Config.model_fields.items():
        keys = getattr(field.annotation, "model_fields", None)
        names = [section] if keys is None else [f"{section}.{key}" for key in keys]
        assert [name for name in names if not re.search(rf"{re.escape(name)}[^:\n]*: must ", said)] == []


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda file: None, "No such file or directory"),
        (lambda file: file.mkdir(), "Is a directory"),
        (lambda file: file.symlink_to(file), "Too many levels of symbolic links"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path, make, said):
    file = tmp_path / "appliance.yaml"
    make(file)
    assert _faults_of(load_config, file) == f"1:1: file: cannot be read: {said}"


def test_a_name_that_is_none():
    assert _faults_of(load_config, Path("a\0b")) == "1:1: file: cannot be read: embedded null byte"


FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SEEDS = [
    (Path(config_package.__file__).parent / "default.yaml").read_text(encoding="utf-8"),
    *(file.read_text() for file in sorted((Path(routines_package.__file__).parent / "examples").glob("*.yaml"))),
]
SIGNS = "abe019 \n\t:-?#&*!|>'\"%@`[]{},~.+\\\x00\x85\u2028\ufeffä"
WORDS = st.sampled_from([*re.findall(r"[a-z_.]+|[0-9]+", "".join(SEEDS)), "true", "null", ".nan", "1e999", "9" * 5000])
VALUES = st.recursive(
    WORDS | st.text(SIGNS, max_size=6).map(repr),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(WORDS, inner), max_size=4).map(
            lambda pairs: f"{{{', '.join(f'{key}: {value}' for key, value in pairs)}}}"
        )
    ),
    max_leaves=12,
)


def _gives_a_model_or_a_config_error(file, raw):
    file.write_bytes(raw)
    # YAML 1.1's further line ends may stand in the text, too.
    lines = 2 + sum(raw.count(end.encode()) for end in "\n\r\x85\u2028\u2029")
    for load in (load_config, _load_rules):
        try:
            load(file)
        except ConfigError as error:
            caught = error
        else:
            continue
        assert len(caught.problems) == len(str(caught).split("\n")) > 0, "one line each"
        assert all(1 <= problem.line <= lines and problem.column >= 1 for problem in caught.problems)


@FUZZ
@given(raw=st.binary(max_size=200))
def test_any_bytes(tmp_path, raw):
    _gives_a_model_or_a_config_error(tmp_path / "x.yaml", raw)


@FUZZ
@given(text=st.text(SIGNS, max_size=60))
def test_any_signs_of_yaml(tmp_path, text):
    _gives_a_model_or_a_config_error(tmp_path / "x.yaml", text.encode())


@FUZZ
@given(value=VALUES)
def test_any_values(tmp_path, value):
    _gives_a_model_or_a_config_error(tmp_path / "x.yaml", value.encode())


@FUZZ
@given(seed=st.sampled_from(SEEDS), at=st.integers(0, 4000), length=st.integers(0, 30), new=VALUES)
def test_the_files_we_ship_with_something_overwritten(tmp_path, seed, at, length, new):
    at %= len(seed)
    _gives_a_model_or_a_config_error(tmp_path / "x.yaml", (seed[:at] + new + seed[at + length :]).encode())
