"""Letters of sixteen typefaces, 24 x 24 grey: DejaVu (Sans, Sans Mono, Serif) and STIX (General), as shipped by Matplotlib.

An identity is a character of the Latin, Greek or Cyrillic alphabet, a picture of it is one typeface's. Of characters that look alike in
the first typeface, such as the Latin and the Greek A, the first is kept.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samoyed.examples import Image

_SIDE, _SIZE, _BASE = 24, 17, 17  # pixels: of a picture, of the type, from the top to the line the letters stand on
_FACES = tuple(
    f"{family}{cut}.ttf"
    for family, cuts in (
        ("DejaVuSans", ("", "-Bold", "-Oblique", "-BoldOblique")),
        ("DejaVuSansMono", ("", "-Bold", "-Oblique", "-BoldOblique")),
        ("DejaVuSerif", ("", "-Bold", "-Italic", "-BoldItalic")),
        ("STIXGeneral", ("", "Bol", "Italic", "BolIta")),
    )
    for cut in cuts
)
_ALPHABETS = ((0x41, 0x5B), (0x61, 0x7B), (0x391, 0x3A2), (0x3A3, 0x3AA), (0x3B1, 0x3CA), (0x410, 0x450))


def examples() -> list[Image]:
    """Every character in every typeface, a character after the other."""
    import matplotlib
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    fonts = [ImageFont.truetype(str(folder / name), _SIZE, layout_engine=ImageFont.Layout.BASIC) for name in _FACES]

    def drawn(character: str, font: ImageFont.FreeTypeFont) -> NDArray[np.uint8]:
        picture = Pillow.new("L", (_SIDE, _SIDE))
        ImageDraw.Draw(picture).text((_SIDE / 2, _BASE), character, 255, font, anchor="ms")
        return np.asarray(picture)

    kept: dict[str, NDArray[np.int64]] = {}
    for first, end in _ALPHABETS:
        for code in range(first, end):
            found = drawn(chr(code), fonts[0]).astype(int)
            if all(np.abs(found - other).mean() > 2 for other in kept.values()):
                kept[chr(code)] = found
    return [
        Image(drawn(character, font)[..., None], character, f"{name.removesuffix('.ttf')}#{character}")
        for character in kept
        for name, font in zip(_FACES, fonts, strict=True)
    ]
