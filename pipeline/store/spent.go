package store

import (
	"os"
	"path/filepath"
	"time"
)

// spentName is the file in an action's scratch directory with the time that attempts at it took so far.
const spentName = "spent"

// Spent returns how long earlier attempts at the action took, as recorded by Spend.
func (p *Pending) Spent() time.Duration {
	text, err := os.ReadFile(filepath.Join(p.store.scratchPath(p.action), spentName))
	if err != nil {
		return 0
	}
	spent, err := time.ParseDuration(string(text))
	if err != nil { // the file was truncated by a power failure
		return 0
	}
	return max(0, spent)
}

// Spend records how long all attempts at the action took so far. It may be called any time before Commit. The time is only shown
// to users, so errors are ignored and nothing is fsynced.
func (p *Pending) Spend(all time.Duration) {
	path := filepath.Join(p.store.scratchPath(p.action), spentName)
	temporary := path + ".partial"
	if err := os.WriteFile(temporary, []byte(all.String()), 0o666); err == nil {
		_ = os.Rename(temporary, path)
	}
}
