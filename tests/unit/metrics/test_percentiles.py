"""Percentiles from histograms, against the times themselves."""

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.metrics.buckets import Timed, describe_time
from quarterdeck.metrics.percentiles import estimate_percentile, read_histogram

times = st.lists(st.integers(2, 10**4) | st.integers(2, 10**9), min_size=1, max_size=200)


@given(times, st.integers(1, 100), st.sampled_from(["response", "running", "llm"]))
def test_a_percentile_is_within_five_percent(
    milliseconds: list[int], percent: int, kind: Timed
) -> None:
    counters: Counter[str] = Counter()
    for each in milliseconds:
        counters.update(describe_time(kind, each))
    estimate = estimate_percentile(read_histogram(counters, kind), percent)
    true = sorted(milliseconds)[math.ceil(percent * len(milliseconds) / 100) - 1]
    assert estimate
    assert abs(estimate - true) <= 0.05 * true


def test_a_histogram_is_of_one_kind_of_times() -> None:
    counters = describe_time("response", 1000) | describe_time("running", 10)
    assert sum(read_histogram(counters, "running").values()) == 1
    assert read_histogram(counters, "llm") == {}
    assert estimate_percentile({}, 50) is None
