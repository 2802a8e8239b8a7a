"""Train with Keras' own loop, from the variables of a SavedModel. Usage: train.py DIR IMAGES LABELS STEPS BATCH SIZE TAP
OUT. The same network as the export, of layers, with SGD (learning rate 0.01, momentum 0.9); OUT gets the STEPS losses,
then the bytes of the last layer's kernel."""

import sys

import keras
import numpy as np
import tensorflow as tf

folder, images, labels, steps, batch, size, tap, out = sys.argv[1:]
steps, batch, size = int(steps), int(batch), int(size)
images = np.fromfile(images, np.uint8).reshape(steps, batch, size, size, 3)
labels = np.fromfile(labels, np.int32).reshape(steps, batch)

base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(size, size, 3))
saved = tf.train.load_checkpoint(folder + "/variables/variables")
kernel = saved.get_tensor("head_1_kernel/.ATTRIBUTES/VARIABLE_VALUE")
pooled = keras.layers.GlobalAveragePooling2D()(base.get_layer(tap).output)
model = keras.Model(base.input, keras.layers.Dense(kernel.shape[1], name="head_1")(pooled))
for v in model.weights:
    v.assign(saved.get_tensor(v.path.replace("/", "_") + "/.ATTRIBUTES/VARIABLE_VALUE"))

optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
losses = []
for x, y in zip(images, labels):
    x = keras.applications.vgg16.preprocess_input(x.astype(np.float32))
    with tf.GradientTape() as tape:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, model(x, training=True))
    variables = model.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, [v.value for v in variables]), variables))
    losses.append(loss.numpy())
with open(out, "wb") as f:
    f.write(np.array(losses, np.float32).tobytes())
    f.write(model.get_layer("head_1").kernel.numpy().tobytes())
