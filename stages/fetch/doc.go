// Package fetch is the stage that downloads or copies the data and verifies it. A file can have several sources (a web
// address, a local path, a Debian or Python package), which are tried in order; package sources opens them.
package fetch
