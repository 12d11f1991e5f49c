"""A minimal FastAPI handler: an async function, an image in a form, one network, no batching.

uvicorn benchmarks.peers.naive:app
"""

from typing import Annotated, Any

from fastapi import FastAPI, File, UploadFile

from benchmarks.peers.common import Classifier, answer

app = FastAPI()
classifier = Classifier()


@app.post("/classify")
async def classify(image: Annotated[UploadFile, File()]) -> dict[str, Any]:
    """Classify the image of the form field `image`."""
    pixels = classifier.pixels(await image.read())
    return answer(classifier.run(pixels[None])[0])
