package decode

import (
	"fmt"

	"tlpipe/stages/formats"
)

func Warnings(dir string) (list []string) {
	info, err := formats.ReadImagesInfo(dir)
	if err != nil {
		return nil
	}
	if total := info.Count + info.Rejected; info.Rejected > 0 {
		list = append(list, fmt.Sprintf("%d of %d images could not be read and are left out: decode's rejected.jsonl lists them", info.Rejected, total))
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
	return fmt.Sprintf("%d of %d images have transparent pixels, and the colours hidden below them are used as they are: decode.background says what shows instead, such as white",
		info.Transparent, info.Count)
}
