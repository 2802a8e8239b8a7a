package examples

// Limits on a batch that is measured or classified: what a graph makes of it follows from the pixels.
const (
	BatchBytes  = 64 << 20 // of examples
	BatchPixels = 32 * 224 * 224
	BatchRows   = 256 // examples
)
