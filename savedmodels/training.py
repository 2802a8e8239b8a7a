"""Head, loss and training step."""

import keras
import tensorflow as tf

from augmentation import drawn_for_step, mix_up, mix_weights, partners
from common import path_of, signature_name
from optimizers import KerasOptimizer, LossScale, TorchOptimizer, clip
from philox import dropout, initial


class Classifier:
    """Network, head, loss and optimizer: what the suffix exports."""

    def __init__(self, network):
        spec = self.spec = network.spec
        self.network = network
        # Without gamma and beta, which the FC layer behind it would only repeat.
        self.normalize = keras.layers.LayerNormalization(center=False, scale=False) if spec["normalization"] == "layer" else None
        sizes = [*spec["units"], spec["classes"]]
        self.head, width = [], network.vector()
        for i, units in enumerate(sizes):
            activation = "relu" if i + 1 < len(sizes) else None
            layer = keras.layers.Dense(units, activation, kernel_initializer="zeros", name=f"head_{i + 1}")
            layer.build([None, width])
            self.head.append(layer)
            width = units
        backbone = [v for layer in network.trained for v in layer.weights]
        head = [v for layer in self.head for v in layer.weights]
        self.trainable = backbone + head
        self.random = head if spec["weights"] != "random" else self.trainable
        make = {"keras": KerasOptimizer, "torch": TorchOptimizer}[spec["optimizer"]["convention"]]
        # An optimizer for each factor on the learning rate; and one that counts its own steps for what trains later.
        factors, self.first_of_head, groups = spec["learning_rate_multipliers"], len(backbone), {}
        for i, v in enumerate(self.trainable):
            in_head = i >= len(backbone)
            factor = factors.get("head" if in_head else path_of(v).split("/")[0], 1.0)
            groups.setdefault((in_head and spec["head_first"], factor), []).append(i)
        self.optimizers = []  # (which, factor on the learning rate, places in trainable)
        for n, ((_, factor), places) in enumerate(groups.items(), 1):
            name = f"optimizer_{n}" if len(groups) > 1 else "optimizer"
            self.optimizers.append((make(spec["optimizer"], [self.trainable[i] for i in places], name), factor, places))
        self.slots = [slot for optimizer, *_ in self.optimizers for slot in optimizer.variables]
        self.loss_scale = LossScale() if spec.get("precision") == "float16" else None
        if self.loss_scale:
            self.slots += self.loss_scale.variables
        self.state = {signature_name(path_of(v)): v.value for v in self.trainable}
        self.state |= {signature_name(name): v for name, v in self.slots}

    def logits(self, x, random=None):
        """random: None, or (seed, step) while training."""
        rate = self.spec["dropout"]
        if self.normalize:
            x = self.normalize(x)
        for i, layer in enumerate(self.head):
            # Before the last layer, and so after each hidden one.
            if random and rate and (i > 0 or len(self.head) == 1):
                x = dropout(x, rate, *random, i)
            x = layer(x)
        return x

    def init(self, seed):
        for v in self.random:
            v.value.assign(initial(v, seed))
        for _, v in self.slots:
            v.assign(tf.zeros_like(v))
        if self.loss_scale:
            self.loss_scale.init()
        return {"variables": tf.constant(len(self.random) + len(self.slots), tf.int32)}

    def train_step(self, **inputs):
        return self.train(0, **inputs)

    def train_head(self, **inputs):
        """The whole network runs, only the head learns."""
        return self.train(self.first_of_head, **inputs)

    def train(self, first, x, labels, learning_rate, step, seed, class_weights=None):
        """A step of the variables from the first on. class_weights: float32 [classes], factors on the examples' losses;
        their sum is divided by the number of examples, as Keras does it."""
        mixed = None  # how much of each image stays, where images are mixed
        if self.network.augmentation:
            x, mixed = self.augment(x, step, seed)
        with tf.GradientTape() as tape:
            logits = self.logits(self.network.finish(x, (seed, step)), (seed, step))
            smoothing, classes = self.spec["label_smoothing"], self.spec["classes"]
            targets = tf.one_hot(labels, classes, 1.0 - smoothing + smoothing / classes, smoothing / classes)
            factors = None if class_weights is None else tf.gather(class_weights, labels)
            if mixed is not None:
                if factors is None:
                    targets = mix_up(targets, mixed)
                else:  # the image's part of the loss has the image's factor, and the other's part the other's
                    targets, factors = mix_up(targets * factors[:, None], mixed), mix_up(factors, mixed)
                    targets = tf.math.divide_no_nan(targets, factors[:, None])
                labels = tf.where(mixed < 0.5, partners(labels), labels)  # whichever has the larger part
            losses = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
            loss = tf.reduce_mean(losses if factors is None else factors * losses)
            scaled = self.loss_scale.scale(loss) if self.loss_scale else loss
        gradients = tape.gradient(scaled, [v.value for v in self.trainable[first:]])

        def update(gradients):
            gradients = clip(gradients, self.spec["optimizer"])
            for optimizer, factor, places in self.optimizers:
                if places[0] >= first:
                    optimizer.apply([gradients[i - first] for i in places], learning_rate * factor)

        if self.loss_scale:
            self.loss_scale.apply(gradients, update)
        else:
            update(gradients)
        hits = tf.equal(tf.argmax(logits, 1, tf.int32), labels)
        return {"loss": loss, "correct": tf.reduce_sum(tf.cast(hits, tf.int32))}

    def augment(self, images, step, seed):
        """The changed images, and the weights they were mixed with; None if they were not."""
        x = self.network.augmentation(self.network.resize(images), drawn_for_step(tf.shape(images)[0], seed, step))
        if not (alpha := self.spec["augment"]["mixup"]):
            return x, None
        weights = mix_weights(tf.shape(images)[0], alpha, seed, step)
        return mix_up(x, weights), weights

    def evaluate(self, x, labels):
        logits = self.logits(self.network.finish(x))
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return {"loss": loss, "probabilities": tf.nn.softmax(logits)}

    def predict(self, images):
        x = self.network.featurize(images) if self.network.frozen else images
        return {"probabilities": tf.nn.softmax(self.logits(self.network.finish(x)))}

    def get_state(self):
        return {name: tf.identity(v) for name, v in self.state.items()}

    def set_state(self, **values):
        for name, v in self.state.items():
            v.assign(values[name])
        return {"variables": tf.constant(len(self.state), tf.int32)}
