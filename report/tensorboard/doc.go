// Package tensorboard writes the event files that TensorBoard reads: tensorboard/RUN/events.out.tfevents… in the store, so
// that `tensorboard --logdir artifacts/tensorboard` shows the runs side by side.
//
// A Log is a progress.Sink. While a run trains it writes the loss and the learning rate of steps and the results of epochs,
// so that TensorBoard follows the training. Finish adds, at the end of the run, what the model is like: its measured
// metrics, the confusion matrix and the most confident mistakes as pictures. A training that was not done in this run is
// taken over from the run that did it, where that is still there; epochs without a report (those before a kill, say) come
// from history.jsonl.
//
// A file is a row of TFRecords, each an Event message of tensorflow/core/util/event.proto. The few fields that are needed
// are written with protowire: the generated messages would bring those of all of TensorFlow into the program.
package tensorboard
