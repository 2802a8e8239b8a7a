"""The EXIF orientation of an image file, as stages/imagefile/exif.go reads it."""

import tensorflow as tf

ORIENTATION, SHORT, ENTRY = 0x0112, 3, 12  # tag, type, and the bytes of an entry


def orientation(file):
    """EXIF's number of how the image of a JPEG or PNG file is stored, int64: 1 to 8, others mean nothing. file: a scalar string."""
    data = Bytes(file)
    formats = [(data.have(0, b"\xff\xd8"), lambda: in_jpeg(data)), (data.have(0, b"\x89PNG\r\n\x1a\n"), lambda: in_png(data))]
    return in_tiff(data, *tf.case(formats, lambda: (data.end, data.end)))


class Bytes:
    """The bytes of a file; behind its end are zeros. All numbers are int64, so that sums of what stands in a file do not overflow."""

    def __init__(self, file):
        self.data = tf.concat([tf.io.decode_raw(file, tf.uint8), [0]], 0)
        self.end = tf.size(self.data, tf.int64) - 1

    def take(self, at, n):
        return tf.cast(tf.gather(self.data, tf.minimum(at + tf.range(n), self.end)), tf.int64)

    def number(self, at, n, little=False):
        return number(self.take(at, tf.constant(n, tf.int64)), n, little)

    def have(self, at, text):
        return tf.reduce_all(tf.equal(self.take(at, tf.constant(len(text), tf.int64)), list(text)))


def number(data, n, little):
    """The last axis has n bytes, the least one first if little."""
    powers = [256**i for i in range(n)]
    return tf.reduce_sum(data * tf.where(little, tf.constant(powers, tf.int64), tf.constant(powers[::-1], tf.int64)), -1)


def search(data, first, more, step):
    """Where the TIFF structure begins and ends; both at the end of the file if there is none. step(at) gives what is found (or
    not), where it begins and ends, and what comes after."""

    def body(at, begin, end):
        found, its_begin, its_end, after = step(at)
        return tf.where(found, data.end, after), tf.where(found, its_begin, begin), tf.where(found, its_end, end)

    start = [tf.constant(first, tf.int64), data.end, data.end]
    _, begin, end = tf.while_loop(lambda at, *_: more(at), body, start, parallel_iterations=1)
    return begin, end


def in_jpeg(data):
    def step(at):
        """A segment: 0xff, marker, length."""
        marker, after = data.number(at + 1, 1), at + 2 + data.number(at + 2, 2)
        fill = tf.equal(marker, 0xFF)
        last = ~fill & (tf.equal(marker, 0xDA) | tf.equal(marker, 0xD9) | (after > data.end))  # start of scan, end of image
        exif = ~fill & ~last & tf.equal(marker, 0xE1) & data.have(at + 4, b"Exif\0\0") & (after >= at + 10)
        return exif, at + 10, after, tf.where(fill, at + 1, tf.where(last, data.end, after))

    return search(data, 2, lambda at: (at + 4 <= data.end) & data.have(at, b"\xff"), step)


def in_png(data):
    def step(at):
        """A chunk: length, name, content, checksum."""
        after = at + 8 + data.number(at, 4)
        return data.have(at + 4, b"eXIf") & (after <= data.end), at + 8, after, after + 4

    return search(data, 8, lambda at: at + 8 <= data.end, step)


def in_tiff(data, begin, end):
    little = data.have(begin, b"II*\0")
    valid = (begin + 8 <= end) & (little | data.have(begin, b"MM\0*"))
    first = begin + data.number(begin + 4, 4, little)
    count = tf.minimum(data.number(first, 2, little), (end - first - 2) // ENTRY)
    count = tf.where(valid, tf.maximum(count, 0), 0)
    entries = tf.reshape(data.take(first + 2, count * ENTRY), [-1, ENTRY])
    tag, kind, value = (number(entries[:, i : i + 2], 2, little) for i in (0, 2, 8))
    wanted = tf.boolean_mask(value, tf.equal(tag, ORIENTATION) & tf.equal(kind, SHORT))
    return tf.concat([wanted, tf.constant([1], tf.int64)], 0)[0]
