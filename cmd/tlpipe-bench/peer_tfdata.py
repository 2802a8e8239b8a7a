"""tf.data: reads, decodes and scales as Keras' image_dataset_from_directory does."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import tensorflow as tf

from peer import Task, serve

task = Task()
NO_AUTOTUNE = tf.data.Options()  # its thread would end only at its next period, 10 ms, 20 ms and so on to 5 s after the begin
NO_AUTOTUNE.autotune.enabled = False
tf.config.threading.set_intra_op_parallelism_threads(2)
tf.config.threading.set_inter_op_parallelism_threads(2)
tf.config.set_visible_devices([], "GPU")


def load(file):
    image = tf.io.decode_jpeg(tf.io.read_file(file), channels=3, dct_method="INTEGER_FAST")
    if task.precision == "bilinear":
        short = tf.minimum(tf.shape(image)[0], tf.shape(image)[1])
        image = tf.image.resize(tf.image.resize_with_crop_or_pad(image, short, short), [task.size, task.size])
        image = tf.cast(tf.round(image), tf.uint8)
    return tf.ensure_shape(image, [task.size, task.size, 3])


data = tf.data.Dataset.from_tensor_slices(task.files).map(load, num_parallel_calls=2).batch(task.batch).prefetch(2).with_options(NO_AUTOTUNE)


def once():
    return task.keep(data).astype("float32").mean((0, 1))


serve(once)
