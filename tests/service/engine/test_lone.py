"""Which of several ways is used, learnt from what they took."""

import time

from service.engine.lone import Fastest


def use(fastest: Fastest[str], seconds: dict[str, float], turns: int) -> list[str]:
    """As if each took so long."""
    used = []
    for _ in range(turns):
        number = fastest._next()
        used.append("ab"[number])
        fastest.learn(number, seconds["ab"[number]])
    return used


def learned(a: float, b: float) -> Fastest[str]:
    """Ten times each took so long."""
    fastest = Fastest("ab")
    for _ in range(10):
        fastest.learn(0, a)
        fastest.learn(1, b)
    return fastest


def test_each_is_tried_then_the_fastest_is_used() -> None:
    """And now and then another one."""
    used = use(Fastest("ab"), {"a": 2.0, "b": 1.0}, 500)
    assert sorted(used[:10]) == ["a"] * 5 + ["b"] * 5
    assert used[10:].count("b") > 0.9 * len(used[10:])
    assert "a" in used[100:]


def test_a_change_is_noticed() -> None:
    """Older times are forgotten."""
    fastest = learned(1.0, 2.0)
    assert fastest.favourite == 0
    for _ in range(10):
        fastest.learn(0, 4.0)
    assert fastest.favourite == 1


def test_what_is_fast_again_is_back_soon() -> None:
    """After the next look around, not after several, however often it was used before it was slow for a moment."""
    fastest = Fastest("ab")
    use(fastest, {"a": 2.0, "b": 1.0}, 2000)
    use(fastest, {"a": 2.0, "b": 4.0}, 20)
    assert fastest.favourite == 0
    use(fastest, {"a": 2.0, "b": 1.0}, 16 + 8)
    assert fastest.favourite == 1


def test_a_single_good_time_is_no_reason_to_stay() -> None:
    """It is tried once more, then left as before."""
    fastest = learned(1.0, 2.0)
    fastest.learn(1, 0.5)
    assert fastest._next() == 1
    fastest.learn(1, 2.0)
    assert fastest._next() == 0


def test_a_single_bad_time_changes_little() -> None:
    """Somebody else had the processor."""
    fastest = learned(1.0, 1.5)
    fastest.learn(0, 100.0)
    assert fastest.favourite == 0


def test_the_only_way_needs_no_learning() -> None:
    assert set(use(Fastest("a"), {"a": 1.0}, 100)) == {"a"}


def test_a_turn_is_timed() -> None:
    """What takes longer is used less."""
    fastest, used = Fastest("ab"), list[str]()
    for _ in range(50):
        with fastest.turn() as way:
            used.append(way)
            if way == "a":
                time.sleep(0.002)
    assert used.count("b") > used.count("a")


def test_what_fails_is_left() -> None:
    """What fails fast must not become the favourite, nor be tried again and again."""
    fastest, failures = Fastest("ab"), 0
    for _ in range(100):
        try:
            with fastest.turn() as way:
                if way == "b":
                    raise RuntimeError
        except RuntimeError:
            failures += 1
    assert fastest.favourite == 0
    assert failures < 15
