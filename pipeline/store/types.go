package store

import "time"

// Line is one component of a key: a name and a value.
type Line struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// ActionID is the hex SHA-256 of a key.
type ActionID string

// Artifact is a finished, immutable directory in the store.
type Artifact struct {
	ID       string // hex SHA-256 of its manifest
	Type     string // kind of the result, as the stage that made it names it
	Dir      string // absolute path of the directory
	Identity string // what enters the keys of later stages: the ID, unless the manifest names another identity
}

// Record records which artifact an action made.
type Record struct {
	Action   ActionID  `json:"action"`
	Stage    string    `json:"stage"`
	Key      []Line    `json:"key"`
	Artifact string    `json:"artifact"`
	Type     string    `json:"type"`
	Inputs   []string  `json:"inputs,omitempty"` // the IDs of the artifacts that the action read
	Run      string    `json:"run"`              // the run that made it
	Made     time.Time `json:"made"`             // when
	Seconds  float64   `json:"seconds"`          // duration over all known attempts, in seconds

	PeakBytes int64 `json:"peak_bytes,omitempty"` // peak resident memory of its process; 0: not known
}
