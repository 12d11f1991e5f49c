"""Names of parts as folders and tables have them."""

import pytest

from training.data.part_names import part_of


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("train", "train Training trn TRAIN seg_train train_set TrainSet train-images train2017 training_data"),
        ("validation", "val valid Validation dev eval evaluation seg_val val2017 dev-set ValidationSet"),
        ("calibration", "calibration calib"),
        ("test", "test Testing holdout hold-out HELD_OUT test_set seg_test TestData test_images"),
        (None, "cat trains tester latest contest devil medieval data set seg images 2017 train1 test2 train_station"),
    ],
)
def test_the_usual_names_are_known_in_any_case(part: str | None, names: str) -> None:
    """With the words that people put beside them; a name that only resembles one is none."""
    assert {name: part_of(name) for name in names.split()} == dict.fromkeys(names.split(), part)


@pytest.mark.parametrize("name", ["", " ", "_", "train station", "test 2", "driving test"])
def test_other_words_are_no_part(name: str) -> None:
    """They may be classes."""
    assert part_of(name) is None
