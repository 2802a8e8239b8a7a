// Package imagefile decodes one image file to RGB pixels, with the same result as the reference decoders.
//
// It recognizes formats by the first bytes, never by the file name. The result is always uint8 RGB:
//
//   - JPEG is decoded by Options.JPEG where that is set (TensorFlow's libjpeg): baseline and progressive, Huffman or arithmetic
//     coding, gray, YCbCr, RGB, CMYK and YCCK with any subsampling. Without it Go's decoder is used, which supports no arithmetic
//     coding and few kinds of subsampled CMYK (the error says so). Its inverse DCT differs from libjpeg's by a few levels; chroma
//     is interpolated as in libjpeg.
//   - PNG is read as libpng does, with every color type and depth. Like libpng it accepts wrong checksums outside of the pixel
//     data, damaged text, transparency beside alpha, extra bytes after the pixels, and a missing end chunk.
//   - WebP gives the same pixels as libwebp to the last bit: lossy, lossless and with alpha. Of an animation (also of a GIF) the
//     first frame is read, on the whole canvas; of a TIFF the first page.
//   - HEIC and AVIF are decoded by libheif (package heif). Pixels equal libheif's to the last bit; AVIF differs by a few levels
//     from libavif, which computes with fewer bits. They are rotated by their own properties; their EXIF orientation is ignored.
//   - TIFF is read with pixels of 1, 2, 4, 8 or 16 bits, gray, palette, RGB or CMYK, with alpha or further channels, interleaved
//     or planar, uncompressed or compressed with PackBits, LZW, Deflate or a fax encoding. Not read, though Pillow does: TIFF
//     compressed with JPEG, Zstandard, LZMA or WebP, in YCbCr or Lab, with 32-bit, signed or floating-point values, and BigTIFF;
//     JPEG 2000, JPEG XL, Netpbm, Photoshop documents, icons and other formats that rarely hold photographs. The error names them.
//   - Gray becomes three equal channels; 16 bits become 8 by keeping the high byte.
//   - Alpha is dropped, not blended, as Keras, TensorFlow and Pillow's convert("RGB") do, so that transparent pixels show their
//     stored colors. A GIF stores none for them, nor does an animation outside of its frame: they become black. With
//     Options.Background pixels are blended with that color instead, before scaling.
//   - CMYK is converted without a color profile: R = (255-C)(255-K)/255, and so on, within one level. In a JPEG, Adobe's marker
//     means that the values are inverted.
//   - The EXIF orientation (of JPEG, PNG, WebP and TIFF) is applied.
//   - Images are scaled to a square as torchvision does (Antialias, with Pillow's integer arithmetic) or as Keras does (Bilinear,
//     within one level of its float32 result, since values are rounded twice).
//   - Limits: every image of up to 100 million pixels is read (16 bits or HEIC take about 1.8 GB at that size), and one of up to
//     400 million pixels if decoding takes at most 1.2 GB, such as a JPEG (also progressive) or an 8-bit PNG of 200 megapixels.
//     With Options.Room, images decoded at the same time share 1.2 GB.
//   - For Antialias, a JPEG of more than 100 megapixels is first reduced by libjpeg, to at least four times the size of the
//     square. In photographs of 108 and 200 megapixels the result is within 2 levels of the exact one, 0.2 on average.
//
// The last bits of pixels can change with the versions of Go and of the decoders, so Version belongs in the key of whatever is
// computed from them.
package imagefile
