"""Counting vectors: each one passes, is refused for a stated reason, or cannot be reached for a stated reason."""

import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

THREADS = 6
_SHOWN = 12
_acceptable: dict[tuple[str, object], "Outcome"] = {}


@dataclass(frozen=True)
class Outcome:
    kind: str
    reason: str = ""


PASSED = Outcome("passed")


def refused(reason: str) -> Outcome:
    return Outcome("refused", reason)


def unreachable(reason: str) -> Outcome:
    return Outcome("not reachable", reason)


NEEDS_PRIVATE_KEY = unreachable("needs private key")
INVALID = refused("invalid")


class Wrong(AssertionError):
    """The service did not do what the vector says."""


def expect(condition: bool, text: str) -> None:
    if not condition:
        raise Wrong(text)


def always_the_same(observe: Callable[[], Outcome]) -> Outcome:
    """What an `acceptable` vector comes to, seen more than once."""
    seen = {observe() for _ in range(3)}
    expect(len(seen) == 1, f"acceptable, but not always the same: {seen}")
    return seen.pop()


class Tally:
    """The outcomes of the vectors of one file with one provider."""

    def __init__(self, file: str, provider: str):
        self.file, self.provider = file, provider
        self.outcomes: list[Outcome] = []
        self.wrong: list[str] = []

    def run(self, vectors: Iterable, number: Callable[[object], object], judge: Callable[[object], Outcome]) -> "Tally":
        """Judges every vector, several at a time. `number` tells a vector's `tcId`."""

        def attempt(vector) -> tuple[object, Outcome | str]:
            try:
                return number(vector), judge(vector)
            except Wrong as failure:
                return number(vector), str(failure)
            except Exception:
                return number(vector), traceback.format_exc(limit=-4)

        with ThreadPoolExecutor(THREADS) as threads:
            for tc_id, outcome in threads.map(attempt, vectors):
                if isinstance(outcome, Outcome):
                    self.outcomes.append(outcome)
                else:
                    self.wrong.append(f"{self.file} tcId {tc_id} [{self.provider}]: {outcome}")
        return self

    def same_everywhere(self, tc_id: object, outcome: Outcome) -> Outcome:
        """An `acceptable` vector comes to the same with every provider."""
        first = _acceptable.setdefault((self.file, tc_id), outcome)
        expect(first.kind == outcome.kind, f"acceptable: {first} with one provider, {outcome} with another")
        return outcome

    def finish(self, expected: int, record_property: Callable[[str, object], None]) -> None:
        """Tells the totals, which are shown when all tests have run; fails when a vector was wrong or one is missing."""
        kinds = Counter(outcome.kind for outcome in self.outcomes)
        reasons = Counter((outcome.kind, outcome.reason) for outcome in self.outcomes if outcome.reason)
        lines = [
            f"{self.file} [{self.provider}]: {expected} vectors, {kinds['passed']} passed, {kinds['refused']} refused, "
            f"{kinds['not reachable']} not reachable" + (f", {len(self.wrong)} WRONG" if self.wrong else "")
        ]
        lines += [f"    {count:4} {kind}: {reason}" for (kind, reason), count in sorted(reasons.items())]
        record_property("totals", "\n".join(lines))
        shown = "\n".join(self.wrong[:_SHOWN])
        assert not self.wrong, f"{len(self.wrong)} of {expected} vectors are wrong:\n{shown}"
        assert kinds["passed"] + kinds["refused"] + kinds["not reachable"] == expected
