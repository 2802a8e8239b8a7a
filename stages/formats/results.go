package formats

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// Handled is how many images a stage went through to make its artifact, 0 where the artifact does not tell: decode all
// that it read, featurize each copy, none where nothing is frozen.
func Handled(stage, dir string) int {
	name, ok := map[string]string{"decode": "images.json", "featurize": "features.json"}[stage]
	if !ok {
		return 0
	}
	var info struct {
		Count       int  `json:"count"`
		Rejected    int  `json:"rejected"`
		Passthrough bool `json:"passthrough"`
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil || json.Unmarshal(text, &info) != nil || info.Passthrough {
		return 0
	}
	return info.Count + info.Rejected
}
