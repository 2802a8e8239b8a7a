// Package runs finds runs and gathers what they left: in a store, in a file that run --summary-json wrote, or in a folder
// that pytorch/train.py filled.
//
// A Stored is run.json as it is read. A Summary is what a run writes for scripts; it names the artifacts of the run. A
// Finder finds either by what a user calls a run: an ID or a part of one, a tag, the name of a config, or its file.
package runs
