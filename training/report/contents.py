"""The chapters of the report in their order, each with a sentence on how to read it."""

from collections.abc import Callable
from typing import NamedTuple

from training.report.card import model_card
from training.report.class_maps import class_activation_maps
from training.report.confusion import confusion, per_class
from training.report.embedding import embedding
from training.report.feature_inversion import feature_inversions
from training.report.feature_maps import feature_maps
from training.report.filters import filters
from training.report.inputs import ReportInputs
from training.report.mistakes import mistakes
from training.report.reliability import reliability
from training.report.section import Content
from training.report.training_curves import training_curves


class Chapter(NamedTuple):
    """One chapter. make: returns its content for the inputs of a report."""

    anchor: str
    title: str
    lead: str
    make: Callable[[ReportInputs], Content]


CHAPTERS = (
    Chapter(
        "learning",
        "Learning curves",
        "Each point is an epoch. A validation loss that rises while the training loss falls is overfitting; the dashed "
        "line marks the highest accuracy.",
        training_curves,
    ),
    Chapter(
        "confusion",
        "Confusion matrix",
        "Each row is a true class and adds up to its images: green is right, orange is wrong, and the stronger the "
        "colour the larger its share of the row.",
        confusion,
    ),
    Chapter(
        "classes",
        "Precision and recall",
        "Precision: of the images given this class, the share that is of it. Recall: of its images, the share that was "
        "found. F1 is their harmonic mean.",
        per_class,
    ),
    Chapter(
        "mistakes",
        "Worst mistakes",
        "The largest losses: images whose true class the network thought least likely. First what it said and how sure "
        "it was, then the truth. Some of them may be errors of the labels.",
        mistakes,
    ),
    Chapter(
        "reliability",
        "Reliability",
        "Whether 80 % sure is right four times out of five. Bars that end on the dashed line say yes; below it the "
        "network is too sure of itself, above it too modest.",
        reliability,
    ),
    Chapter(
        "filters",
        "First-layer filters",
        "What the first layer looks for: edges, bars and spots of colour. Smooth patterns are a sign of good training, "
        "noise of too little. Each filter is scaled by itself.",
        filters,
    ),
    Chapter(
        "features",
        "Feature maps",
        "The maps of each layer that vary most over the image; bright is a strong response. Early layers keep the "
        "picture, late ones say only where something was found.",
        feature_maps,
    ),
    Chapter(
        "attention",
        "Class activation maps",
        "Warm parts of the image speak for the class that is named below, as a share of the strongest evidence for it; "
        "what speaks against it is not shown.",
        class_activation_maps,
    ),
    Chapter(
        "embedding",
        "t-SNE",
        "The last layer before the classes, laid out flat: neighbours look alike to the network. How far apart two "
        "distant groups lie means nothing.",
        embedding,
    ),
    Chapter(
        "inversion",
        "Feature inversion",
        "Images made from noise until a layer responds to them as it does to the first one. What is missing from them, "
        "that layer no longer knows.",
        feature_inversions,
    ),
    Chapter("card", "Model card", "What the bundle says of itself: its data, limits and licence.", model_card),
)
