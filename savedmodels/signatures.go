package savedmodels

// The signatures of exported models, as export.py names them; what each takes and gives stands there and in a card.
const (
	// Of a prefix.
	Prepare            = "prepare"             // once before the others, where a model has it
	Featurize          = "featurize"           // images to features
	FeaturizeAugmented = "featurize_augmented" // the same of copies that are changed at random
	Calibrate          = "calibrate"           // images to the ranges of the activations, for int8
	SetRanges          = "set_ranges"

	// Of a suffix.
	Init      = "init"       // random initial weights
	TrainStep = "train_step" // of all that trains
	TrainHead = "train_head" // of the head alone
	Evaluate  = "evaluate"   // features to losses and probabilities
	Predict   = "predict"    // images to probabilities
	GetState  = "get_state"  // all that training changes
	SetState  = "set_state"

	// For servers, of a suffix too.
	SetServing     = "set_serving"     // see Serving
	ServingDefault = "serving_default" // any images to probabilities
	ServingBytes   = "serving_bytes"   // image files to probabilities
)

// Signatures are all of them.
func Signatures() []string {
	return []string{
		Prepare, Featurize, FeaturizeAugmented, Calibrate, SetRanges,
		Init, TrainStep, TrainHead, Evaluate, Predict, GetState, SetState,
		SetServing, ServingDefault, ServingBytes,
	}
}
