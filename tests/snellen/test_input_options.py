"""Options on the network's input."""

import pytest
import typer

from snellen.input_options import colour_option, size_option


def test_size_and_colour_become_values() -> None:
    """Width first, then height."""
    assert size_option("320x96") == (320, 96)
    assert colour_option("114") == (114, 114, 114)


@pytest.mark.parametrize(
    ("wrong", "says"), [("size", "--size: a size is"), ("colour", "--pad-colour: a colour is")], ids=["size", "colour"]
)
def test_a_wrong_value_ends_the_command(wrong: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With status 2 and a sentence that begins with the option."""
    with pytest.raises(typer.Exit) as ended:
        (size_option if wrong == "size" else colour_option)("much")
    assert ended.value.exit_code == 2
    assert says in capsys.readouterr().err
