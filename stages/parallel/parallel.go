package parallel

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"tlpipe/pipeline/guard"
)

// Ordered fills batches 0 … n-1 concurrently, at most lanes at a time, and yields them in order. Filling goes on while the
// caller uses a batch. It makes lanes+1 buffers with buffer; a yielded batch is valid until the next iteration. When the loop
// ends, for whatever reason, no call of fill is still running. A panic of fill becomes its error.
func Ordered[T any](ctx context.Context, n, lanes int, buffer func() T, fill func(batch T, i int) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		type filled struct {
			batch T
			err   error
		}
		ctx, stop := context.WithCancel(ctx)
		free, ready := make(chan T, lanes+1), make(chan chan filled, lanes+1) // sending never blocks
		for range cap(free) {
			free <- buffer()
		}
		var filling sync.WaitGroup
		filling.Go(func() {
			defer close(ready)
			lane := make(chan struct{}, lanes)
			for i := range n {
				select {
				case <-ctx.Done():
					return
				case lane <- struct{}{}:
				}
				select {
				case <-ctx.Done():
					return
				case batch := <-free:
					result := make(chan filled, 1)
					ready <- result
					filling.Go(func() {
						err := guard.Run(func() error { return fill(batch, i) })
						if fault := (*guard.Panic)(nil); errors.As(err, &fault) {
							err = fmt.Errorf("part %d of %d: %w", i+1, n, err)
						}
						result <- filled{batch, err}
						<-lane
					})
				}
			}
		})
		defer filling.Wait()
		defer stop()
		for range n {
			result, ok := <-ready
			if !ok {
				var none T
				yield(none, ctx.Err())
				return
			}
			next := <-result
			if !yield(next.batch, next.err) || next.err != nil {
				return
			}
			free <- next.batch
		}
	}
}

// Part returns the i-th part of rows, where each part has size rows and the last may be shorter.
func Part(rows []int64, i, size int) []int64 {
	return rows[i*size : min((i+1)*size, len(rows))]
}

// Count is the number of parts of at most size that n rows make.
func Count(n, size int) int { return (n + size - 1) / size }
