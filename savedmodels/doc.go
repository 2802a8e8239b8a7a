// Package savedmodels describes the models tlpipe uses, has Keras export them, and names what a runtime must do.
//
// The nouns:
//
//   - The base model is a Keras application (VGG16) without its top; the head is the new classifier.
//   - The cut divides the network: the layers before it are frozen, those after it are trained.
//   - The prefix is a SavedModel of the frozen part: signature featurize, uint8 images to activations at the cut.
//   - The suffix is a SavedModel of the rest: signatures init, train_step, evaluate, predict, get_state and set_state, and
//     train_head where only the head learns first. Servers call serving_default (pixels of any size) and serving_bytes (files),
//     which decode, scale and crop as set_serving says: see Serving.
//   - A card (card.json beside saved_model.pb) says what a SavedModel is: settings, versions, tensors and their digest.
//   - A Runtime loads SavedModels. tfruntime is the one that links TensorFlow; tests also have a fake.
//
// This package links no TensorFlow; only savedmodels/tfruntime does.
package savedmodels
