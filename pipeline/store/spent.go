package store

import (
	"os"
	"path/filepath"
	"time"
)

// spentName holds, in the scratch directory of an action, how long attempts at it took so far.
const spentName = "spent"

// Spent is how long earlier attempts at the action took, as far as Spend was told.
func (p *Pending) Spent() time.Duration {
	text, err := os.ReadFile(filepath.Join(p.store.scratchPath(p.action), spentName))
	if err != nil {
		return 0
	}
	spent, err := time.ParseDuration(string(text))
	if err != nil { // cut short by a power failure
		return 0
	}
	return max(0, spent)
}

// Spend notes how long all attempts at the action took so far. It may be called any time before Commit. The time is
// only told to people, so a disk that does not take it is no error, and nothing is synced.
func (p *Pending) Spend(all time.Duration) {
	path := filepath.Join(p.store.scratchPath(p.action), spentName)
	temporary := path + ".partial"
	if err := os.WriteFile(temporary, []byte(all.String()), 0o666); err == nil {
		_ = os.Rename(temporary, path)
	}
}
