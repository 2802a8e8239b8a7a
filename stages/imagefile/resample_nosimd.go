//go:build !goexperiment.simd || !amd64 || go1.27

package imagefile

// resampleVectors says that there are no vectors.
func resampleVectors(raster, []tap, []tap, []byte) bool { return false }
