"""Which of several ways is used, learnt from what they took."""

from service.lone import Fastest


def use(fastest: Fastest[str], seconds: dict[str, float], turns: int) -> list[str]:
    used = []
    for _ in range(turns):
        with fastest.turn() as way:
            used.append(way)
        number = "ab".index(way)
        fastest._seconds[number] = seconds[way]  # as if it had taken this long
    return used


def test_each_is_tried_then_the_fastest_is_used() -> None:
    """And now and then another one."""
    used = use(Fastest("ab"), {"a": 2.0, "b": 1.0}, 500)
    assert sorted(used[:10]) == ["a"] * 5 + ["b"] * 5
    assert used[10:].count("b") > 0.9 * len(used[10:])
    assert "a" in used[100:]


def test_a_change_is_noticed() -> None:
    """Older times are forgotten."""
    fastest = Fastest("ab")
    for _ in range(10):
        fastest.learn(0, 1.0)
        fastest.learn(1, 2.0)
    assert fastest.favourite == 0
    for _ in range(10):
        fastest.learn(0, 4.0)
    assert fastest.favourite == 1


def test_a_single_bad_time_changes_little() -> None:
    """Somebody else had the processor."""
    fastest = Fastest("ab")
    for _ in range(10):
        fastest.learn(0, 1.0)
        fastest.learn(1, 1.5)
    fastest.learn(0, 100.0)
    assert fastest.favourite == 0


def test_the_only_way_needs_no_learning() -> None:
    assert set(use(Fastest("a"), {"a": 1.0}, 100)) == {"a"}


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
