// Package fetch is the stage that gets the data and verifies it. A file has several sources (an address, a local path, a
// Debian or Python package), which are tried in order; package sources opens them.
package fetch
