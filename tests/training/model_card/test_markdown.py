"""Tables and lists of a model card."""

from training.model_card.markdown import bullets, number, table


def test_a_table_has_numbers_on_the_right_and_keeps_bars_as_text() -> None:
    """A bar in a cell does not begin another column."""
    assert table(("class", "images"), [("a|b", "3")]) == "| class | images |\n| --- | ---: |\n| a\\|b | 3 |"


def test_a_list_has_a_line_for_each_item() -> None:
    """No items are no text."""
    assert bullets(["one", "two"]) == "- one\n- two"
    assert bullets([]) == ""


def test_an_unknown_number_is_an_empty_cell() -> None:
    """Known ones have four decimals, also zero."""
    assert (number(None), number(0), number(0.98765)) == ("", "0.0000", "0.9877")
