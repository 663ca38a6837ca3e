"""Every key in the store is spelled here and nowhere else; the hash tag is the partition."""


class Keyspace:
    """Spells keys under one prefix: ``tl:{p7}:s:dlv_7...``."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def house(self) -> str:
        return f"{self._prefix}:house"

    def at(self, partition: int, *parts: str) -> str:
        """A key of a partition."""
        return f"{self._prefix}:{{p{partition}}}:{':'.join(parts)}"

    def loose(self, *parts: str) -> str:
        """A key that stands alone, of no partition (sessions, limits)."""
        return f"{self._prefix}:{':'.join(parts)}"

    def subject(self, partition: int, subject_id: str) -> str:
        """Hash: ``v`` version, ``s`` state, ``b`` body, ``w`` wake at (unix ms), ``e`` where it has ended."""
        return self.at(partition, "s", subject_id)

    def log(self, partition: int) -> str:
        """Stream of facts: field ``f`` is the fact's JSON."""
        return self.at(partition, "log")

    def due(self, partition: int, prefix: str) -> str:
        """Sorted set of the subjects of one kind that have a timer, by unix ms."""
        return self.at(partition, "due", prefix)

    def late(self, partition: int) -> str:
        """Hash: timers whose handler failed, with count and reason."""
        return self.at(partition, "late")

    def once(self, partition: int, scope: str, message_id: str) -> str:
        """Marker of something that came from outside: fingerprint, newline, answer."""
        return self.at(partition, "once", scope, message_id)

    def ended(self, partition: int) -> str:
        """Sorted set of tombstones, by the time of the last fact they may be in (unix ms)."""
        return self.at(partition, "ended")

    def cursors(self, partition: int) -> str:
        """Hash: how far each reader group has come."""
        return self.at(partition, "cursors")

    def held(self, partition: int, group: str) -> str:
        """Hash: entries a group holds back or has parked, by position."""
        return self.at(partition, "held", group)

    def skipped(self, partition: int, group: str) -> str:
        """Stream: parked entries an operator gave up on, with why."""
        return self.at(partition, "skipped", group)

    def lease(self, partition: int, name: str) -> str:
        """The token of whoever works on this now."""
        return self.at(partition, "lease", name)

    def car(self, partition: int, vehicle_id: str) -> str:
        """Hash: a car's last values, each with where it stands in its unit's order."""
        return self.at(partition, "car", vehicle_id)

    def archived(self, partition: int) -> str:
        """Hash: the newest segment written away: its number, its last position, its hash."""
        return self.at(partition, "archived")

    def told(self, partition: int, owner: str) -> list[str]:
        """A subscriber's stream, the sorted set of what is in it, and the hash of its marks (see streams.lua)."""
        return [self.at(partition, kind, owner) for kind in ("told", "told-known", "told-marks")]

    def queues(self, partition: int) -> str:
        """What every key of a partition's queues begins with (``functions/queues.lua`` lists them)."""
        return self.at(partition, "q")

    def subjects(self, partition: int) -> str:
        """What every subject's key of a partition begins with."""
        return self.at(partition, "s", "")

    def counters(self, group: str) -> str:
        """Hash: what metrics count, by name."""
        return self.loose("counters", group)

    def hints(self, about: str) -> str:
        """Channel: a name, a blank, and what is said of a change that is being made (``spine.hints``)."""
        return self.loose("hints", about)

    def senders(self) -> str:
        """Hash: each life of a sender that may hold leases, with its name."""
        return self.loose("senders")

    def sender(self, life: str) -> str:
        """There as long as this life of a sender beats."""
        return self.loose("sender", life)
