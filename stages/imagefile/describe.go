package imagefile

// Size reads the width and height of an image file, as stored, from its beginning; an error: the header is not in it.
func Size(data []byte) (width, height int, err error) {
	f, err := Options{}.inspect(data)
	return f.width, f.height, err
}

// Opaque says whether a format has no transparency at all, told by the first bytes.
func Opaque(data []byte) bool { return starts("\xff\xd8", "BM")(data) }
