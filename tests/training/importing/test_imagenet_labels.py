"""The labels of ImageNet."""

from training.importing.imagenet_labels import CLASSES, imagenet_labels


def test_there_are_a_thousand_different_labels_in_the_order_of_the_networks() -> None:
    """Some places that every network trained on ImageNet agrees on."""
    labels = imagenet_labels()
    assert len({label.casefold() for label in labels}) == len(labels) == CLASSES
    assert {number: labels[number] for number in (0, 207, 293, 281, 999)} == {
        0: "tench",
        207: "golden retriever",
        281: "tabby",
        293: "cheetah",
        999: "toilet tissue",
    }


def test_labels_that_two_classes_share_are_told_apart() -> None:
    """A crane is a bird and a machine."""
    labels = imagenet_labels()
    assert (labels[134], labels[517]) == ("crane (bird)", "crane (machine)")
