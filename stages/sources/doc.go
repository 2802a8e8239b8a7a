// Package sources gets files from where they are published: an address on the web, a local file or folder, or a member
// of a Debian or Python package. It knows nothing of what a file should hold; who calls it verifies the bytes.
//
// The nouns:
//
//   - A source is one place where a file can be had.
//   - A [Snapshot] is what a local file or folder held when it was looked at, by content. A command looks once at each;
//     what is then read must be what was seen.
//   - A memory keeps digests of local files from command to command, for the very same files alone.
//   - A [Body] is a file as its source gives it, read once from its beginning.
//   - A partial is what is there of a download. It stays in scratch, so that a killed run continues at its byte.
//   - A secret is what no message, record or event may show: user names, passwords and queries in addresses.
package sources
