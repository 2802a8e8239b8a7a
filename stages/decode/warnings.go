package decode

import (
	"fmt"

	"tlpipe/stages/formats"
	"tlpipe/stages/wording"
)

// Warnings tells of the images in dir what makes results worse; of images that cannot be read nothing.
func Warnings(dir string) (list []string) {
	info, err := formats.ReadImagesInfo(dir)
	if err != nil {
		return nil
	}
	if n, total := info.Rejected, info.Count+info.Rejected; n > 0 {
		list = append(list, fmt.Sprintf("%s could not be read and %s left out: decode's rejected.jsonl lists %s", wording.Share(n, total, "image"), wording.Plural(n, "is", "are"), wording.Plural(n, "it", "them")))
	}
	if warning := transparentWarning(info); warning != "" {
		list = append(list, warning)
	}
	return list
}

// transparentWarning tells of images whose hidden colours train the model; "" if there are none.
func transparentWarning(info formats.ImagesInfo) string {
	if info.Transparent == 0 || info.Background != nil {
		return ""
	}
	return fmt.Sprintf("%s %s transparent pixels, and the colours hidden below them are used as they are: decode.background says what shows instead, such as white",
		wording.Share(info.Transparent, info.Count, "image"), wording.Plural(info.Transparent, "has", "have"))
}
