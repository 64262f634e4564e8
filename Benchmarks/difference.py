"""Whether two sets of times differ: Mann-Whitney's U, which is not moved by outliers, and the size of the effect."""

import dataclasses
import itertools
import math
import statistics

SIGNIFICANT = 1e-5
Z = statistics.NormalDist().inv_cdf(1 - SIGNIFICANT / 2)


@dataclasses.dataclass
class Difference:
    what: str
    p: float  # two-sided, of Mann-Whitney's U
    shift: float  # of the trimmed means, microseconds
    delta: float  # Cliff's: -1 when each time of the first is below each of the second, 0 when neither is
    limit: float  # 1 % of the median or 2 us, whichever is less

    @property
    def is_real(self):
        return self.p < SIGNIFICANT and abs(self.shift) > self.limit


def trimmed_mean(times):
    """The mean without the tenth that is lowest and the tenth that is highest."""
    tenth = len(times) // 10
    return statistics.fmean(sorted(times)[tenth:len(times) - tenth])


def compare(what, left, right):
    merged = sorted([(time, True) for time in left] + [(time, False) for time in right])
    ranks, ties, position = 0.0, 0, 0
    for _, group in itertools.groupby(merged, key=lambda pair: pair[0]):
        group = list(group)
        count = len(group)
        ranks += (position + (count + 1) / 2) * sum(is_left for _, is_left in group)
        ties += count**3 - count
        position += count
    n, m = len(left), len(right)
    u = ranks - n * (n + 1) / 2
    deviation = math.sqrt(n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1))))
    z = (u - n * m / 2) / deviation if deviation else 0.0
    return Difference(
        what, p=math.erfc(abs(z) / math.sqrt(2)), shift=trimmed_mean(left) - trimmed_mean(right),
        delta=2 * u / (n * m) - 1, limit=min(2.0, statistics.median(left + right) / 100))


def pairs(samples):
    """Every class against every other."""
    return [compare(f"{a} / {b}", samples[a], samples[b]) for a, b in itertools.combinations(samples, 2)]


def controls(samples):
    """Each class against itself: every second call against the others. Calls are in random order, so nothing differs."""
    return [compare(name, times[::2], times[1::2]) for name, times in samples.items()]


def resolution(samples):
    """About the least shift that comes out as significant in half of all runs, for normal times of this spread."""
    times = list(itertools.chain(*samples.values()))
    low, _, high = statistics.quantiles(times, n=4)
    return Z * (high - low) / 1.349 * math.sqrt(2 * math.pi / 3 / len(min(samples.values(), key=len)))
