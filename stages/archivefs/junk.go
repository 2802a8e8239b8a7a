package archivefs

import (
	"strings"
)

// JunkNames are the lower-case names of files and folders that operating systems, desktops and network drives create. Names
// that begin with a dot are junk too: .DS_Store, ._photo.jpg (AppleDouble), .git, .ipynb_checkpoints, .Trash-1000.
var JunkNames = map[string]bool{
	"__macosx": true, "icon\r": true, "temporary items": true, "network trash folder": true, // macOS
	"thumbs.db": true, "ehthumbs.db": true, "ehthumbs_vista.db": true, "desktop.ini": true, // Windows
	"$recycle.bin": true, "system volume information": true, "found.000": true,
	"@eadir": true, "#recycle": true, "#snapshot": true, "@recycle": true, "@recently-snapshot": true, "@__thumb": true, "@tmp": true, // Synology, QNAP
	"lost+found": true, "__pycache__": true, "picasa.ini": true, "zbthumbnail.info": true,
}

// Junk reports whether a file of this name is not part of the data set: it is hidden, or one of JunkNames.
func Junk(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") || JunkNames[strings.ToLower(part)] {
			return true
		}
	}
	return false
}
