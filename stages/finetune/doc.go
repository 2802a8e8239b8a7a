// Package finetune is the stage that trains what is not frozen, the suffix, and writes the model. A checkpoint holds all
// that the next step depends on, so that a training that was stopped continues to the same bytes.
package finetune
