"""Makes the image files here and, beside each, what Pillow decodes: NAME.rgb, raw RGB; of some, squares as torchvision
(NAME.antialias.SIZE.rgb) and Keras (NAME.bilinear.SIZE.rgb) make them. Needs Pillow, NumPy, Keras and TensorFlow. Made
with Pillow 13.0.0, Keras 3.15.1 and TensorFlow 2.21.0.

The picture is 24 wide and 16 high: smooth, so that chroma subsampling costs little, and different in every corner, so
that a wrong turn shows.
"""

import io
import os
import pathlib
import shutil
import tempfile

import keras
import numpy as np
from PIL import Image, ImageOps

here = pathlib.Path(__file__).parent
W, H = 24, 16
y, x = np.mgrid[0:H, 0:W]
rgb = np.stack([20 + 9 * x, 240 - 12 * y, 60 + 4 * x + 4 * y], -1).clip(0, 255).astype("u1")
alpha = (x * 10).astype("u1")
picture = Image.fromarray(rgb)


def golden(name, image):
    (here / f"{name}.rgb").write_bytes(np.asarray(image.convert("RGB")).tobytes())


def put(name, data):
    (here / name).write_bytes(data)
    image = Image.open(io.BytesIO(data))
    golden(name, ImageOps.exif_transpose(image))


def save(name, image, **options):
    out = io.BytesIO()
    image.save(out, pathlib.Path(name).suffix[1:].replace("jpg", "jpeg"), **options)
    put(name, out.getvalue())
    return out.getvalue()


save("baseline.jpg", picture, quality=95, subsampling=0)
save("subsampled.jpg", picture, quality=90, subsampling=2)
save("progressive.jpg", picture, quality=95, subsampling=0, progressive=True)
save("gray.jpg", picture.convert("L"), quality=95)
save("rgb.jpg", picture, quality=95, keep_rgb=True)

# CMYK as Adobe writes it (inverted, with its marker), without the marker (not inverted), and YCCK.
cmyk = np.concatenate([255 - rgb, (x * 3)[..., None]], -1).astype("u1")
adobe = save("cmyk-adobe.jpg", Image.fromarray(cmyk, "CMYK"), quality=95)
at = adobe.index(b"\xff\xeeXX".replace(b"XX", b"\x00\x0e"))
plain = adobe[:at] + adobe[at + 16 :]
put("cmyk-plain.jpg", plain)
inverted = np.asarray(Image.open(io.BytesIO(plain)))  # Pillow inverts these too; libjpeg and TensorFlow do not
golden("cmyk-plain.jpg", Image.fromarray(255 - inverted, "CMYK"))
r, g, b = (cmyk[..., i].astype(float) for i in range(3))
luma = 0.299 * r + 0.587 * g + 0.114 * b
ycck = np.stack([luma, 128 + 0.564 * (b - luma), 128 + 0.713 * (r - luma), 255.0 - cmyk[..., 3]], -1)
stored = bytearray(save("ycck.jpg", Image.fromarray((255 - ycck).round().clip(0, 255).astype("u1"), "CMYK"), quality=95))
stored[stored.index(b"Adobe") + 11] = 2
put("ycck.jpg", bytes(stored))

save("rgb.png", picture)
save("alpha.png", Image.fromarray(np.dstack([rgb, alpha])))
save("gray-alpha.png", Image.fromarray(np.dstack([rgb[..., 0], alpha]), "LA"))
save("bits.png", picture.convert("1"))
palette = picture.quantize(16)
save("palette.png", palette)
save("palette-transparent.png", palette, transparency=3)
save("first-frame.gif", palette, save_all=True, append_images=[ImageOps.invert(picture).quantize(16)], duration=100)
save("rgb.bmp", picture)
save("palette.bmp", palette)
save("lossy.webp", picture, quality=95)
save("lossless.webp", picture, lossless=True)
save("lossy-alpha.webp", Image.fromarray(np.dstack([rgb, alpha])), quality=95, exact=True)
save("animated.webp", picture, save_all=True, append_images=[ImageOps.invert(picture)], duration=100)

for value in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = value
    save(f"orientation-{value}.png", picture, exif=exif)
    save(f"orientation-{value}.jpg", picture, exif=exif, quality=95, subsampling=0)
    (here / f"orientation-{value}.jpg.rgb").unlink()  # that of the PNG serves for both
exif[0x0112] = 6
save("orientation-6.webp", picture, exif=exif, lossless=True)

rng = np.random.default_rng(1)
noise = Image.fromarray(rng.integers(0, 256, (31, 40, 3), "u1"))
save("noise.png", noise)

# Photographs, so to say, for resizing: edges, gradients and some noise, of odd sizes, wide and tall.
for name, (w, h) in {"wide": (75, 50), "tall": (38, 61)}.items():
    y, x = np.mgrid[0:h, 0:w]
    base = np.stack([120 + 90 * np.sin(x / 7), 3 * y + x, 200 - 2 * x + 40 * ((x // 11 + y // 9) % 2)], -1)
    photo = Image.fromarray((base + rng.normal(0, 6, base.shape)).round().clip(0, 255).astype("u1"))
    save(f"{name}.png", photo)
    save(f"{name}.jpg", photo, quality=90, subsampling=0)
    save(f"{name}-subsampled.jpg", photo, quality=90, subsampling=2)
    for path in here.glob(f"{name}*.rgb"):
        path.unlink()  # only the squares are compared


def resize_and_center_crop(image, size):
    """torchvision's Resize(size) and CenterCrop(size) on a Pillow image, in its own formulas."""
    w, h = image.size
    short, long = min(w, h), int(size * max(w, h) / min(w, h))
    w, h = (size, long) if w <= h else (long, size)
    top, left = int(round((h - size) / 2.0)), int(round((w - size) / 2.0))
    return image.resize((w, h), Image.Resampling.BILINEAR).crop((left, top, left + size, top + size))


photos = sorted(here.glob("wide*.??g")) + sorted(here.glob("tall*.??g"))
for path in [here / "noise.png", *photos]:
    for size in (21, 55):
        golden(f"{path.name}.antialias.{size}", resize_and_center_crop(Image.open(path).convert("RGB"), size))

# Keras' loader itself, which takes folders of classes.
with tempfile.TemporaryDirectory() as folder:
    os.mkdir(f"{folder}/class")
    for path in [here / "noise.png", *photos]:
        shutil.copy(path, f"{folder}/class")
    for size in (21, 55):
        dataset = keras.utils.image_dataset_from_directory(
            folder, labels=None, image_size=(size, size), batch_size=None, shuffle=False,
            interpolation="bilinear", crop_to_aspect_ratio=True)
        for path, image in zip(sorted(os.listdir(f"{folder}/class")), dataset, strict=True):
            (here / f"{path}.bilinear.{size}.rgb").write_bytes(np.floor(image.numpy() + 0.5).astype("u1").tobytes())
