package pipeline

import (
	"time"

	"tlpipe/pipeline/store"
)

// noteEvery is how much of a stage's time a kill makes unknown.
const noteEvery = time.Second

// timeAttempts keeps the time that all attempts at an action took, also of those that are killed. begun is when this
// one did. stop ends that and gives the time.
func timeAttempts(p *store.Pending, begun time.Time) (stop func() time.Duration) {
	before := p.Spent()
	all := func() time.Duration { return before + time.Since(begun) }
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(noteEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.Spend(all())
			case <-done:
				return
			}
		}
	}()
	return func() time.Duration {
		close(done)
		<-ended
		total := all()
		p.Spend(total)
		return total
	}
}
