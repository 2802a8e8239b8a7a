// Package imagefile turns the bytes of one image file into RGB pixels, as the reference decoders read it.
//
// It tells the formats by their first bytes, never by a name. What comes out is always uint8 RGB:
//
//   - JPEG is decoded by Options.JPEG where that is set, which is to be libjpeg as TensorFlow has it: baseline and progressive,
//     in Huffman's or arithmetic coding; gray, YCbCr, RGB, CMYK and YCCK with any subsampling. Go's own decoder, which stands
//     in, has no arithmetic coding and few kinds of subsampled CMYK, and says so; its cosine transform is a few levels off, its
//     chroma is smoothed as libjpeg does.
//   - PNG is read as libpng does, every color type and depth: a wrong checksum of what is not pixels, text that is damaged,
//     transparency beside alpha, spare bytes behind the pixels or no end are no reason to refuse one.
//   - WebP has libwebp's pixels to the last bit, lossy, lossless and with alpha. Of an animation, of a GIF, and of the pages of
//     a TIFF the first is taken, on the whole canvas.
//   - HEIC and AVIF are decoded by libheif (package heif), to the last bit; of AVIF a few levels off libavif, which computes with
//     fewer bits. They are turned by their own properties: EXIF does not count.
//   - TIFF is read where its pixels are of 1, 2, 4, 8 or 16 bits, gray, in a palette, RGB or CMYK, with alpha or other channels
//     behind them, side by side or in planes, not packed or by PackBits, LZW, Deflate or as a fax. What Pillow reads beyond that
//     and this does not: TIFF packed with JPEG, Zstandard, LZMA or WebP, in YCbCr or Lab, of 32 bits, signed or floating point,
//     and BigTIFF; JPEG 2000, JPEG XL, Netpbm, Photoshop's documents, icons and others that hold no photographs. The reason says
//     which it is.
//   - Gray becomes three equal channels; 16 bits become 8 by keeping the high byte.
//   - Alpha is dropped, not blended, as Keras, TensorFlow and Pillow's convert("RGB") do: the colors that it hides come out. A GIF
//     stores none, and outside the frame of an animation there is none: there it is black. With Options.Background pixels are
//     blended with that instead, in the file's size.
//   - CMYK is converted without a color profile: R = (255-C)(255-K)/255, and so on, within a level. In JPEG Adobe's marker says
//     that the values are inverted.
//   - The EXIF orientation (of JPEG, PNG, WebP and TIFF) is applied.
//   - A square is made as torchvision does (Antialias, in Pillow's own integers) or as Keras does (Bilinear, within one
//     level of its float32, as values are rounded twice).
//   - An image is read up to 400 million pixels if decoding it takes no more than 1.2 GB: a JPEG of 200 megapixels, progressive
//     ones too, and a PNG of 8 bits as large; anything else up to 100, for which 16 bits or HEIC take some 1.8 GB. With
//     Options.Room, images that are decoded at the same time take no more together.
//   - A JPEG of more than 100 megapixels is scaled down by libjpeg first, to no less than four times the size of the square,
//     where Antialias then makes that: within 2 levels of the exact one in photographs of 108 and 200 megapixels, 0.2 on average.
//
// Pixels can change in the last bits with the version of Go and of the decoders, so Version belongs in the key of whatever is
// made of them.
package imagefile
