"""Names of models that are made of the names of files and folders."""

import re
from pathlib import Path

NAME_RULE = "use at most 64 lower-case letters, digits, '.', '_' and '-', a letter or digit first"
"""What a model's name may be, as `models.contract.ModelName` has it, for messages."""
_LONGEST = 64
"""Characters of a model's name; see `models.contract.ModelName`."""


def valid_name(text: str) -> str:
    """Return the text as a valid name of a model; empty where no character is left."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).lstrip("._-")[:_LONGEST].rstrip("._-")


def name_of_data(source: str) -> str:
    """Return the name of a model that is trained on a source of images and has no name of its own.

    source: as for `open_dataset`. A folder and a data set give their name, a table gives its name without the suffix.
    Empty where no character of it is fit for a name.
    """
    path = Path(source).expanduser().resolve()
    return valid_name(path.stem if path.is_file() else path.name)
