// Package archivefs reads the files in a tar or zip archive by number, from many goroutines at a time.
//
// The kind is told by the first bytes, never by the name: zip, tar, or a tar packed with gzip, bzip2, xz, Zstandard or
// LZ4; and a zip behind a program or a script, as what unpacks itself is, by its end. Nothing is ever written under a name that stands in an archive: a packed tar is unpacked to one plain tar, and
// files are read out of it by their offset.
//
// What comes out is what a folder would hold into which the archive was unpacked. Links to members, symbolic and hard,
// to files and to folders, are followed: their entries stand for the same bytes. A link that leads nowhere in the
// archive is an entry that cannot be read. Devices and files with unsafe names (absolute, or with ..) are skipped and
// listed in Skipped, so that the caller can say so. Of several files of one name the last counts; Repeated lists the name. Backslashes separate folders in a zip that is written so.
//
// Errors come in two kinds. A DiskError says that the archive's own file could not be read just now, and nothing of
// what is in it. Any other error of Read is one member's own fault, a reason to do without it: it is damaged, encrypted,
// too large or packed in a way that is not read. Errors of Open end the work: nobody knows what an archive held whose
// end or directory is gone.
package archivefs
