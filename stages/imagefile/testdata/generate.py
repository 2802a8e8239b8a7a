"""Makes the image files here and, beside each, what Pillow decodes: NAME.rgb, raw RGB; of some, squares as torchvision
(NAME.antialias.SIZE.rgb) and Keras (NAME.bilinear.SIZE.rgb) make them. Needs Pillow, pillow-heif, tifffile, NumPy, Keras and
TensorFlow, and libjpeg-turbo with its headers and jpegtran. Made with Pillow 13.0.0, pillow-heif 1.8.1, Keras 3.15.1 and
TensorFlow 2.21.0. `generate.py formats` makes only what needs no Keras.

The picture is 24 wide and 16 high: smooth, so that chroma subsampling costs little, and different in every corner, so
that a wrong turn shows.
"""

import io
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import pillow_heif
import tifffile
from PIL import Image, ImageOps

pillow_heif.register_heif_opener()

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
    kind = {"jpg": "jpeg", "heic": "heif", "tif": "tiff"}
    suffix = pathlib.Path(name).suffix[1:]
    image.save(out, kind.get(suffix, suffix), **options)
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

def background(name, color):
    """The golden pixels of a picture on a background."""
    image = ImageOps.exif_transpose(Image.open(here / name)).convert("RGBA")
    whole = Image.new("RGBA", image.size, color)
    whole.alpha_composite(image)
    golden(f"{name}.{'-'.join(map(str, color))}", whole)


# JPEG as other programs write it. jpegtran recodes without loss, so that the pixels are the same.
def jpegtran(name, source, *options):
    data = subprocess.run(["jpegtran", *options], input=(here / source).read_bytes(), stdout=subprocess.PIPE, check=True).stdout
    put(name, data)


odd = Image.fromarray(np.random.default_rng(2).integers(0, 256, (5, 7, 3), "u1")).resize((29, 23), Image.Resampling.BICUBIC)
save("420.jpg", odd, quality=90, subsampling=2)
save("422.jpg", odd, quality=90, subsampling=1)
jpegtran("440.jpg", "422.jpg", "-rotate", "90", "-trim")
jpegtran("arithmetic.jpg", "420.jpg", "-arithmetic")
jpegtran("arithmetic-progressive.jpg", "420.jpg", "-arithmetic", "-progressive")
# Pillow's libjpeg may lack arithmetic coding.
for name in ("arithmetic.jpg", "arithmetic-progressive.jpg"):
    shutil.copy(here / "420.jpg.rgb", here / f"{name}.rgb")
odd_cmyk = Image.fromarray(np.dstack([255 - np.asarray(odd), np.asarray(odd)[..., 1] // 2]), "CMYK")
save("cmyk-420.jpg", odd_cmyk, quality=90, subsampling=2)

# YCCK with less chroma than luma and black, which Pillow does not write.
program = r"""
#include <stdio.h>
#include <jpeglib.h>
int main(int argc, char **argv) {
    unsigned char row[4 * 64];
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr error;
    c.err = jpeg_std_error(&error);
    jpeg_create_compress(&c);
    jpeg_stdio_dest(&c, stdout);
    sscanf(argv[1], "%u", &c.image_width);
    sscanf(argv[2], "%u", &c.image_height);
    c.input_components = 4;
    c.in_color_space = JCS_CMYK;
    jpeg_set_defaults(&c);
    jpeg_set_colorspace(&c, JCS_YCCK);
    jpeg_set_quality(&c, 90, TRUE);
    jpeg_start_compress(&c, TRUE);
    JSAMPROW rows[1] = {row};
    while (fread(row, 4, c.image_width, stdin) == c.image_width) jpeg_write_scanlines(&c, rows, 1);
    jpeg_finish_compress(&c);
}
"""
with tempfile.TemporaryDirectory() as folder:
    source, binary = f"{folder}/ycck.c", f"{folder}/ycck"
    pathlib.Path(source).write_text(program)
    subprocess.run(["cc", "-o", binary, source, "-ljpeg"], check=True)
    inverted = (255 - np.asarray(odd_cmyk)).tobytes()
    put("ycck-420.jpg", subprocess.run([binary, *map(str, odd.size)], input=inverted, stdout=subprocess.PIPE, check=True).stdout)

# WebP, HEIC and AVIF: odd sizes, alpha over colors that are hidden by it, animations, turns, ten bits.
hidden = Image.fromarray(np.dstack([np.asarray(odd), (np.arange(23 * 29).reshape(23, 29) * 3 % 256).astype("u1")]))
for kind, options in {"webp": {"exact": True}, "heic": {}, "avif": {}}.items():
    save(f"odd.{kind}", odd, quality=80)
    save(f"odd-alpha.{kind}", hidden, quality=80, **options)
    background(f"odd-alpha.{kind}", (255, 255, 255))
    turned = Image.Exif()
    turned[0x0112] = 6
    save(f"odd-turned.{kind}", odd, quality=80, exif=turned)
    save(f"odd-gray.{kind}", odd.convert("L"), quality=80)
save("odd-444.heic", odd, quality=80, chroma=444)
save("odd-444.avif", odd, quality=80, subsampling="4:4:4")
save("wide.heic", Image.fromarray(np.random.default_rng(3).integers(0, 256, (9, 16, 3), "u1")).resize((150, 90)), quality=60)
save("animated-odd.avif", odd, save_all=True, append_images=[ImageOps.invert(odd)], duration=100)
ten = pillow_heif.from_bytes("RGB;10", (30, 22), (np.dstack([np.linspace(0, 1023, 22 * 30).reshape(22, 30)] * 3)).astype("<u2").tobytes())
ten.save(here / "ten-bits.heic", quality=-1)
put("ten-bits.heic", (here / "ten-bits.heic").read_bytes())
frame = Image.new("RGBA", (30, 20))
frame.paste(Image.fromarray(np.asarray(hidden)[:11, :13]), (8, 4))
save("animated-part.webp", frame, save_all=True, append_images=[ImageOps.invert(frame.convert("RGB"))], duration=100, lossless=True, exact=True)
background("animated-part.webp", (10, 200, 30))

# TIFF
save("rgb.tif", odd)
save("lzw.tif", odd, compression="tiff_lzw")
save("deflate.tif", odd, compression="tiff_adobe_deflate")
save("packbits.tif", odd, compression="packbits")
save("alpha.tif", hidden)
save("cmyk.tif", odd_cmyk, compression="tiff_lzw")
save("palette.tif", odd.quantize(16))
save("gray.tif", odd.convert("L"))
save("bits.tif", odd.convert("1"), compression="group4")
exif = Image.Exif()
exif[0x0112] = 6
save("turned.tif", odd, exif=exif)
save("pages.tif", odd, save_all=True, append_images=[ImageOps.invert(odd)])


def tiff(name, pixels, **options):
    tifffile.imwrite(here / name, pixels, **options)
    shown = pixels if pixels.dtype == "u1" else (pixels >> 8).astype("u1")
    golden(name, Image.fromarray(np.moveaxis(shown, 0, -1) if options.get("planarconfig") == "separate" else shown))


wide = (np.asarray(odd).astype("u2") * 257 - 128 * (np.asarray(odd) > 0)).astype("u2")
tiff("planes.tif", np.moveaxis(np.asarray(odd), -1, 0), photometric="rgb", planarconfig="separate")
tiff("rgb16.tif", wide, photometric="rgb", byteorder=">")
tiff("gray16.tif", wide[..., 0].copy(), photometric="minisblack")
tiff("tiles.tif", np.asarray(odd), photometric="rgb", tile=(16, 16), compression="zlib", predictor=True)

# TIFF with alpha beside gray, tiles with differences, few bits, channels without a meaning.
deep = np.asarray(hidden.convert("LA"))
save("gray-alpha.tif", hidden.convert("LA"), compression="tiff_lzw", tiffinfo={317: 2})
tifffile.imwrite(here / "gray-alpha-tiles.tif", deep, photometric="minisblack", extrasamples=["unassalpha"], planarconfig="contig",
                 tile=(16, 16), compression="zlib", predictor=True)
golden("gray-alpha-tiles.tif", Image.open(here / "gray-alpha-tiles.tif"))


def plain_tiff(name, pixels, photometric, bits=8, **tags):
    """A TIFF as nobody here writes it: uint8 [height, width, channels], packed into so many bits."""
    h, w, channels = pixels.shape
    first = {True: "little", False: "big"}[tags.get("fill") == 2]
    rows = (pixels.reshape(h, -1, 1) >> np.arange(bits - 1, -1, -1) & 1).astype("u1").reshape(h, -1)
    body = np.packbits(rows, axis=1, bitorder=first).tobytes()
    body += b"\0" * (len(body) % 2)
    entries = {256: w, 257: h, 258: [bits] * channels, 259: 1, 262: photometric, 273: 8, 277: channels, 278: h, 279: len(body)}
    entries |= {{"fill": 266, "extra": 338, "palette": 320}[k]: v for k, v in tags.items()}
    directory, more, at = b"", b"", 8 + len(body) + 2 + 12 * len(entries) + 4
    for tag, values in sorted(entries.items()):
        values = np.atleast_1d(np.asarray(values, "<u2"))
        data = values.tobytes()
        if len(data) > 4:
            data, more = (at + len(more)).to_bytes(4, "little"), more + data
        directory += np.asarray([tag, 3], "<u2").tobytes() + len(values).to_bytes(4, "little") + data.ljust(4, b"\0")
    head = b"II*\0" + (8 + len(body)).to_bytes(4, "little")
    put(name, head + body + len(entries).to_bytes(2, "little") + directory + bytes(4) + more)


luma = np.asarray(odd.convert("L"))[..., None]
colors = np.random.default_rng(8).integers(0, 256, 768) * 257
plain_tiff("white-2.tif", luma >> 6, 0, bits=2)
plain_tiff("gray-4.tif", luma >> 4, 1, bits=4)
plain_tiff("gray-4-reversed.tif", luma >> 4, 1, bits=4, fill=2)
plain_tiff("palette-4.tif", luma >> 4, 3, bits=4, palette=colors[:48])
plain_tiff("palette-alpha.tif", np.dstack([luma, np.asarray(hidden)[..., 3]]), 3, palette=colors, extra=2)
plain_tiff("five.tif", np.dstack([np.asarray(odd), luma, luma]), 2, extra=[0, 0])
plain_tiff("cmyk-five.tif", np.dstack([np.asarray(odd_cmyk), luma]), 5, extra=0)

if sys.argv[1:] == ["formats"]:
    sys.exit()
import keras

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
