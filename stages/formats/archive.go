package formats

// The files of an archive.
const (
	ArchiveIndex  = "archive.json"
	ArchiveFolder = "files" // the folder that holds what was fetched
)

// Archive is what archive.json says.
type Archive struct {
	Files []ArchiveFile `json:"files"` // by name
}

// ArchiveFile is one file of an archive, as it is stored.
type ArchiveFile struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}
