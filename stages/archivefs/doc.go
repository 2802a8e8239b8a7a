// Package archivefs reads the files in a tar, tar.gz or zip archive by number, from many goroutines at a time.
//
// The kind is told by the first bytes, never by the name. Nothing is ever written under a name that stands in an
// archive: a tar.gz is unpacked to one plain tar, and files are read out of it by their offset.
//
// Only plain files and folders count. Links, devices and files with unsafe names (absolute, or with ..) are skipped and
// listed in Skipped, so that the caller can say so.
package archivefs
