"""Names what a client sent in place of an accepted image, from the first bytes, and says what to do about it."""

import base64
import binascii
import re
from typing import NamedTuple

SIGNATURES = {
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "WEBP": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "GIF": re.compile(rb"GIF8[79]a"),
    "BMP": re.compile(rb"BM"),
    "TIFF": re.compile(rb"II\*\0|MM\0\*|II\+\0|MM\0\+"),
    "AVIF": re.compile(rb"....ftyp(avif|avis|mif1|msf1)", re.DOTALL),
    "HEIC": re.compile(rb"....ftyp(hei[cxms]|hev[cxms]|(?=(mif1|msf1)....)(?:....){2,16}?hei[cx])", re.DOTALL),
}
"""First bytes by format.

A file with one of them that cannot be opened is damaged; any other file is not an image of an accepted format.
"""
_HEAD_BYTES = 1024
"""Number of first bytes that are looked at, except for missing line ends."""
_LINE_END_BYTES = 64 * 1024
"""Number of first bytes that are searched for line ends."""
_MANY_BYTES = 2048
"""Size from which a compressed image without line ends is damaged; one in nine million of random files has none."""
_BASE64_LETTERS = 64
"""Number of first letters that are decoded to see whether base64 text holds an image."""

_CONVERT = "convert it to an accepted format"
_SEND_FILE = "send the bytes of the image file"


class Kind(NamedTuple):
    """One kind of content that is not an accepted image.

    start: pattern of its first bytes. name: with its article. cure: what the client does about it, an imperative.
    """

    start: re.Pattern[bytes]
    name: str
    cure: str


def _kind(start: bytes, name: str, cure: str) -> Kind:
    return Kind(re.compile(start, re.DOTALL), name, cure)


_HEIC = Kind(
    SIGNATURES["HEIC"],
    "a HEIC photo",
    "export it as JPEG (an iPhone takes JPEG with Settings > Camera > Formats > Most Compatible), or let snellen "
    "read it: pip install 'snellen[heic]', then serve with heic in --formats, or classify --heic",
)
_BINARY = (
    _kind(rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "a JPEG 2000 image", _CONVERT),
    _kind(rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image", _CONVERT),
    _kind(rb"8BPS", "a Photoshop file (PSD)", "export it as JPEG or PNG"),
    _kind(rb"....ftypcrx ", "a camera's raw file (CR3)", "export it as JPEG"),
    _kind(rb"%PDF-", "a PDF document", "export the page or the picture in it as JPEG or PNG"),
    _kind(
        rb"....ftyp(?!avif|avis|mif1|msf1)|\x1aE\xdf\xa3|RIFF....AVI |....(moov|mdat)|\0\0\x01\xba",
        "a video",
        "send one frame as JPEG or PNG, as `ffmpeg -i video.mp4 -frames:v 1 frame.png` makes it",
    ),
    _kind(rb"\x1f\x8b", "gzip-compressed data", "send the image file uncompressed"),
    _kind(rb"PK\x03\x04", "a ZIP archive", "unpack it and send the images in it"),
    _kind(rb"\x93NUMPY", "a NumPy array", "save it as PNG and send that file"),
    _kind(rb"\0\0\x01\0", "an icon file (ICO)", _CONVERT),
)
_TEXT = (
    _kind(rb"<svg\b|<!doctype svg\b|<(\?xml|!--).*<svg\b", "an SVG drawing", "render it as PNG"),
    _kind(
        rb"<(!doctype html|html|head|body)\b",
        "an HTML page",
        "request the address of the image itself, and check that the answer is no login or error page",
    ),
    _kind(rb"<\?xml", "an XML document", _SEND_FILE),
    _kind(
        rb"data:[\w/+.;=-]*,",
        "a data URL",
        "send the decoded bytes of the image, or put the URL into JSON, "
        '{"images": ["data:..."]}, with Content-Type: application/json',
    ),
    _kind(
        rb"(https?|ftp|file|s3|gs)://\S+$",
        "the address of a file",
        "download it and send the bytes of the image, as the service opens no address",
    ),
    _kind(rb"\[object ", "JavaScript's text for an object", "pass the File or Blob itself as the body"),
    _kind(
        rb"[{\[]\s*[\"\[{\]}\d]",
        "JSON",
        'send {"images": ["<base64>"]} with Content-Type: application/json, or the bytes of the image file',
    ),
    _kind(
        rb"--[^\r\n]{1,200}\r?\n(.*\n)?content-disposition:",
        "a form",
        "send it with Content-Type: multipart/form-data and its boundary, which HTTP libraries set by themselves",
    ),
    _kind(
        rb"@?[^\s<>{}\"]{1,200}\.(jpe?g|png|webp|gif|bmp|tiff?|avif|heic)$",
        "the name of a file",
        f"{_SEND_FILE}, as curl --data-binary @photo.jpg does",
    ),
)
_BASE64 = _kind(
    rb"",
    "base64 text of an image",
    'send the decoded bytes, or put the text into JSON, {"images": ["<base64>"]}, with Content-Type: application/json',
)
_READ_AS_TEXT = re.compile(rb"(\xef\xbf\xbd){3}|\xef\xbf\xbdPNG|\xc2\x89PNG|\xc3\xbf\xc3\x98\xc3\xbf")
"""Beginnings of a JPEG and a PNG that were decoded to text and encoded as UTF-8."""

_PNG_WITH_OTHER_LINE_ENDS = re.compile(rb"\x89PNG(\x1a|\n\x1a|\r\x1a|\r\r\n|\r\n\x1a\r\n)")
"""The signature of PNG holds a CR LF and an LF so that such a damage shows."""


def refused_kind(body: bytes, formats: tuple[str, ...]) -> Kind | None:
    """Return what a file is that cannot be opened as an image of `formats`; None if that is not known.

    Reads at most _HEAD_BYTES bytes of `body`. A file that begins like an image of `formats` is damaged, and gives None;
    an image of a format that is read but not accepted here is named.
    """
    head = body[:_HEAD_BYTES]
    if _HEIC.start.match(head):
        return None if "HEIC" in formats else _HEIC
    for kind in _BINARY:
        if kind.start.match(head):
            return kind
    for name, start in SIGNATURES.items():
        if start.match(head):
            return None if name in formats else Kind(start, f"a file of the format {name}", _CONVERT)
    return _text_kind(head)


def _text_kind(head: bytes) -> Kind | None:
    text = head.removeprefix(b"\xef\xbb\xbf").strip()
    if b"\0" in text:
        return None
    lower = text.lower()
    for kind in _TEXT:
        if kind.start.match(lower):
            return kind
    return _BASE64 if _is_base64_image(text) else None


def _is_base64_image(text: bytes) -> bool:
    letters = b"".join(text.split()).translate(bytes.maketrans(b"-_", b"+/"))[:_BASE64_LETTERS]
    try:
        beginning = base64.b64decode(letters[: len(letters) // 4 * 4], validate=True)
    except binascii.Error:
        return False
    return len(beginning) >= 12 and any(start.match(beginning) for start in SIGNATURES.values())


def transfer_damage(body: bytes) -> str | None:
    """Return what a client's tool did to an image file on its way, and what to do; None if no trace of that is seen.

    For a file that cannot be decoded. Reads at most _LINE_END_BYTES bytes of `body`.
    """
    if _READ_AS_TEXT.match(body):
        return "the bytes of the image were read as text; read the file in binary mode and send its bytes unchanged"
    if _PNG_WITH_OTHER_LINE_ENDS.match(body):
        return _LINE_ENDS
    if not any(SIGNATURES[name].match(body) for name in ("JPEG", "WEBP", "AVIF", "HEIC")):
        return None
    piece = body[:_LINE_END_BYTES]
    if b"\r" in piece or b"\n" in piece:
        return None
    # a short file may have no line ends, but its header always holds zeros, which `curl -d` leaves out too
    return _LINE_ENDS if len(piece) >= _MANY_BYTES or b"\0" not in piece else None


_LINE_ENDS = (
    "the line ends are missing or changed in these bytes of an image: they were sent as text, as `curl -d` does; "
    "send them with curl --data-binary @photo.jpg, or in binary mode"
)
