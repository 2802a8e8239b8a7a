// Package formats reads and writes what passes between stages: the files of each type of artifact, one source file a
// format. It imports no stage, so that anyone may read artifacts: stages, reports, predict, the benchmark.
//
// The artifact types and their files; arrays are NumPy .npy (version 1.0, C order), texts are JSON:
//
//	archive   files/NAME…         the verified files as fetched (a gzip with content_sha256 is stored unpacked)
//	          archive.json        {"files": [{"name", "bytes", "sha256"}]}
//	images    images-00000.npy…   uint8 [n, H, W, C], C is 1 or 3; every shard but the last has the same n, unless shard_rows
//	                              says otherwise; one of no rows has no file
//	          labels.npy          int32 [N], index into classes
//	          images.json         {"count", "shape": [H, W, C], "shard_size", "classes": [names], "decoder", "rejected",
//	                              "shard_rows" (n of each shard, where images that could not be read left some shorter),
//	                              "transparent" (images whose files have pixels that are not opaque; none: left out),
//	                              "resize" (where decode scaled), "background" (where such pixels were blended with one)}
//	          samples.jsonl       one line an image, in row order: {"path", "split", "class"}; the splits are train, then val,
//	                    then test, of which a data set may lack the last two
//	          rejected.jsonl      one line a file that could not be read: {"path", "reason"}
//	dataset   dataset.json        recipe (mode, mean, std, crop), classes, class counts of each split, statistics
//	          train.npy val.npy test.npy   int64 rows of images, ascending; an empty split has no file
//	          duplicates.jsonl    groups of byte-identical images that lie in more than one split or have more than one class
//	          contact-sheet.png   a few images of each class
//	features  features-00000.npy… float32 or float16 [n, …] activations at the cut; every shard but the last has the same n
//	          rows.npy            int64 [N]: the image row of each feature: those of all images, ascending; and where
//	                              training images have copies, then those of copy 1, ascending, of copy 2, and so on
//	          features.json       {"count": N, "copies", "copied", "shape", "shard_size", "dtype", "layers", "model",
//	                              "precision"}; copies counts the plain feature of a training image and its changed
//	                              ones, copied the images that have such; epoch e of fine-tune (from 0) reads of each
//	                              image copy e mod copies, so an epoch is no longer than without copies;
//	                              "passthrough": true where nothing is frozen, and then no arrays
//	prefix    saved_model.pb variables/ card.json: the frozen part of the network as Keras exports it, with the signatures
//	          featurize, featurize_augmented, calibrate and set_ranges as far as the settings ask for them
//	suffix    saved_model.pb variables/ card.json: the part that trains, with init, train_step, evaluate, predict and more
//	model     saved_model.pb variables/ labels.txt card.json history.jsonl, and end.safetensors where the weights that
//	          were kept are not the last ones: the state that a continued training begins with
//	          Its signatures serving_default (images: uint8 [n, H, W, C] of any size, C is 1, 3 or 4) and serving_bytes
//	          (image_bytes: strings [n], each a JPEG, PNG, GIF or BMP file) answer as predict does: probabilities,
//	          float32 [n, classes], in the order of labels.txt; but for what is transparent in a GIF, which TensorFlow
//	          reads as black, also where there is a background
//	report    metrics.json confusion_matrix.csv per_class.csv predictions.csv report.txt
//	          probabilities.npy   float32 [n, classes] of each line of predictions.csv
//
// A shard is a file that holds some of the rows of a larger array. Writers are atomic: after a crash a file holds all that
// was written or what it held before.
package formats
