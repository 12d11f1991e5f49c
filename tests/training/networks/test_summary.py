"""Layer tables against numbers worked out by hand, and totals against published ones."""

import pytest
from typer.testing import CliRunner

from snellen.__main__ import app
from training.networks.registry import NETWORKS, build_network
from training.networks.summary import NetworkSummary, summarise

Row = tuple[str, tuple[int, ...], int, int, int | None]


def summary_of(name: str) -> NetworkSummary:
    info = NETWORKS[name]
    return summarise(build_network(name, info.classes, info.native), info.native)


def rows(summary: NetworkSummary) -> list[Row]:
    """Type, output shape, parameters, multiply-adds, rows of the receptive field."""
    return [
        (
            layer.kind,
            layer.shape,
            layer.parameters,
            layer.multiply_adds,
            layer.window.rows.size if layer.window else None,
        )
        for layer in summary.layers
    ]


def test_lenet_5_layer_by_layer() -> None:
    """Windows of 5, 6, 14 and 16 pixels, then dense layers."""
    assert rows(summary_of("lenet-5")) == [
        ("Conv2d", (6, 28, 28), 156, 6 * 25 * 28 * 28, 5),
        ("AvgPool2d", (6, 14, 14), 0, 0, 6),
        ("Conv2d", (16, 10, 10), 2416, 16 * 6 * 25 * 10 * 10, 14),
        ("AvgPool2d", (16, 5, 5), 0, 0, 16),
        ("Flatten", (400,), 0, 0, None),
        ("Linear", (120,), 48_120, 48_000, None),
        ("Linear", (84,), 10_164, 10_080, None),
        ("Linear", (10,), 850, 840, None),
    ]


def test_the_digit_network_layer_by_layer() -> None:
    """The shapes of the textbook; 11,993,408 multiply-adds."""
    summary = summary_of("two-conv")
    assert rows(summary) == [
        ("Conv2d", (32, 26, 26), 320, 32 * 9 * 26 * 26, 3),
        ("Conv2d", (64, 24, 24), 18_496, 64 * 32 * 9 * 24 * 24, 5),
        ("MaxPool2d", (64, 12, 12), 0, 0, 6),
        ("Flatten", (9216,), 0, 0, None),
        ("Linear", (128,), 1_179_776, 1_179_648, None),
        ("Linear", (10,), 1290, 1280, None),
    ]
    assert (summary.parameters, summary.multiply_adds) == (1_199_882, 194_688 + 10_616_832 + 1_179_648 + 1280)


@pytest.mark.parametrize(
    ("name", "parameters", "giga_multiply_adds", "window"),
    [
        ("alexnet", 61_100_840, 0.714, 195),
        ("resnet-18", 11_689_512, 1.814, 435),
        ("resnet-50", 25_557_032, 4.089, 427),
        ("mobilenet-v2", 3_504_872, 0.301, 491),
        pytest.param("vgg-16", 138_357_544, 15.47, 212, marks=pytest.mark.slow),
        pytest.param("inception-v3", 23_834_568, 5.71, 1311, marks=pytest.mark.slow),
        pytest.param("vit-tiny", 5_717_416, 1.258, 16, marks=pytest.mark.slow),
        pytest.param("swin-tiny", 28_288_354, 4.5, 4, marks=pytest.mark.slow),
    ],
)
def test_totals_are_the_published_ones(name: str, parameters: int, giga_multiply_adds: float, window: int) -> None:
    """Parameters and multiply-adds of torchvision's and timm's tables; windows of Araujo et al., Distill, 2019."""
    summary = summary_of(name)
    assert summary.parameters == parameters == sum(layer.parameters for layer in summary.layers)
    assert summary.multiply_adds == sum(layer.multiply_adds for layer in summary.layers)
    assert summary.multiply_adds / 1e9 == pytest.approx(giga_multiply_adds, rel=0.01)
    assert max(layer.window.rows.size for layer in summary.layers if layer.window) == window


def test_the_command_prints_table_and_totals() -> None:
    """For an input of one's own, wide and grey."""
    command = ["summary", "three-conv", "--classes", "7", "--height", "40", "--width", "64", "--colour", "grey"]
    output = CliRunner().invoke(app, command, env={"COLUMNS": "120"}).output
    for part in ("three-conv, 64x40 L", "Conv2d", "128x6x12", "18x18", "GlobalAveragePool", "93,799"):
        assert part in output


def test_numbers_are_whole_on_a_narrow_terminal() -> None:
    """Names and shapes fold, numbers do not end in dots."""
    output = CliRunner().invoke(app, ["summary", "alexnet"], env={"COLUMNS": "80"}).output
    summary = summary_of("alexnet")
    assert "…" not in output
    assert {f"{summary.parameters:,}", f"{summary.multiply_adds:,}"} <= set(output.split())


def test_the_command_ends_in_one_line() -> None:
    """For an unknown name, and an image that is too small."""
    unknown = CliRunner().invoke(app, ["summary", "resnet-51"])
    small = CliRunner().invoke(app, ["summary", "resnet-18", "--height", "8"])
    assert (unknown.exit_code, small.exit_code) == (2, 2)
    assert "did you mean resnet-" in unknown.output
    assert small.output == "snellen: resnet-18 needs images of at least 32x32 pixels, not 8x8\n"
