"""The optimizers of the training step, in Keras' and in PyTorch's convention."""

import keras
import numpy as np
import tensorflow as tf

from common import path_of


class TorchOptimizer:
    """SGD, AdamW and RMSprop after the formulas in PyTorch's documentation, with PyTorch's defaults."""

    def __init__(self, settings, variables, name):
        self.settings, self.trained, self.name = settings, [v.value for v in variables], name
        slots = {"sgd": ["momentum"], "adamw": ["exp_avg", "exp_avg_sq"], "rmsprop": ["square_avg", "momentum"]}
        names = slots[settings["name"]]
        if settings["momentum"] == 0:
            names = [n for n in names if n != "momentum"]
        self.slots = [{n: self.variable(v.shape, f"{path_of(v)}/{n}") for n in names} for v in variables]
        self.steps = keras.Variable(0, dtype="int64", trainable=False, name="iteration")
        self.variables = [(f"{name}/iteration", self.steps.value)]
        for v, slot in zip(variables, self.slots):
            self.variables += [(f"{name}/{path_of(v)}/{n}", slot[n].value) for n in names]

    def variable(self, shape, name):
        return keras.Variable(np.zeros(shape, np.float32), trainable=False, name=name.replace("/", "_"))

    def apply(self, gradients, rate):
        self.steps.value.assign_add(1)
        t = tf.cast(self.steps.value, tf.float64)  # as PyTorch does: 1 - 0.999 has few digits in float32
        first, second = (tf.cast(1.0 - tf.pow(tf.constant(beta, tf.float64), t), tf.float32) for beta in (0.9, 0.999))
        momentum, decay = self.settings["momentum"], self.settings["weight_decay"]
        for w, g, slot in zip(self.trained, gradients, self.slots):
            slot = {name: variable.value for name, variable in slot.items()}
            if self.settings["name"] == "adamw":
                if decay:
                    w.assign(w * (1.0 - rate * decay))
                m = slot["exp_avg"].assign(0.9 * slot["exp_avg"] + 0.1 * g)
                v = slot["exp_avg_sq"].assign(0.999 * slot["exp_avg_sq"] + 0.001 * tf.square(g))
                w.assign_sub(rate / first * m / (tf.sqrt(v) / tf.sqrt(second) + 1e-8))
                continue
            if decay:
                g = g + decay * w
            if self.settings["name"] == "rmsprop":
                v = slot["square_avg"].assign(0.99 * slot["square_avg"] + 0.01 * tf.square(g))
                g = g / (tf.sqrt(v) + 1e-8)
            if momentum:
                buffer = slot["momentum"].assign(momentum * slot["momentum"] + g)
                g = g + momentum * buffer if self.settings["nesterov"] else buffer
            w.assign_sub(rate * g)


class KerasOptimizer:
    """An optimizer of Keras whose learning rate is an input of each step."""

    def __init__(self, settings, variables, name):
        momentum, decay = settings["momentum"], settings["weight_decay"]
        if settings["name"] == "sgd":
            self.inner = keras.optimizers.SGD(
                momentum=float(momentum), nesterov=settings["nesterov"], weight_decay=decay or None, name=name
            )
        elif settings["name"] == "adamw":
            self.inner = keras.optimizers.AdamW(weight_decay=decay, name=name)
        else:
            self.inner = keras.optimizers.RMSprop(momentum=momentum, weight_decay=decay or None, name=name)
        self.inner.build(variables)
        self.momentum = float(momentum) if settings["name"] == "sgd" else 0
        self.trained = variables
        self.variables = [(path_of(v), v.value) for v in self.inner.variables]

    def apply(self, gradients, rate):
        if self.momentum and not self.inner.weight_decay:  # in one pass over the variables
            self.inner.iterations.assign_add(1)
            for v, m, g in zip(self.trained, self.inner.momentums, gradients):
                tf.raw_ops.ResourceApplyKerasMomentum(
                    var=v.value.handle, accum=m.value.handle, lr=rate, grad=g, momentum=self.momentum, use_nesterov=self.inner.nesterov
                )
            return
        self.inner.learning_rate.assign(rate)
        self.inner.apply(gradients, self.trained)


class LossScale:
    """Dynamic loss scaling for float16, as Keras' LossScaleOptimizer: the loss is multiplied by a factor, so that small
    gradients are kept, and the gradients are divided by it. A step whose gradients are not all finite changes no weight and
    halves the factor; 2,000 good steps in a row double it."""

    INITIAL, GROWTH = 2.0**15, 2000  # Keras' defaults

    def __init__(self):
        factor = keras.Variable(self.INITIAL, trainable=False, name="loss_scale_factor")
        steps = keras.Variable(0, dtype="int64", trainable=False, name="loss_scale_steps")
        self.factor, self.steps = factor.value, steps.value
        self.variables = [("loss_scale/factor", self.factor), ("loss_scale/steps", self.steps)]

    def init(self):
        self.factor.assign(self.INITIAL)

    def scale(self, loss):
        return loss * self.factor

    def apply(self, gradients, update):
        gradients = [unconverted(g) / self.factor for g in gradients]

        def good():
            update(gradients)
            steps = self.steps + 1
            self.factor.assign(tf.where(steps == self.GROWTH, 2.0 * self.factor, self.factor))
            self.steps.assign(steps % self.GROWTH)
            return self.factor.read_value()

        def bad():
            self.factor.assign(self.factor / 2.0)
            self.steps.assign(0)
            return self.factor.read_value()

        tf.cond(tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in gradients]), good, bad)


def unconverted(gradient):
    """A gradient that TensorFlow's rewriter to float16 leaves in float32, with what follows. In float16 a factor from 2^16 on
    is infinite, and gradients divided by it are zero."""
    return tf.raw_ops.PlaceholderWithDefault(input=gradient, shape=gradient.shape)


def clip(gradients, settings):
    """The gradients of all trained variables in a step, clipped as Keras' optimizers do; in PyTorch's convention
    global_clipnorm is its clip_grad_norm_."""
    if limit := settings["clipnorm"]:
        return [tf.clip_by_norm(g, limit) for g in gradients]
    if limit := settings["clipvalue"]:
        return [tf.clip_by_value(g, -limit, limit) for g in gradients]
    if not (limit := settings["global_clipnorm"]):
        return gradients
    if settings["convention"] == "torch":
        scale = tf.minimum(limit / (tf.linalg.global_norm(gradients) + 1e-6), 1.0)
        return [g * scale for g in gradients]
    return tf.clip_by_global_norm(gradients, limit)[0]
