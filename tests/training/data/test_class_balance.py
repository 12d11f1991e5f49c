"""How uneven classes are counted and evened out."""

import numpy as np

from training.data.class_balance import describe_imbalance, sampling_weights


def test_weights_make_every_class_equally_likely() -> None:
    """They are probabilities: of 90 and 10 images, each class is drawn half of the time."""
    labels = np.repeat([0, 2], [90, 10]).astype(np.int64)
    weights = sampling_weights(labels)
    assert weights.dtype == np.float64
    np.testing.assert_allclose([weights.sum(), weights[labels == 2].sum()], [1, 0.5])


def test_uneven_classes_get_a_sentence_and_even_ones_none() -> None:
    """Largest first, with the number of images of each."""
    uneven = np.repeat([0, 1], [10, 40]).astype(np.int64)
    sentence = describe_imbalance(uneven, ("ant", "bee"))
    assert sentence is not None
    assert "4.0 times" in sentence
    assert "bee 40, ant 10" in sentence
    assert describe_imbalance(np.repeat([0, 1], [40, 39]).astype(np.int64), ("ant", "bee")) is None
