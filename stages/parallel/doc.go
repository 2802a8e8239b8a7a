// Package parallel fills batches concurrently and yields them in order, and divides rows into parts of equal size.
package parallel
