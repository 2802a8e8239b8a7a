package formats

// Rejected is a line of rejected.jsonl.
type Rejected struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// RejectedFile is the file that lists what was rejected.
const RejectedFile = "rejected.jsonl"
