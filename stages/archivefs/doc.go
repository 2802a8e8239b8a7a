// Package archivefs reads the files in a tar or zip archive by number, from many goroutines at a time.
//
// The format is recognized by the first bytes, never by the file name: zip, tar, or a tar compressed with gzip, bzip2, xz,
// Zstandard or LZ4. A zip that follows a program or script (a self-extracting archive) is recognized by the directory at
// its end. No file is ever written under a name from an archive: a compressed tar is decompressed to one plain tar, and
// members are read from it by offset.
//
// The entries are those of a folder into which the archive was unpacked. Symbolic and hard links to members, files and
// folders alike, are followed: their entries read the same bytes as their targets. A link whose target is not in the
// archive is an entry that cannot be read. Devices and files with unsafe names (absolute, or with ..) are skipped and
// listed in Skipped, so that the caller can warn. Where several files have one name, the last counts and Repeated lists the
// name. In a zip written with backslashes, these separate folders.
//
// There are two kinds of errors. A *DiskError means that reading the archive's file failed, and tells nothing about its
// content: reading it again may succeed. Any other error of Read concerns one member, which the caller may leave out: it is
// damaged, encrypted, too large or compressed with an unsupported method. After an error of Open no member can be read,
// since an archive without its end or directory does not tell what it held.
package archivefs
