"""What each layer still knows of an image: images made from its feature maps alone."""

from training.report.errors import ReportError
from training.report.feature_maps import NO_LAYERS, SHOWN_LAYERS
from training.report.graph import Graph, Layer, spread
from training.report.inversion import invert
from training.report.pictures import picture
from training.report.replay import Replay
from training.report.section import Content, Figure, Gallery
from training.report.subject import Photo, Subject


def inversions(subject: Subject) -> Content:
    photo = subject.photos[0]
    layers = spread(subject.graph.layers(photo.pixels), SHOWN_LAYERS)
    if not layers:
        return Content(missing=NO_LAYERS)
    try:
        figures = [_figure(subject.graph, layer, photo, subject.seed, depth) for depth, layer in enumerate(layers, 1)]
    except ReportError as error:
        return Content(missing=f"No image could be made: {error}.")
    shown = Figure(picture(photo.pixels, f"The image {photo.name}"), photo.name, "as the network sees it")
    return Content([Gallery([shown, *figures], "third")])


def _figure(graph: Graph, layer: Layer, photo: Photo, seed: int, depth: int) -> Figure:
    replay = Replay(graph, graph.before_activation(layer))
    replay.check(photo.pixels[None])
    inversion = invert(replay, photo.pixels, seed=seed)
    image = picture(inversion.pixels, f"The image made from {layer}")
    return Figure(image, f"Layer {depth}", f"{layer}; its response is off by {inversion.distance[1]:.1%}")
