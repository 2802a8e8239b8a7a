package audit

// Kind is what can be found about a picture.
type Kind struct {
	Name    string // in audit.csv
	Title   string
	Meaning string
	Pair    bool // whether another picture belongs to it
}

// The names of the kinds.
const (
	LabelError     = "label"
	SameOtherLabel = "same-other-label"
	SameAcross     = "same-across-splits"
	Same           = "same"
	NearOtherLabel = "near-other-label"
	NearAcross     = "near-across-splits"
	Near           = "near"
	Dark           = "dark"
	Bright         = "bright"
	Blurred        = "blurred"
	LittleIn       = "low-information"
	Gray           = "gray"
	OddSize        = "odd-size"
	OddShape       = "odd-shape"
	Transparent    = "transparent"
	NotFinite      = "not-finite"
)

// Kinds are all of them, what harms most first.
var Kinds = []Kind{
	{LabelError, "Labels that are probably wrong", "Classifiers that had not learned from the picture are sure of another class. The score is the probability of the given label.", false},
	{SameOtherLabel, "The same picture under another label", "Byte for byte the same pixels, so one of the labels is wrong.", true},
	{SameAcross, "The same picture in two splits", "Byte for byte: what is measured on it is too good.", true},
	{NearOtherLabel, "Nearly the same picture under another label", "One of the labels may be wrong. The score is how alike the features are, 1 at most.", true},
	{NearAcross, "Nearly the same picture in two splits", "What is measured on it may be too good. The score is how alike the features are, 1 at most.", true},
	{Same, "The same picture twice", "Byte for byte, with the same label in the same split: it counts twice.", true},
	{Near, "Nearly the same picture twice", "With the same label in the same split. The score is how alike the features are, 1 at most.", true},
	{NotFinite, "Features that are no numbers", "The frozen part of the network gave infinity or no number for it.", false},
	{Dark, "Dark pictures", "Hardly a pixel is bright. The score is the brightness of the 99th hundredth.", false},
	{Bright, "Bright pictures", "Hardly a pixel is dark. The score is how far from white the 5th hundredth is.", false},
	{Blurred, "Blurred pictures", "There are hardly any edges. The score grows with their strength.", false},
	{LittleIn, "Pictures with little in them", "Nearly all pixels are alike. The score grows with how much they differ.", false},
	{Gray, "Gray pictures among colour ones", "All pixels are gray, unlike in most other pictures.", false},
	{OddSize, "Pictures of an odd size", "The file is far smaller or larger than most. The score is 1 in the middle of the usual sizes.", false},
	{OddShape, "Oddly shaped pictures", "One side is far longer than the other; the network sees the centre. The score is the shorter side through the longer.", false},
	{Transparent, "Transparent pictures", "The file has pixels that are not opaque; what is behind them is decode.background's.", false},
}

// What counts as found. Where nothing else is said, thresholds and definitions are those of cleanvision 0.3
// (issue_managers/image_property.py), whose names are given.
const (
	darkBelow        = 0.32 // dark: brightness_perc_99
	brightBelow      = 0.05 // light: 1 - brightness_perc_5
	blurredBelow     = 0.29 // blurry
	blurScale        = 0.01 // blurry: normalizing_factor
	blurSpread       = 0.18 // blurry: color_threshold
	blurSide         = 64   // MAX_RESOLUTION_FOR_BLURRY_DETECTION
	informationBelow = 0.3  // low_information, of a tenth of the entropy in bits
	shapeBelow       = 0.35 // odd_aspect_ratio
	sizeIQR          = 3.0  // odd_size: iqr_factor

	mostPrevalent = 0.5 // as cleanvision's max_prevalence: what half of the pictures are is how the data set is, and no finding

	// Pictures are nearly the same where both their features and their perceptual hashes are near. The first was chosen by
	// looking at pairs of Fashion-MNIST, whose trousers and sandals are alike by nature; the second is of 64 bits.
	nearCosine = 0.93
	nearHash   = 12
)

func kindOrder(name string) int {
	for i, k := range Kinds {
		if k.Name == name {
			return i
		}
	}
	return len(Kinds)
}
