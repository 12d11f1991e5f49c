"""Wrong command lines end with one sentence and exit status 2."""

import pytest

from tests.snellen.command import in_process, snellen


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("trian --data x", "there is no command trian; did you mean train?"),
        ("models lst", "there is no command lst; did you mean list?"),
        ("zzz", "there is no command zzz; see "),
        ("train --nam x", "there is no option --nam; did you mean --name?"),
        ("train --batch_size 8", "there is no option --batch_size; did you mean --batch-size?"),
        ("train --zzz", "there is no option --zzz; see "),
        ("--versin", "there is no option --versin; did you mean --version?"),
        (
            "train --optimizer adamv",
            "--optimizer takes one of muon, sgd, momentum, rmsprop, adam, adamw, not 'adamv'; did",
        ),
        ("classify a.jpg --format Jsonl", "--format takes one of table, jsonl, csv, not 'Jsonl'; did you mean jsonl?"),
        ("summary x --colour blue", "--colour takes one of rgb, grey, not 'blue'"),
        ("bench --largest many", "--largest takes a whole number, 1 to 1,024, not 'many'"),
        ("bench --largest 0", "--largest takes a whole number, 1 to 1,024, not '0'"),
        ("train --lr fast", "--lr takes a number, not 'fast'"),
        ("bench --largest", "--largest has no value: write it after the option"),
        ("train --flip=3", "--flip takes no value: leave out what follows the ="),
        ("import", "SOURCE is missing: an .onnx file, timm/<model>"),
        ("evaluate models/a/1", "name the images, as in snellen evaluate models/a/1 --data photos"),
        ("import a b", "there is one argument too many: b; see "),
    ],
)
def test_a_wrong_command_line_is_refused_in_one_sentence(line: str, sentence: str) -> None:
    """It names what is wrong, and what is meant where that can be told."""
    done = in_process(*line.split())
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.startswith(f"snellen: {sentence}")


def test_the_options_of_an_onnx_file_are_checked_alike() -> None:
    """`snellen serve FILE.onnx` reads them as `snellen import` does."""
    done = snellen("serve", "a.onnx", "--preset", "imagent")
    assert done.returncode == 2
    assert done.stderr == (
        "snellen: --preset takes one of imagenet, inception, unit, raw, caffe, not 'imagent'; did you mean imagenet?\n"
    )
