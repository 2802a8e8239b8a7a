// Package sources fetches files from where they are published: an address on the web, a local file or folder, or a member
// of a Debian or Python package. It does not know what a file should hold: the caller verifies the bytes.
//
// The nouns:
//
//   - A source is one place where a file can be had.
//   - A [Snapshot] lists the names and digests of a local file or folder at one moment. A command takes it once for each
//     source; reading fails if the files no longer match it.
//   - A memory is a file that caches digests of local files between commands. A digest is used only while the file's
//     state (size, times, inode) is unchanged.
//   - A [Body] is the content that a source delivers, read once from its beginning.
//   - A partial is an unfinished download. It stays in the scratch folder, so that a killed run resumes it.
//   - A secret is a part of an address that no message, record or event may show: user name, password or query.
package sources
