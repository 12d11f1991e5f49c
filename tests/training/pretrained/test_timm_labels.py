"""Names of the classes of networks from timm."""


def test_labels_of_larger_imagenets_are_unique() -> None:
    """Classes that share a name get their WordNet number."""
    from training.pretrained.timm_labels import published_labels

    labels = published_labels(21841)
    assert len(set(labels)) == len(labels) == 21841
    assert published_labels(7) == tuple(f"class {number}" for number in range(7))
