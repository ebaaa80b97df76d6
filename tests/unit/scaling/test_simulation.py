"""What tests/benchmarks/scaling.py shows, on fewer tasks: figures of simulated time."""

import pytest

from tests.benchmarks.scaling import (
    Figures,
    compare,
    count_reversals,
    find_absorb,
    follow,
    measure,
)
from tests.benchmarks.scaling_loads import LOADS, Arrival, Load, draw_arrivals
from tests.benchmarks.scaling_simulation import (
    Change,
    Course,
    Crew,
    Ours,
    Simple,
    keep_constant,
    simulate,
)

BY_NAME = {load.name: load for load in LOADS}


def follow_ours(name: str, seed: int, second: int = 0) -> Figures:
    load = BY_NAME[name]
    return follow(load, draw_arrivals(load, seed), Ours, second)


@pytest.mark.parametrize("seed", range(5))
def test_a_step_is_absorbed_within_200_seconds(seed: int) -> None:
    assert follow_ours("step", seed).absorb_s <= 200


@pytest.mark.parametrize("second", [0, 20, 40])
@pytest.mark.parametrize("seed", range(5))
def test_a_square_of_five_minutes_turns_the_capacity_never(seed: int, second: int) -> None:
    assert follow_ours("square_5", seed, second).reversals == 0


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
def test_nobody_waits_longer_than_by_the_simple_rule(load: Load) -> None:
    for seed in range(2):
        arrivals = draw_arrivals(load, seed)
        simple = follow(load, arrivals, Simple)
        assert follow(load, arrivals, Ours).longest_wait_s <= simple.longest_wait_s


def test_two_rules_and_the_least_are_compared() -> None:
    figures = compare(BY_NAME["burst"], range(1))
    assert set(figures) == {"ours", "simple", "least_capacity", "unit_hours_ratio_to_least"}
    assert set(figures["ours"]) == set(figures["simple"]) == set(Figures._fields)
    hours = figures["least_capacity"] * 1.0
    assert figures["unit_hours_ratio_to_least"] == round(figures["ours"]["unit_hours"] / hours, 2)


def test_tasks_wait_for_slots_in_turn() -> None:
    tasks = [Arrival(0, 10), Arrival(1, 10), Arrival(2, 10), Arrival(25, 10)]
    course = simulate(tasks, 200, keep_constant, 1)
    assert course.waits == [0, 9, 18, 5]
    assert course.slot_seconds == 200
    assert simulate(tasks, 15, keep_constant, 1).waits == [0, 9, 13]


def test_a_capacity_counts_from_when_it_is_given() -> None:
    def double(crew: Crew, at: float) -> int:
        return crew.capacity * 2

    course = simulate([Arrival(n, 1000) for n in range(4)], 190, double, 1)
    assert course.changes == [Change(0, 1), Change(60, 2), Change(120, 4), Change(180, 8)]
    assert course.waits == [0, 59, 118, 117]
    assert course.slot_seconds == 60 + 120 + 240 + 80


def test_the_monitor_sees_buckets_and_not_the_tasks() -> None:
    crew = Crew(1)
    for at in (5, 10, 70):
        crew.arrive(Arrival(at, 60))
    crew.end_next()
    seen = crew.observe(80, 3)
    assert (seen.running, seen.queued, seen.arrivals, seen.ended) == (1, 1, 3, 1)
    assert (seen.span_s, seen.mean_running_s) == (200, 60)


def test_figures_of_a_course() -> None:
    load = Load("x", lambda at: 1 if at < 100 else 4, 400)
    course = Course(
        [1.0, 7.25], [Change(0, 2), Change(160, 3), Change(220, 6), Change(340, 4)], 400
    )
    assert find_absorb(load, course) == 120
    assert count_reversals(course.changes) == 1
    hours = (2 * 160 + 3 * 60 + 6 * 120 + 4 * 60) / 3600
    assert measure(load, course) == Figures(7.2, 120, 0.5, 1, round(hours, 2))
