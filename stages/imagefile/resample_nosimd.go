//go:build !goexperiment.simd || !amd64 || go1.27

package imagefile

// resampleVectors reports that this build has no SIMD version.
func resampleVectors(raster, []tap, []tap, []byte) bool { return false }
