// Package key makes the lines of which a stage's key consists: settings, the artifacts that the stage takes, and what else
// its result depends on. A line is a name and a value; the key is what the store names an action by.
package key
