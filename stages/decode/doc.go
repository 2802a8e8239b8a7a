// Package decode is the stage that turns the files of an archive into arrays of pixels. A layout is how the files are
// arranged (folders of classes, CIFAR, IDX); a source is a data set whose items are known and not yet decoded; an item
// that cannot be decoded is set aside with a reason.
package decode
