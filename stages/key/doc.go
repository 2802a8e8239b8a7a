// Package key builds the lines of a stage's key: its settings, its input artifacts, and whatever else its result depends on. A
// line is a name and a value. The store identifies an action (one execution of a stage) by its key.
package key
