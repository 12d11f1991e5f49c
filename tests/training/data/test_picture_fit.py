"""What was chosen about how pictures become inputs."""

from models.contract import Preprocessing
from training.data.picture_fit import PictureFit


def test_what_was_chosen_replaces_what_the_data_say() -> None:
    """The rest stays."""
    grey = Preprocessing(resize="squash", background=(0, 0, 0))
    assert PictureFit().applied_to(grey) == grey
    padded = PictureFit(resize="pad", pad_colour=(1, 2, 3)).applied_to(grey)
    assert padded == Preprocessing(resize="pad", background=(0, 0, 0), pad_colour=(1, 2, 3))


def test_whole_pictures_are_those_of_a_border_and_of_a_chosen_squash() -> None:
    """A squash that nobody chose leaves random crops as they were, and so does a share for them."""
    crop, squash, pad = (Preprocessing.model_validate({"resize": way}) for way in ("crop", "squash", "pad"))
    assert PictureFit(resize="squash").shows_whole(squash)
    assert PictureFit().shows_whole(pad)
    assert not PictureFit().shows_whole(squash)
    assert not PictureFit(resize="crop").shows_whole(crop)
    assert not PictureFit(resize="pad", random_crops=True).shows_whole(pad)
