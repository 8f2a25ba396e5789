"""Routines the slow and obvious way: every second, every routine is looked at. Whole seconds.

What is to be done outside takes no time, but a run goes on behind it only when everything that one second or one
event brings about has been decided.

A rule is a plain mapping: `id`, `triggers` as ("presence", to, for_s, if_already) or ("go", topic), `only_if` as
(name, value) or None, `mode`, `max`, `cooldown_s`, and `actions` as ("do", n), ("wait", s), ("set", name, value) or
("start", id).
"""


class Run:
    """Told apart by identity."""

    def __init__(self, rule):
        self.rule, self.next, self.wake = rule, 0, None


class Clockwork:
    """Counts seconds and keeps everything in lists."""

    def __init__(self, rules):
        self.rules = rules
        self.now = 0
        self.presence, self.since = "unknown", 0
        self.first_stay = True
        self.values = {}
        self.runs = []
        self.queue = {rule["id"]: [] for rule in rules}
        self.cooldown_until = {}
        self.told, self.outside = [], []
        self.called = []
        for rule in rules:
            if any(
                found[0] == "presence" and (found[1], found[3]) == ("unknown", "fire") for found in rule["triggers"]
            ):
                self.fire(rule)
        self.settle()

    def tick_to(self, second):
        """Let the seconds up to and with this one pass."""
        while self.now < second:
            self.now += 1
            for rule in self.rules:
                if any(self.is_over(trigger) for trigger in rule["triggers"]):
                    self.fire(rule)
            for run in [run for run in self.runs if run.wake == self.now]:
                if run in self.runs:
                    self.go_on(run)
                    self.start_called()
            self.settle()

    def is_over(self, trigger):
        if trigger[0] != "presence" or trigger[2] == 0 or trigger[1] != self.presence:
            return False
        if self.first_stay and trigger[3] != "start":
            return False
        return self.now - self.since == trigger[2]

    def becomes(self, presence):
        if presence == self.presence:
            return
        self.presence, self.since, self.first_stay = presence, self.now, False
        for rule in self.rules:
            if any(trigger[:3] == ("presence", presence, 0) for trigger in rule["triggers"]):
                self.fire(rule)
        self.settle()

    def message(self, topic):
        for rule in self.rules:
            if ("go", topic) in rule["triggers"]:
                self.fire(rule)
        self.settle()

    def settle(self):
        """Do what is to be done outside, in order."""
        while self.outside:
            run, rule, what = self.outside.pop(0)
            self.told.append((self.now, rule["id"], what))
            if run in self.runs:
                self.go_on(run)
                self.start_called()

    def fire(self, rule):
        self.try_to_fire(rule)
        self.start_called()

    def start_called(self):
        while self.called:
            name = self.called.pop(0)
            self.try_to_fire(next(rule for rule in self.rules if rule["id"] == name))

    def try_to_fire(self, rule):
        if rule["only_if"] is not None:
            name, value = rule["only_if"]
            if self.values.get(name) != value:
                return
        if self.now < self.cooldown_until.get(rule["id"], -1):
            return
        mine = [run for run in self.runs if run.rule is rule]
        if mine and rule["mode"] == "single":
            return
        if mine and rule["mode"] == "parallel" and len(mine) == rule["max"]:
            return
        if mine and rule["mode"] == "queued":
            if len(mine) + len(self.queue[rule["id"]]) < rule["max"]:
                self.queue[rule["id"]].append(None)
                self.cooldown_until[rule["id"]] = self.now + rule["cooldown_s"]
            return
        if mine and rule["mode"] == "restart":
            self.runs.remove(mine[0])
        self.cooldown_until[rule["id"]] = self.now + rule["cooldown_s"]
        self.begin(rule)

    def begin(self, rule):
        self.outside.append((None, rule, "fired"))
        run = Run(rule)
        self.runs.append(run)
        self.go_on(run)

    def go_on(self, run):
        rule, run.wake = run.rule, None
        while run.next < len(rule["actions"]):
            kind, *what = rule["actions"][run.next]
            run.next += 1
            if kind == "wait" and what[0] > 0:
                run.wake = self.now + what[0]
                return
            if kind == "do":
                self.outside.append((run, rule, what[0]))
                return
            if kind == "set":
                self.values[what[0]] = what[1]
            if kind == "start":
                self.called.append(what[0])
        self.runs.remove(run)
        if self.queue[rule["id"]] and not any(other.rule is rule for other in self.runs):
            self.queue[rule["id"]].pop()
            self.begin(rule)
