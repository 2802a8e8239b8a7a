package runpage

// clientData is what the script is given as JSON: the pictures of the gallery, which it shows as text and images only.
type clientData struct {
	Classes []string       `json:"classes"`
	Images  []galleryImage `json:"images"`
}

// galleryImage is one tested image that has a picture.
type galleryImage struct {
	Path      string       `json:"path"`
	Label     int          `json:"label"`
	Predicted int          `json:"predicted"`
	Top       [][2]float64 `json:"top"` // class and probability of the most probable classes
	Picture   string       `json:"picture"`
}

func newClientData(r *Run, _ *Thumbnails) *clientData {
	return &clientData{Classes: r.Classes, Images: []galleryImage{}}
}
